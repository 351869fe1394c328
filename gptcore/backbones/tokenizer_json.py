"""Tokenizers as the files that `transformers` opens: tokenizer.json and tokenizer_config.json. Imports no torch."""

from __future__ import annotations

import json
from typing import Any

from gptcore.backbones.gpt2_vocabulary import byte_symbols
from gptcore.backbones.tokenizer_parts import added_token, bpe_model, byte_level
from gptcore.data.hf_tokenizer import HFTokenizer
from gptcore.data.prompted import without_prompt
from gptcore.data.tiktoken_tokenizer import TiktokenTokenizer
from gptcore.data.tokenizer import Tokenizer
from gptcore.errors import UserError


def tokenizer_files(tokenizer: Tokenizer, length: int) -> dict[str, str]:
    """File name -> content; length: tokens that texts are cut to. Raises UserError for one that has no such file."""
    if isinstance(tokenizer, TiktokenTokenizer):
        content = json.dumps(_byte_level_bpe(tokenizer.tokens()), ensure_ascii=False)
        pad = tokenizer.tokens()[tokenizer.pad_id].decode()
    elif isinstance(tokenizer, HFTokenizer):
        content = _as_used(tokenizer)
        pad = tokenizer.decode([tokenizer.pad_id])
    else:
        raise UserError(
            "a learned prompt before a text is not in any tokenizer's file: it cannot be exported"
        )
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": length,
        "padding_side": "right",
        "truncation_side": "right",
        "pad_token": pad,
        "eos_token": pad,
        "bos_token": pad,
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
        "split_special_tokens": True,  # inside a text they are text
    }
    return {"tokenizer.json": content, "tokenizer_config.json": json.dumps(config, indent=1) + "\n"}


def special_text(tokenizer: Tokenizer) -> str:
    """A text that holds the names of the special tokens, which are no special tokens there."""
    plain = without_prompt(tokenizer)
    names = [plain.decode([token]) for token in (*plain.prefix, plain.pad_id, *plain.suffix)]
    return " ".join(["a", *names, "b"])


def _as_used(tokenizer: HFTokenizer) -> str:
    """tokenizer.json that puts the same special tokens around a text, or none. Raises UserError where it cannot."""
    import tokenizers

    around = [*tokenizer.prefix, *tokenizer.suffix]
    if tokenizers.Tokenizer.from_str(tokenizer.as_json()).encode("").ids == around:
        return tokenizer.as_json()
    state = json.loads(tokenizer.as_json()) | {"post_processor": None}
    if around:
        raise UserError(
            f"the tokenizer's file does not say which special tokens stand around a text ({around}): save it again "
            "with transformers"
        )
    return json.dumps(state, ensure_ascii=False)


def _byte_level_bpe(tokens: list[bytes]) -> dict[str, Any]:
    """tokenizer.json of a byte-level BPE whose last token is the end of a text, by the bytes of its tokens in order.

    tiktoken joins any two neighbours whose bytes are a token, the token of the lowest id first; so every pair that
    makes a token is a merge of that token's rank.
    """
    symbol = {byte: character for character, byte in byte_symbols().items()}
    *ordinary, end = tokens
    rank = {token: i for i, token in enumerate(ordinary)}
    merges = [
        [part, token[len(part) :]]
        for token in ordinary
        for part in sorted((token[:cut] for cut in range(1, len(token))), key=lambda p: rank.get(p, 0))
        if part in rank and token[len(part) :] in rank
    ]

    def written(token: bytes) -> str:
        return "".join(symbol[byte] for byte in token)

    vocab = {written(token): i for token, i in rank.items()} | {end.decode(): len(ordinary)}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(len(ordinary), end.decode())],
        "normalizer": None,
        "pre_tokenizer": byte_level(),
        "post_processor": None,
        "decoder": byte_level(),
        "model": bpe_model(vocab, [[written(left), written(right)] for left, right in merges]),
    }
