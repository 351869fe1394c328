"""A classifier as an adapter that peft's PeftModel.from_pretrained opens, with the head in it.

The base model is named by its hub id where it has one; else it lies in the folder, under `base`. `config.json` is the
base model's as a sequence classifier: labels and pad token, which neither the base nor the adapter's own file says.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gptcore.backbones.base import Backbone
from gptcore.backbones.checkpoint_files import ADAPTER_CONFIG
from gptcore.backbones.checkpoints import checkpoint_folder, hub_repo
from gptcore.backbones.convert.cache import conversion_of
from gptcore.backbones.gpt import GPT
from gptcore.backbones.hf_load import quiet
from gptcore.backbones.hub import split_revision
from gptcore.backbones.tokenizer_json import tokenizer_files
from gptcore.classifier import TextClassifier
from gptcore.engine.engine import Engine
from gptcore.errors import UserError, first_line
from gptcore.export import sequence_model as theirs
from gptcore.export.formats import ExportFormat
from gptcore.export.head import linear_head, network_predictor, predictor_of
from gptcore.files import write_whole
from gptcore.methods.base import PeftForm
from gptcore.methods.lora_layers import LoRALinear
from gptcore.methods.peft_layers import NAME
from gptcore.recipe import Recipe
from gptcore.training.build import build_backbone, build_classifier

BASE = "base"
_HOW_TO = """---
library_name: peft
base_model: {base}
---

    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    here = "."  # this folder
    config = AutoConfig.from_pretrained(here)
    base = AutoModelForSequenceClassification.from_pretrained({argument}, config=config)
    model = PeftModel.from_pretrained(base, here).eval()
    tokenizer = AutoTokenizer.from_pretrained(here)  # call it with truncation=True, padding=True

The remark that `score.weight` is newly initialised is about the base model: the adapter brings the head.
"""


def obstacle(classifier: TextClassifier) -> str | None:
    """Why it cannot be an adapter of peft's on a sequence classifier of `transformers`; None where it can."""
    method = classifier.recipe.method
    if predictor_of(classifier) is not None and isinstance(found := method.as_peft(), str):
        return found
    return theirs.obstacle(classifier)


def write(classifier: TextClassifier, folder: Path) -> None:
    """Write adapter, config, tokenizer and, where it is not of the hub, the base model. Raises UserError."""
    import peft

    predictor, base = network_predictor(classifier), classifier.base
    backbone = predictor.network.backbone
    form = classifier.recipe.method.as_peft()
    assert base is not None
    assert isinstance(form, PeftForm)
    pristine, _ = build_backbone(classifier.recipe, base.init_seed)
    pristine.drop_output()
    layers = _adapted(backbone)
    norm = theirs.norm_of(backbone)
    with quiet():
        model: Any = theirs.sequence_model(classifier, pristine)
        if (hub := _hub(classifier.recipe)) is None:
            model.base_model.save_pretrained(folder / BASE)
        name, revision = (BASE, None) if hub is None else split_revision(hub)
        config_class = getattr(peft, form.config)
        settings = form.settings | _layer_settings(config_class, backbone, layers)
        saved = ["score", f"{model.base_model_prefix}.{norm}"]
        config = config_class(task_type="SEQ_CLS", modules_to_save=saved, **settings)
        adapter: Any = _wrapped(model, config)
        _copy(adapter, model.base_model_prefix, _learned(classifier, layers, form))
        _fill_saved(adapter, classifier, norm)
        config.base_model_name_or_path, config.revision = name, revision
        adapter.save_pretrained(folder, save_embedding_layers=False)
        theirs.config_for(classifier).save_pretrained(folder)
    files = tokenizer_files(predictor.tokenizer, predictor.tokens_per_row)
    argument = f'f"{{here}}/{BASE}"' if hub is None else f'"{name}"'
    argument += "" if revision is None else f', revision="{revision}"'
    files["README.md"] = _HOW_TO.format(base=name, argument=argument)
    for file, content in files.items():
        write_whole(folder / file, content)


def probabilities(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """(N, n_labels) that peft gives."""
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification

    said = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    name, revision = said["base_model_name_or_path"], said["revision"]
    named = name if revision is None else f"{name}@{revision}"
    where = folder / BASE if name == BASE else checkpoint_folder(named)
    with quiet():
        config = AutoConfig.from_pretrained(folder)
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            where, config=config, local_files_only=True
        )
        adapted = PeftModel.from_pretrained(model, str(folder)).eval()
    return theirs.answers(adapted, folder, texts)


def _hub(recipe: Recipe) -> str | None:
    """The hub id, @revision included, whose weights are those that were started from; None where there is none."""
    if recipe.weights == "random" or conversion_of(checkpoint_folder(recipe.model)) is not None:
        return None
    return hub_repo(recipe.model)


