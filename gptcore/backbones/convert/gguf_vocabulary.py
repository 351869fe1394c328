"""A tokenizer.json as the metadata of a GGUF file: the kinds of tokenizers that llama.cpp cuts texts with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gptcore.backbones.convert.gguf_tokenizer import (
    BYTE,
    CONTROL,
    NORMAL,
    PREFIX,
    SPACE,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    merges_of_scores,
)
from gptcore.errors import UserError

_UNKNOWN_KIND = (
    "the tokenizer cuts texts in a way that is not known to be one of llama.cpp's (known are GPT-2's and SmolLM's "
    "byte-level BPE, Gemma's BPE and BERT's WordPiece): use --to onnx"
)
_BYTE_NAME = re.compile(r"<0x[0-9A-F]{2}>")
# What a pre-tokenizer of Gemma's is, where there is one: the blanks at which it cuts are replaced before.
_CUTS_NOTHING = {
    "type": "Split",
    "pattern": {"String": " "},
    "behavior": "MergedWithPrevious",
    "invert": False,
}


@dataclass(frozen=True)
class Vocabulary:
    """The content of a tokenizer.json, and the tokens of a model with `n_rows` embeddings.

    prefix, suffix: special tokens around a text.
    """

    state: dict[str, Any]
    n_rows: int
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]

    @cached_property
    def model(self) -> dict[str, Any]:
        """How words are cut into tokens."""
        found: dict[str, Any] = self.state["model"]
        return found

    @cached_property
    def added(self) -> dict[int, dict[str, Any]]:
        """Tokens that are cut out of a text before anything else, by id."""
        return {token["id"]: token for token in self.state["added_tokens"]}

    @cached_property
    def names(self) -> list[str]:
        """The tokens in the order of their ids; rows without one are filled up."""
        known = {i: token for token, i in self.model["vocab"].items()}
        known |= {i: token["content"] for i, token in self.added.items()}
        return [known.get(i, f"[PAD{i}]") for i in range(self.n_rows)]

    @cached_property
    def unknown_id(self) -> int | None:
        """The token for what the vocabulary does not know."""
        name = self.model.get("unk_token")
        return self.names.index(name) if name in self.names else None

    @cached_property
    def kinds(self) -> list[int]:
        """What each of them is to llama.cpp."""
        known = {*self.model["vocab"].values(), *self.added}
        unknown, has_bytes = self.model.get("unk_token"), self.model.get("byte_fallback", False)

        def kind(i: int, name: str) -> int:
            if i not in known:
                return UNUSED
            if i in self.added:
                return CONTROL if self.added[i]["special"] else USER_DEFINED
            if name == unknown:
                return UNKNOWN
            return BYTE if has_bytes and _BYTE_NAME.fullmatch(name) else NORMAL

        return [kind(i, name) for i, name in enumerate(self.names)]


def tokenizer_metadata(
    state: dict[str, Any], n_rows: int, pad_id: int, prefix: Sequence[int], suffix: Sequence[int]
) -> dict[str, Any]:
    """The metadata of a tokenizer. Raises UserError where llama.cpp would cut texts otherwise, or may.

    state: the content of a tokenizer.json; n_rows: of the embedding; prefix, suffix: special tokens around a text.
    """
    vocabulary = Vocabulary(state, n_rows, tuple(prefix), tuple(suffix))
    own = next((said for write in _KINDS if (said := write(vocabulary)) is not None), None)
    if own is None:
        raise UserError(_UNKNOWN_KIND)
    around = {"bos": vocabulary.prefix, "eos": vocabulary.suffix}
    if any(len(ids) > 1 for ids in around.values()):
        raise UserError("more than one special token stands before or behind a text, which GGUF cannot say")
    ids = {f"{role}_token_id": found[0] if found else pad_id for role, found in around.items()}
    said = {
        "tokens": vocabulary.names,
        "token_type": vocabulary.kinds,
        **ids,
        "padding_token_id": pad_id,
        **{f"add_{role}_token": bool(found) for role, found in around.items()},
        "add_space_prefix": False,
    }
    return {f"{PREFIX}{key}": value for key, value in (said | own).items()}


def _byte_level(vocabulary: Vocabulary) -> dict[str, Any] | None:
    """BPE of bytes, in words that a rule cuts; None for anything else."""
    state, merges = vocabulary.state, vocabulary.model.get("merges")
    pre = _cut_as(state["pre_tokenizer"] or {})
    if not merges or state["normalizer"] is not None or pre is None:
        return None
    written = [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
    return {"model": "gpt2", "pre": pre, "merges": written}


def _cut_as(cutter: dict[str, Any]) -> str | None:
    """llama.cpp's name for how a pre-tokenizer cuts words; None where it may have none."""

    def is_gpt2(part: dict[str, Any]) -> bool:
        plain = not part.get("add_prefix_space") and part.get("use_regex", True)
        return part.get("type") == "ByteLevel" and bool(plain)

    match cutter:
        case {"type": "ByteLevel"} if is_gpt2(cutter):
            return "gpt-2"
        case {"pretokenizers": [{"type": "Digits", "individual_digits": True}, last]} if is_gpt2(last):
            return "smollm"
    return None


