"""The loop that `bench speed` times beside the engine does the engine's work: the same losses, step by step."""

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.run.speed_run import comparable
from gptcore.backbones.hf_config import parse_hf_config
from gptcore.backbones.huggingface import HFBackbone
from gptcore.data.rows import epoch_batches, pad
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.head import MlpHead
from gptcore.engine.layout import EngineName
from gptcore.errors import UserError
from gptcore.methods.lora_layers import lora_layers
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier
from gptcore.training.evaluate import predict_logits
from gptcore.training.loop import Labelled, train
from gptcore.training.timing import Phases
from gptcore.training.transformers_loop import (
    FINAL_NORM,
    TransformersLoop,
    head_layers,
    obstacle,
    padded_over_real,
)
from tests.parity.toys import VOCAB, toy_backbone, toy_raw

PAD = 1
RNG = np.random.default_rng(0)
ROWS = [RNG.integers(3, VOCAB, size=n).tolist() for n in (7, 12, 3, 9, 5, 11, 4, 8, 6, 10)]
LABELS = np.arange(len(ROWS)) % 3 % 2


def recipe_of(backbone: HFBackbone, train: str, **changes: Any) -> Recipe:
    values = {"epochs": 2, "lr": 1e-3, "batch_size": 4, "lora_rank": 2, "lora_targets": ("all-linear",)}
    return comparable(backbone.info, Recipe(**(values | {"train": train} | changes)))


def theirs_like(ours: Classifier, backbone: HFBackbone, recipe: Recipe) -> TransformersLoop:
    """Their loop with the weights of ours."""
    loop = TransformersLoop(backbone.info, recipe, 2, PAD)
    base = loop.model.base_model.model if recipe.train == "lora" else loop.model
    assert isinstance(ours.backbone, HFBackbone)
    heads = (ours.head.dense, ours.head.out) if isinstance(ours.head, MlpHead) else (ours.head,)
    learning = [m for m in head_layers(base) if all(p.requires_grad for p in m.parameters())]
    assert len(learning) == len(heads)
    with torch.no_grad():
        for mine, their in zip(heads, learning, strict=True):
            their.load_state_dict(mine.state_dict())
        parameters = dict(base.named_parameters())
        prefix = base.base_model_prefix
        for name, value in backbone.model.named_parameters():
            found = parameters.get(f"{prefix}.{name}")
            if found is None:  # peft keeps the layer inside its own
                layer, _, leaf = f"{prefix}.{name}".rpartition(".")
                found = parameters[f"{layer}.base_layer.{leaf}"]
            found.copy_(value)
        for name, layer in lora_layers(ours.backbone).items():
            wrapped = base.get_submodule(f"{prefix}.{name.removeprefix('model.')}")
            wrapped.lora_A.default.weight.copy_(layer.lora_A)
            assert wrapped.scaling["default"] == pytest.approx(layer.scale)
    return loop


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("train_", ["last_layer", "last_block", "all", "lora"])
@pytest.mark.parametrize("family", FINAL_NORM)
def test_losses_are_the_engines(family: str, train_: str, engine: EngineName) -> None:
    if engine == "fast" and family not in ("llama", "bert"):
        return  # the engines are compared with each other in test_families.py
    backbone = toy_backbone(family)
    recipe = recipe_of(backbone, train_)
    ours = build_classifier(copy.deepcopy(backbone), 2, recipe, Engine(engine), 0)
    loop = theirs_like(ours, backbone, recipe)
    data = Labelled(pad(ROWS, 12, PAD), LABELS)
    torch.testing.assert_close(loop.logits(ROWS), predict_logits(ours, data.rows), rtol=1e-4, atol=1e-4)
    trained = sum(p.numel() for p in ours.trained_parameters())
    assert sum(p.numel() for p in loop.model.parameters() if p.requires_grad) == trained
    order = torch.Generator().manual_seed(5)
    losses = [loss for _ in range(2) for loss in loop.epoch(ROWS, LABELS, order)[0]]
    done = train(ours, recipe, data, data, 5, Phases(torch.device("cpu")))
    np.testing.assert_allclose(losses, done.losses, rtol=2e-3)
    torch.testing.assert_close(loop.logits(ROWS), predict_logits(ours, data.rows), rtol=1e-2, atol=1e-2)


def test_no_dropout_is_left() -> None:
    raw = toy_raw("bert")
    assert raw["hidden_dropout_prob"] > 0
    info = parse_hf_config(raw, "toy")
    loop = TransformersLoop(info, recipe_of(toy_backbone("bert"), "all"), 2, PAD)
    assert all(m.p == 0 for m in loop.model.modules() if isinstance(m, nn.Dropout))


@pytest.mark.parametrize(
    ("family", "changes", "reason"),
    [
        ("bloom", {}, "bloom was not compared"),
        ("llama", {"clip_norm": 1.0}, "clip_norm = 1.0 is not in it"),
        ("llama", {"train": {"method": "dora"}}, "train = 'dora' is not in it"),
    ],
)
def test_other_work_is_refused(family: str, changes: dict[str, Any], reason: str) -> None:
    backbone = toy_backbone(family)
    recipe = recipe_of(backbone, **({"train": "all"} | changes))
    with pytest.raises(UserError, match=f"no comparison with transformers: {reason}"):
        TransformersLoop(backbone.info, recipe, 2, PAD)


def test_the_position_must_be_theirs() -> None:
    info = parse_hf_config(toy_raw("llama"), "toy")
    assert json.loads(info.raw)["model_type"] == "llama"
    assert "position = 'last_real'" in str(obstacle(info, Recipe(attention="native", position="mean_real")))


def test_padding_is_counted_as_their_batches_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = toy_backbone("llama")
    loop = TransformersLoop(backbone.info, recipe_of(backbone, "all"), 2, PAD)
    held: list[int] = []
    batch = loop._batch
    monkeypatch.setattr(
        loop, "_batch", lambda rows: (held.append(batch(rows)["input_ids"].numel()), batch(rows))[1]
    )
    loop.epoch(ROWS, LABELS, torch.Generator().manual_seed(5))
    batches = [b.tolist() for b in epoch_batches(len(ROWS), 4, torch.Generator().manual_seed(5))]
    real = sum(len(ROWS[i]) for batch in batches for i in batch)
    assert padded_over_real(list(map(len, ROWS)), batches) == sum(held) / real > 1
