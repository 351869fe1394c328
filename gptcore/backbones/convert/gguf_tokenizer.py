"""The tokenizer in a GGUF file's metadata as tokenizer.json and tokenizer_config.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gptcore.backbones.checkpoint_files import TOKENIZER, TOKENIZER_CONFIG
from gptcore.backbones.convert.gguf_file import Metadata
from gptcore.backbones.tokenizer_parts import added_token, bpe_model, byte_level
from gptcore.errors import UserError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # kinds of tokens in llama.cpp
SPACE = "▁"  # how SentencePiece writes a space
PREFIX = "tokenizer.ggml."
_ROLES = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
# Kept in files, and without a say in how a text is cut
_FREE = ("tokenizer.ggml.add_sep_token",)


def tokenizer_texts(metadata: Metadata, vocab_size: int) -> tuple[dict[str, str], dict[str, int]]:
    """Files of the tokenizer by name, and the ids of special tokens for config.json. Raises UserError."""
    tokens = metadata.strings(f"{PREFIX}tokens")
    kinds = metadata.get(f"{PREFIX}token_type", list)
    model = metadata.get(f"{PREFIX}model", str)
    pre = metadata.get(f"{PREFIX}pre", str, "default")
    if (build := _MODELS.get((model, pre))) is None:
        known = ", ".join(f"{model}/{pre}" for model, pre in _MODELS)
        raise UserError(f"a tokenizer of kind {model}/{pre} is not supported: only {known} are")
    if len(tokens) != vocab_size or len(kinds) != len(tokens) or len(set(tokens)) != len(tokens):
        raise UserError(
            f"the vocabulary has {len(tokens):,} tokens ({len(set(tokens)):,} different) and {len(kinds):,} kinds of "
            f"tokens, and the model {vocab_size:,} embeddings: they have to be equal"
        )
    metadata.expect(f"{PREFIX}add_space_prefix", False)
    special = {role: metadata.get(f"{PREFIX}{key}_token_id", int, -1) for key, role in _ROLES.items()}
    special = {role: i for role, i in special.items() if 0 <= i < len(tokens)}
    around = {
        role: metadata.get(f"{PREFIX}add_{role.removesuffix('_token')}_token", bool, False)
        for role in ("bos_token", "eos_token")
    }
    if absent := [role for role, asked in around.items() if asked and role not in special]:
        raise UserError(f"the tokenizer asks for a {absent[0]} around a text and has none")
    state = build(metadata, tokens, kinds, special)
    metadata.ignore(*_FREE)
    metadata.refuse_others(PREFIX)
    state = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added(tokens, kinds),
        "post_processor": _around(tokens, special, around),
    } | state
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{role: tokens[i] for role, i in special.items()},
        **{f"add_{role}": asked for role, asked in around.items()},
        "clean_up_tokenization_spaces": False,
    }
    ids = {f"{role}_id": i for role, i in special.items() if role != "unk_token"}
    files = {TOKENIZER: state, TOKENIZER_CONFIG: settings}
    return {name: json.dumps(content, ensure_ascii=False) for name, content in files.items()}, ids


def _added(tokens: list[str], kinds: list[int]) -> list[dict[str, Any]]:
    """Control tokens, and those that are cut out of a text before anything else."""
    return [
        added_token(i, tokens[i], special=kind != USER_DEFINED)
        for i, kind in enumerate(kinds)
        if kind in (UNKNOWN, CONTROL, USER_DEFINED)
    ]


def _around(tokens: list[str], special: dict[str, int], asked: dict[str, bool]) -> dict[str, Any] | None:
    """The tokens that are put around a text."""
    if not any(asked.values()):
        return None

    def template(kind: str, type_id: int) -> list[dict[str, Any]]:
        text: dict[str, Any] = {"Sequence": {"id": kind, "type_id": type_id}}
        begin, end = (
            [{"SpecialToken": {"id": tokens[special[role]], "type_id": type_id}}] if asked[role] else []
            for role in ("bos_token", "eos_token")
        )
        return [*begin, text, *end]

    names = [role for role, used in asked.items() if used]
    return {
        "type": "TemplateProcessing",
        "single": template("A", 0),
        "pair": [*template("A", 0), *template("B", 1)],
        "special_tokens": {
            tokens[special[role]]: {
                "id": tokens[special[role]],
                "ids": [special[role]],
                "tokens": [tokens[special[role]]],
            }
            for role in names
        },
    }


def _bpe(vocab: list[str], merges: list[list[str]], **changes: Any) -> dict[str, Any]:
    return bpe_model({token: i for i, token in enumerate(vocab)}, merges, **changes)


def _smollm(
    metadata: Metadata, tokens: list[str], kinds: list[int], _special: dict[str, int]
) -> dict[str, Any]:
    """Byte-level BPE; every digit is a token of its own."""
    _check_kinds(kinds, NORMAL, UNKNOWN, CONTROL, USER_DEFINED)
    merges = [merge.split(" ") for merge in metadata.strings(f"{PREFIX}merges")]
    if any(len(merge) != 2 for merge in merges):
        raise UserError("a merge of the tokenizer is not two tokens with a space between")
    return {
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level()],
        },
        "decoder": byte_level(add_prefix_space=True),
        "model": _bpe(tokens, merges),
    }


def _sentencepiece(
    metadata: Metadata, tokens: list[str], kinds: list[int], special: dict[str, int]
) -> dict[str, Any]:
    """SentencePiece's BPE: of the pairs that make a token, the one of the highest score is joined first."""
    _check_kinds(kinds, NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE)
    scores = metadata.get(f"{PREFIX}scores", list)
    if len(scores) != len(tokens):
        raise UserError(f"the tokenizer has {len(tokens):,} tokens and {len(scores):,} scores")
    n_bytes = sum(kind == BYTE for kind in kinds)
    if n_bytes != 256 or "unk_token" not in special:
        raise UserError(f"the tokenizer has {n_bytes} of the 256 bytes: it could not cut every text")
    return {
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": _bpe(
            tokens,
            merges_of_scores(tokens, kinds, scores),
            unk_token=tokens[special["unk_token"]],
            fuse_unk=True,
            byte_fallback=True,
        ),
    }


def merges_of_scores(tokens: list[str], kinds: list[int], scores: list[float]) -> list[list[str]]:
    """Every pair of tokens that makes a third one, those of the highest score first."""
    ids = {token: i for i, token in enumerate(tokens) if kinds[i] == NORMAL}
    found = []
    for token, i in ids.items():
        for cut in range(1, len(token)):
            left, right = ids.get(token[:cut]), ids.get(token[cut:])
            if left is not None and right is not None:
                found.append((-scores[i], left, right))
    found.sort()
    return [[tokens[left], tokens[right]] for _, left, right in found]


def _check_kinds(kinds: list[int], *known: int) -> None:
    if odd := set(kinds) - set(known):
        raise UserError(f"the tokenizer has tokens of kind {min(odd)}, which is not supported")


# By the kind of model and of the rule that cuts a text into words, as llama.cpp calls them
_MODELS: dict[tuple[str, str], Callable[..., dict[str, Any]]] = {
    ("gpt2", "smollm"): _smollm,
    ("llama", "default"): _sentencepiece,
}
