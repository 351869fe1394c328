"""Is a tokenizer GPT-2's? Told by the bytes of its tokens, its merges and how it cuts texts. Imports no torch."""

from __future__ import annotations

from itertools import chain
from typing import Any

from gptcore.data.tiktoken_tokenizer import END_OF_TEXT, GPT2_FINGERPRINT, GPT2_N_VOCAB, fingerprint_of

N_BYTES = (
    256  # ids below are single bytes; the others follow in the order of their merges, the end of text last
)


def gpt2_tokens(state: dict[str, Any], pad_id: int) -> dict[bytes, int] | None:
    """Token bytes -> id where a tokenizer is GPT-2's and gives the same ids for every text, else None.

    state: the tokenizer as the `tokenizers` library writes it into tokenizer.json.
    """
    model, cutter = state["model"], state["pre_tokenizer"] or {}
    plain = (
        model.get("type") == "BPE"
        and len(model["vocab"]) == GPT2_N_VOCAB
        and pad_id == GPT2_N_VOCAB - 1
        and not any(
            model.get(key) for key in ("continuing_subword_prefix", "end_of_word_suffix", "byte_fallback")
        )
        and state["normalizer"] is None
        and cutter.get("type") == "ByteLevel"
        and not cutter.get("add_prefix_space")
        and cutter.get("use_regex", True)
        # Special tokens inside a text are text, so they change no ids; others would.
        and all(token["special"] for token in state["added_tokens"])
        and all(token["id"] < GPT2_N_VOCAB for token in state["added_tokens"])
    )
    if not plain:
        return None
    tokens = tokens_of_gpt2(model["vocab"])
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    if tokens is None or len(merges) != GPT2_N_VOCAB - 1 - N_BYTES:
        return None
    by_id = {i: token for token, i in model["vocab"].items()}
    # tiktoken merges in the order of ids.
    is_gpt2 = all("".join(merge) == by_id[N_BYTES + rank] for rank, merge in enumerate(merges))
    return tokens if is_gpt2 else None


def tokens_of_gpt2(vocab: dict[str, int]) -> dict[bytes, int] | None:
    """Token bytes -> id, by id, where a vocabulary of a byte-level BPE is GPT-2's to the last token, else None."""
    by_id, byte_of = {i: token for token, i in vocab.items()}, byte_symbols()
    if sorted(by_id) != list(range(GPT2_N_VOCAB)):
        return None
    if any(symbol not in byte_of for symbol in chain.from_iterable(vocab)):
        return None
    tokens = {bytes(byte_of[symbol] for symbol in by_id[i]): i for i in range(GPT2_N_VOCAB)}
    is_gpt2 = fingerprint_of(list(tokens)) == GPT2_FINGERPRINT and END_OF_TEXT.encode() in tokens
    return tokens if is_gpt2 else None


def byte_symbols() -> dict[str, int]:
    """The printable character by which a vocabulary writes each byte -> the byte (GPT-2's `bytes_to_unicode`)."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(N_BYTES) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(N_BYTES + i): byte for i, byte in enumerate(others)}
