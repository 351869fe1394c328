"""A checkpoint's `config.json`, whatever the architecture. Imports no torch."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from gptcore.backbones.checkpoint_files import CONFIG_FILE, is_file, parse_json, read_text
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.gpt2_config import read_config
from gptcore.backbones.hf_config import HFConfig, is_hf_config, parse_hf_config

AnyConfig = ModelConfig | HFConfig


def read_info(folder: Path) -> AnyConfig:
    """The shape of a folder's model: a GPT-2, or an architecture that `transformers` runs.

    Raises UserError where there is no config, or one that is not understood.
    """
    path = folder / CONFIG_FILE
    raw: dict[str, Any] = {}
    with contextlib.suppress(ValueError):  # said below
        raw = parse_json(read_text(path)) if is_file(path) else {}
    return parse_hf_config(raw, str(path)) if is_hf_config(raw) else read_config(folder)