def _adapted(backbone: Backbone) -> dict[str, nn.Module]:
    """The layers that hold an adapter, or that learn themselves, by their names in `transformers`."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    named = dict(theirs.inner(backbone).named_modules())
    found = {name: layer for name, layer in named.items() if isinstance(layer, LoRALinear | BaseTunerLayer)}
    last = set(backbone.tail.modules())
    learn = [
        name
        for name, module in named.items()
        if module not in last and any(p.requires_grad for p in module.parameters(recurse=False))
    ]
    return {name: named[name] for name in found or learn}


def _layer_settings(config_class: Any, backbone: Backbone, layers: dict[str, nn.Module]) -> dict[str, Any]:
    """The arguments about layers."""
    found: dict[str, Any] = {"target_modules": list(layers)}
    accepted = inspect.signature(config_class).parameters
    if isinstance(backbone, GPT) and "fan_in_fan_out" in accepted:
        found["fan_in_fan_out"] = True  # transformers keeps GPT-2's layers as Conv1D
    if "feedforward_modules" in accepted:
        found["feedforward_modules"] = [
            name for name, layer in layers.items() if getattr(layer, "is_feedforward", False)
        ]
    return found


def _wrapped(model: Any, config: Any) -> Any:
    """peft's model. Raises UserError where it has no such layers for this architecture."""
    from peft import get_peft_model

    try:
        return get_peft_model(model, config, adapter_name=NAME).eval()
    except (ValueError, TypeError, AssertionError) as error:
        reason = first_line(error)
        raise UserError(f"--to peft: {config.peft_type.value} does not fit these layers: {reason}") from error


def _learned(classifier: TextClassifier, layers: dict[str, nn.Module], form: PeftForm) -> dict[str, Tensor]:
    """What was learned but for the head and the last norm, by its name within peft."""
    backbone = network_predictor(classifier).network.backbone
    named = theirs.inner(backbone).named_parameters()
    # Biases of norms, which LoRA may train as well
    biases = {name: p for name, p in named if p.requires_grad and name.endswith(".bias")}
    last = {id(p) for p in backbone.tail.parameters()}
    found: dict[str, Tensor] = {
        name: p for name, p in biases.items() if id(p) not in last and not _is_in(name, layers)
    }
    for name, layer in layers.items():
        for part, tensor in layer.state_dict().items():
            if (there := _their_part(layer, part)) is not None:
                found[f"{name}.{there}"] = tensor
    return _minus_start(classifier, found) if form.from_start else found


def _is_in(name: str, layers: dict[str, nn.Module]) -> bool:
    return any(name.startswith(f"{layer}.") for layer in layers)


def _their_part(layer: nn.Module, part: str) -> str | None:
    """The name within peft of a tensor of a layer; None for those of the base model."""
    if isinstance(layer, LoRALinear):
        names = {"lora_A": f"lora_A.{NAME}.weight", "lora_B": f"lora_B.{NAME}.weight"}
        return (names | {"linear.bias": "base_layer.bias"}).get(part)
    if hasattr(layer, "base_layer"):
        return None if part.startswith("base_layer.") else part
    return f"ln_tuning_layers.{NAME}.{part}"


def _minus_start(classifier: TextClassifier, learned: dict[str, Tensor]) -> dict[str, Tensor]:
    """B A - B0 A0 as one product, of twice the rank: [B, -B0] [A; A0]."""
    base = classifier.base
    assert base is not None
    backbone, _ = build_backbone(classifier.recipe, base.init_seed)
    engine = Engine(base.engine, base.precision)
    build_classifier(backbone, len(classifier.labels), classifier.recipe, engine, base.init_seed)
    start = dict(theirs.inner(backbone).named_parameters())
    found = {}
    for name, tensor in learned.items():
        if ".lora_A." in name:
            tensor = torch.cat([tensor, start[name]])
        elif ".lora_B." in name:
            tensor = torch.cat([tensor, -start[name]], dim=1)
        found[name] = tensor
    return found


@torch.no_grad()
def _copy(adapter: Any, prefix: str, learned: dict[str, Tensor]) -> None:
    """Put what was learned into peft's model, in place. Raises UserError for a tensor that it has not."""
    state = adapter.state_dict()
    for name, tensor in learned.items():
        there = state.get(f"base_model.model.{prefix}.{name}")
        if there is None or there.shape != tensor.shape:
            raise UserError(f"--to peft: the installed peft has no {name} {tuple(tensor.shape)}")
        there.copy_(tensor)


@torch.no_grad()
def _fill_saved(adapter: Any, classifier: TextClassifier, norm: str) -> None:
    """Put head and last norm into the modules that the adapter saves whole."""
    model = adapter.base_model.model
    score = model.score.modules_to_save[NAME]
    own = theirs.inner(network_predictor(classifier).network.backbone).get_submodule(norm)
    saved = model.get_submodule(f"{model.base_model_prefix}.{norm}").modules_to_save[NAME]
    saved.load_state_dict(own.state_dict())
    theirs.fill_head(saved, score, linear_head(classifier))


PEFT = ExportFormat(
    packages=("transformers", "peft"),
    extra="hf",
    obstacle=obstacle,
    write=write,
    probabilities=probabilities,
)
