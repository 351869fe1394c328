"""Models of `transformers` from a checkpoint's folder, from chance, or as shapes alone. Needs the extra `hf`."""

from __future__ import annotations

import importlib.util
import inspect
import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gptcore.backbones.checkpoint_files import ADAPTER_CONFIG, is_file, printable, weight_files
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.huggingface import HFBackbone
from gptcore.errors import UserError, first_line

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# Output layers of other tasks, by the first or second part of their parameters' names: a classifier has a new one.
HEADS = (
    *("lm_head", "score", "classifier", "cls", "pooler", "qa_outputs", "predictions", "decoder", "head"),
    *(
        "discriminator_predictions",
        "generator_predictions",
        "generator_lm_head",
        "pre_classifier",
        "embed_out",
    ),
    *("vocab_transform", "vocab_layer_norm", "vocab_projector", "mask_predictions", "lm_predictions"),
    *("sop_classifier", "summary"),
)
_IN_A_BLOCK = re.compile(r"(^|\.)(layers?|h|blocks?)\.\d+\.")
# Tables that older files hold and that are computed from the config.
_COMPUTED = re.compile(r"(^|\.)(position_ids|token_type_ids|inv_freq|masked_bias|attn\.bias)$")


def require_transformers(model: str) -> None:
    """Raises UserError where `transformers` 5 is not installed, naming the extra."""
    remedy = "pip install -e .[hf]"
    if importlib.util.find_spec("transformers") is None:
        raise UserError(f"{model} is run by transformers, which is not installed: {remedy}")
    from importlib.metadata import version

    if int(version("transformers").split(".")[0]) < 5:
        raise UserError(
            f"{model} needs transformers 5 or later, and {version('transformers')} is installed: {remedy}"
        )


def load_hf(folder: Path, info: HFConfig) -> HFBackbone:
    """The model of a folder in float32, in evaluation mode; `notes` say what of the file was left out.

    Raises UserError where the weights cannot be read, do not fit the config, or are not finite. Code that lies in the
    folder is never run.
    """
    if is_file(folder / ADAPTER_CONFIG):
        raise UserError(
            f"{folder} holds a PEFT adapter beside its model: load it with PEFT, call merge_and_unload(), "
            "save_pretrained() the result and name that folder"
        )
    weight_files(folder)  # raises where there are none
    require_transformers(str(folder))
    from transformers import AutoModel

    with quiet():
        try:
            model, report = AutoModel.from_pretrained(
                folder,
                config=hf_config_of(info),
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # which are refused below, by name
                **_options(info),
            )
        except Exception as error:  # a damaged file can break its reader in any way
            reason = first_line(error)
            raise UserError(f"{folder} cannot be loaded: {reason}") from error
    backbone = HFBackbone(model, info)
    backbone.notes = _notes(folder, report)
    for name, parameter in backbone.model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise UserError(
                f"{folder}: {name} holds values that are not finite: the file is damaged, save it again"
            )
    return backbone


def random_hf(info: HFConfig, seed: int) -> HFBackbone:
    """A model with the architecture's random initialisation; the global generator stays as it was."""
    require_transformers(info.model_type)
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        model = AutoModel.from_config(hf_config_of(info), dtype=torch.float32, **_options(info))
    return HFBackbone(model, info)


def shapes_of(info: HFConfig) -> HFBackbone:
    """The model without its weights' memory, on torch's meta device."""
    with torch.device("meta"):
        return random_hf(info, 0)


def hf_config_of(info: HFConfig) -> PretrainedConfig:
    """What `transformers` makes of the config, with dropout off. Raises UserError where it refuses it."""
    from transformers import AutoConfig

    raw = json.loads(info.raw)
    try:
        config = AutoConfig.for_model(raw.pop("model_type"), **raw)
    except Exception as error:
        reason = first_line(error)
        raise UserError(f"the config of {info.model_type} is not one of transformers: {reason}") from error
    return config


def _options(info: HFConfig) -> dict[str, Any]:
    """Arguments of the model's class: no pooler, which lies behind what a head reads."""

    from transformers import MODEL_MAPPING, AutoConfig

    kind: Any = MODEL_MAPPING[type(AutoConfig.for_model(info.model_type))]
    accepts = "add_pooling_layer" in inspect.signature(kind).parameters
    return {"add_pooling_layer": False} if accepts else {}


def _notes(folder: Path, report: dict[str, Any]) -> tuple[str, ...]:
    """What was left out of a file. Raises UserError where a parameter is missing, has another shape or is unknown."""
    if missing := sorted(report["missing_keys"]):
        raise UserError(
            f"{folder} has no {printable(missing[0])} ({len(missing)} parameters of the model are missing)"
        )
    if misshapen := sorted(report["mismatched_keys"]):
        name, found, expected = misshapen[0]
        raise UserError(
            f"{folder}: {printable(name)} is {tuple(found)} in the file, and {tuple(expected)} by config.json"
        )
    if report.get("error_msgs"):
        raise UserError(f"{folder} cannot be loaded: {str(report['error_msgs'][0]).splitlines()[0]}")
    heads, odd = set[str](), []
    for name in sorted(report["unexpected_keys"]):
        head = next((part for part in name.split(".")[:2] if part in HEADS), None)
        if _COMPUTED.search(name):
            continue
        if head is None or _IN_A_BLOCK.search(name):
            odd.append(name)
        else:
            heads.add(head)
    if odd:
        raise UserError(
            f"{folder}: {printable(odd[0])} is not a parameter of this architecture ({len(odd)} are not)"
        )
    return (f"left out of the checkpoint: {', '.join(sorted(heads))}",) if heads else ()


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's remarks and progress bars: what matters of them is said in `notes`."""
    from transformers.utils import logging as theirs

    level, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity(logging.CRITICAL)
    theirs.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()
