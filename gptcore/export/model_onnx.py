"""Probabilities of texts from model.onnx, by onnxruntime and the library of the tokenizer alone."""

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "classifier.json").read_text(encoding="utf-8"))
SESSION = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"))


def tokenizer() -> Callable[[str], list[int]]:
    """What makes token ids of a text; special tokens inside a text are text."""
    if ABOUT["tokenizer"] == "tiktoken":
        import tiktoken

        lines = (line.split() for line in (FOLDER / "vocab.tiktoken").read_bytes().splitlines())
        ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
        encoding = tiktoken.Encoding("", pat_str=ABOUT["pattern"], mergeable_ranks=ranks, special_tokens={})
        return encoding.encode_ordinary
    import tokenizers

    found = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    found.encode_special_tokens = True
    return lambda text: list(found.encode(text, add_special_tokens=False).ids)


ENCODE = tokenizer()


def row(text: str) -> tuple[list[int], int]:
    """Token ids of a text, cut where the classifier cuts it, and how many of them are the text's."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    room = ABOUT["length"] - len(ABOUT["suffix"])
    ids = [*ABOUT["prefix"], *ENCODE(text)][:room] + ABOUT["suffix"] or [ABOUT["pad_id"]]
    one_pad = [ABOUT["pad_id"]] if ABOUT["one_pad"] and len(ids) < ABOUT["length"] else []
    return ids + one_pad, len(ids + one_pad)


def probabilities(texts: Sequence[str], batch_size: int = 32) -> np.ndarray:
    """(N, n_labels) float64 of N texts."""
    found = [np.empty((0, len(ABOUT["labels"])))]
    for begin in range(0, len(texts), batch_size):
        rows, lengths = zip(*map(row, texts[begin : begin + batch_size]), strict=True)
        width = ABOUT["width"] or max(lengths)
        pads = [[ABOUT["pad_id"]] * (width - length) for length in lengths]
        pairs = zip(rows, pads, strict=True)
        ids = [pad + ids if ABOUT["side"] == "left" else ids + pad for ids, pad in pairs]
        feeds = {"input_ids": np.array(ids, dtype=np.int64), "lengths": np.array(lengths, dtype=np.int64)}
        logits = SESSION.run(["logits"], feeds)[0].astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found.append(powers / powers.sum(axis=1, keepdims=True))
    return np.concatenate(found)
