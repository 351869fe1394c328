"""A sequence classifier of `transformers` with its tokenizer, from a folder or the hub. Needs the extra `hf`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gptcore.backbones.checkpoint_files import (
    ADAPTER_CONFIG,
    CONFIG_FILE,
    WEIGHT_SOURCES,
    is_file,
    is_folder,
    printable,
)
from gptcore.backbones.hf_load import quiet, require_transformers
from gptcore.backbones.hub import download
from gptcore.errors import UserError, first_line
from gptcore.padding.report import Side

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

OWN = "classifier.json"  # of a folder that `fit` wrote
OTHERS = {"*.onnx": "an ONNX graph", "*.gguf": "a GGUF file", ADAPTER_CONFIG: "a PEFT adapter"}
LIMITS = ("max_position_embeddings", "n_positions", "max_seq_len")  # what configs call their context
LONGEST = 512  # tokens of a row at most, whatever the model can take: padding shows at any length
MORE = 16  # tokens of padding beyond the longest text


@dataclass(frozen=True, eq=False)
class Probed:
    """A classifier in evaluation mode, float32, on the CPU.

    pad_id: what rows are padded with, its tokenizer's own where it has one; context: tokens of a text at most, with
    room for `more` tokens of padding.
    """

    name: str
    model: PreTrainedModel
    pad_id: int
    own_side: Side
    context: int
    more: int
    notes: tuple[str, ...] = ()

    @property
    def model_pad_id(self) -> int | None:
        """The padding token that the model's config names."""
        found: int | None = self.model.config.get_text_config().pad_token_id
        return found

    def run(self, rows: Sequence[Sequence[int]], side: Side, width: int, **more: Any) -> Any:
        """The model's output on rows padded to `width`."""
        ids, mask = padded(rows, side, width, self.pad_id)
        return self.model(input_ids=ids, attention_mask=mask, **more)


def padded(rows: Sequence[Sequence[int]], side: Side, width: int, pad_id: int) -> tuple[Tensor, Tensor]:
    """Tokens and mask, both (N, width) int64: the mask is 1 at tokens and 0 at padding."""
    ids = torch.full((len(rows), width), pad_id)
    mask = torch.zeros_like(ids)
    for at, row in enumerate(rows):
        place = slice(len(row)) if side == "right" else slice(width - len(row), width)
        ids[at, place], mask[at, place] = torch.tensor(row), 1
    return ids, mask


def load_probed(name: str) -> tuple[Probed, PreTrainedTokenizerBase]:
    """Raises UserError where it cannot be loaded, has no trained head, or no tokenizer."""
    require_transformers(name)
    folder = Path(name) if is_folder(name) else None
    if folder is None and (Path(name).is_absolute() or name.startswith(".") or name.count("/") > 1):
        raise UserError(f"{name}: no such folder")
    folder = folder or download(name)
    if not any(is_file(folder / file) for file in WEIGHT_SOURCES):
        for pattern, what in OTHERS.items():
            if next(folder.glob(pattern), None) is not None:
                raise UserError(
                    f"{folder} holds {what}, which transformers does not open as a whole: name a folder of "
                    "`python -m gptcore export --to hf`"
                )
    if is_file(folder / OWN):
        raise UserError(
            f"{folder} is a classifier of `fit`: name what `python -m gptcore export {folder} --to hf` wrote"
        )
    if not is_file(folder / CONFIG_FILE):
        raise UserError(f"{folder} has no {CONFIG_FILE}: name a folder that save_pretrained() wrote")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with quiet():
        try:
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # a damaged file can break its reader in any way
            reason = first_line(error)
            raise UserError(
                f"{name} cannot be loaded as a sequence classifier: {printable(reason)}"
            ) from error
    if missing := sorted(report["missing_keys"]):
        raise UserError(
            f"{name} has no trained head ({printable(missing[0])} is not in its weights): name a classifier that was "
            "fine-tuned and saved"
        )
    return probed(name, model, tokenizer), tokenizer


def probed(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Probed:
    """A model and its tokenizer. Raises UserError where there is no token at all to pad with."""
    config, notes = model.config.get_text_config(), []
    pad_id = tokenizer.pad_token_id
    if pad_id is None:
        others = (config.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id, config.eos_token_id)
        pad_id = next((each for each in others if isinstance(each, int)), None)
        if pad_id is None:
            raise UserError(f"{name}: its tokenizer has no padding token, nor one for the end of a text")
        notes.append(f"its tokenizer has no padding token: padded with token {pad_id}")
    limits = [n for n in (getattr(config, limit, None) for limit in LIMITS) if isinstance(n, int) and n > 0]
    width = min([tokenizer.model_max_length, *limits, LONGEST])
    more = min(MORE, width // 4)
    own_side: Side = "left" if tokenizer.padding_side == "left" else "right"
    return Probed(name, model.eval(), int(pad_id), own_side, width - more, more, tuple(notes))


def token_rows(
    probed: Probed, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> tuple[list[list[int]], int]:
    """The texts as tokens with their special ones, cut to the context; and how many were cut."""
    with quiet():
        whole = [tokenizer(text)["input_ids"] for text in texts]
        rows = [
            row
            if len(row) <= probed.context
            else tokenizer(text, truncation=True, max_length=probed.context)["input_ids"]
            for text, row in zip(texts, whole, strict=True)
        ]
    return rows, sum(len(row) > probed.context for row in whole)