def _sentencepiece(vocabulary: Vocabulary) -> dict[str, Any] | None:
    """BPE of characters, with bytes for what is not known; None for anything else.

    llama.cpp joins any two neighbours that make a token, that of the highest score first. So scores are what the order
    of the merges says, and they are refused where a merge is missing or stands elsewhere than its token.
    """
    state, model = vocabulary.state, vocabulary.model
    blanks = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    if (
        model.get("type") != "BPE"
        or not model.get("byte_fallback")
        or vocabulary.kinds.count(BYTE) != 256
        or vocabulary.unknown_id is None
        or state["normalizer"] != blanks
        or state["pre_tokenizer"] not in (None, _CUTS_NOTHING)
    ):
        return None
    merges = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]]
    rank: dict[str, int] = {}
    for left, right in merges:
        rank.setdefault(left + right, len(rank))
    scores = [-float(rank.get(name, len(rank))) for name in vocabulary.names]
    found = [(left, right) for left, right in merges_of_scores(vocabulary.names, vocabulary.kinds, scores)]
    if set(found) != set(merges) or [*map("".join, found)] != [*map("".join, merges)]:
        return None
    said = {"model": "llama", "pre": "default"}
    return said | {"scores": scores, "unknown_token_id": vocabulary.unknown_id}


def _wordpiece(vocabulary: Vocabulary) -> dict[str, Any] | None:
    """The longest tokens from the left of a word; None for anything else.

    llama.cpp marks the beginning of a word, and `##` its other parts. Raises UserError where nothing stands around a
    text.
    """
    state, model = vocabulary.state, vocabulary.model
    rule = state["normalizer"] or {}
    if (
        model.get("type") != "WordPiece"
        or model.get("continuing_subword_prefix") != "##"
        or vocabulary.unknown_id is None
        or rule.get("type") != "BertNormalizer"
        or not (rule.get("clean_text") and rule.get("handle_chinese_chars"))
        or (state["pre_tokenizer"] or {}).get("type") != "BertPreTokenizer"
    ):
        return None
    if not (vocabulary.prefix and vocabulary.suffix):
        raise UserError("llama.cpp puts special tokens around every text that WordPiece cuts: use --to onnx")
    ordinary = [kind == NORMAL for kind in vocabulary.kinds]
    tokens = [
        name if not plain else name.removeprefix("##") if name.startswith("##") else SPACE + name
        for name, plain in zip(vocabulary.names, ordinary, strict=True)
    ]
    accents = rule.get("strip_accents")
    return {
        "model": "bert",
        "pre": "default",
        "tokens": tokens,
        "unknown_token_id": vocabulary.unknown_id,
        "seperator_token_id": vocabulary.suffix[0],  # llama.cpp's spelling
        "normalizer.lowercase": bool(rule["lowercase"]),
        "normalizer.strip_accents": bool(rule["lowercase"] if accents is None else accents),
    }


_KINDS: tuple[Callable[[Vocabulary], dict[str, Any] | None], ...] = (_byte_level, _sentencepiece, _wordpiece)
