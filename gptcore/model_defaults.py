"""What a recipe's fields default to on a model: GPT-2s keep the defaults of the first studies. Imports no torch."""

from __future__ import annotations

from typing import Any

from gptcore.backbones.catalogue import CATALOGUE
from gptcore.backbones.checkpoints import hub_config, known_config
from gptcore.backbones.config import REGISTRY
from gptcore.backbones.hf_config import HFConfig
from gptcore.methods.targets import ALL_LINEAR
from gptcore.recipe import TFIDF

BEYOND_GPT2: dict[str, Any] = {"attention": "native", "lora_targets": (ALL_LINEAR,)}


def model_defaults(model: str) -> dict[str, Any]:
    """Fields of a recipe that differ from the schema's defaults on that model.

    model: as in a recipe. A config.json is fetched from the hub where it is not at hand: it decides a recipe's id.
    Raises UserError for a config that is not supported.
    """
    if model in (TFIDF, *REGISTRY):
        return {}
    if model in CATALOGUE:
        return dict(BEYOND_GPT2)
    config = known_config(model) or hub_config(model)
    return dict(BEYOND_GPT2) if isinstance(config, HFConfig) else {}
