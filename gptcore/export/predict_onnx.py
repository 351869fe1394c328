"""Classifies texts: python predict.py "a text" "another", or a text per line of standard input."""

import base64
import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import onnxruntime

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "classifier.json").read_text(encoding="utf-8"))
GRAPH = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"))

if ABOUT["tokenizer"] == "tiktoken":
    import tiktoken

    lines = (FOLDER / "vocab.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
    gpt2 = tiktoken.Encoding("", pat_str=ABOUT["pattern"], mergeable_ranks=ranks, special_tokens={})
    encode = gpt2.encode_ordinary
else:
    import tokenizers

    found = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    found.encode_special_tokens = True  # as text
    encode = lambda text: found.encode(text, add_special_tokens=False).ids  # noqa: E731


def answer(text: str) -> tuple[int, np.ndarray]:
    """Index of a text's label, and the probability of every label, (n_labels,)."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    room = ABOUT["length"] - len(ABOUT["suffix"])
    ids = [*ABOUT["prefix"], *encode(text)][:room] + ABOUT["suffix"] or [ABOUT["pad_id"]]
    ids = (ids + ABOUT["behind"])[: ABOUT["length"]]
    row = {"input_ids": np.array([ids]), "lengths": np.array([len(ids)])}
    (at,), (probabilities,) = GRAPH.run(["label", "probabilities"], row)
    return int(at), probabilities


if __name__ == "__main__":
    for each in sys.argv[1:] or (line.removesuffix("\n") for line in sys.stdin):
        label, of_labels = answer(each)
        if all(c.isspace() or unicodedata.category(c) in ("Cf", "Cc") for c in each):
            print("\t0.0000")  # nothing of it can be seen
        else:
            print(f"{ABOUT['shown'][label]}\t{of_labels[label]:.4f}")
