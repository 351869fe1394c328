"""Classifies texts: python predict.py "a text" "another", or a text per line of standard input.

TF-IDF as scikit-learn counts it, and a linear layer, by numpy alone.
"""

import json
import math
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "classifier.json").read_text(encoding="utf-8"))
MODEL = dict(np.load(FOLDER / "model.npz"))
INDEX = [{term: i for i, term in enumerate(part["terms"])} for part in ABOUT["counts"]]


def terms(text: str, part: dict[str, Any]) -> list[str]:
    """The n-grams of words, or of the characters of each word, whose ends count as a blank."""
    low, high = part["ngram_range"]
    if part["analyzer"] == "word":
        words = re.findall(part["token_pattern"], text.lower())
        return [" ".join(words[i : i + n]) for n in range(low, high + 1) for i in range(len(words) - n + 1)]
    found = []
    for word in (f" {word} " for word in text.lower().split()):
        # One that is shorter than n counts once.
        for n in range(low, min(high, max(low, len(word))) + 1):
            found += [word[i : i + n] for i in range(max(1, len(word) - n + 1))]
    return found


def logits(text: str) -> np.ndarray:
    """(n_labels,) float64."""
    found: np.ndarray = MODEL["bias"].copy()
    for i, (part, index) in enumerate(zip(ABOUT["counts"], INDEX, strict=True)):
        counts = Counter(index[term] for term in terms(text, part) if term in index)
        at = np.array(list(counts), dtype=np.int64)
        frequencies = [1 + math.log(n) if part["sublinear_tf"] else n for n in counts.values()]
        values = np.array(frequencies, dtype=np.float64) * MODEL[f"idf{i}"][at]
        found += MODEL[f"weight{i}"][:, at] @ (values / (np.linalg.norm(values) or 1))
    return found


def answer(text: str) -> tuple[int, np.ndarray]:
    """Index of a text's label, and the probability of every label, (n_labels,)."""
    found = logits(text)
    powers = np.exp(found - found.max())
    probabilities = powers / powers.sum()
    if (threshold := ABOUT["threshold"]) is None:
        return int(probabilities.argmax()), probabilities
    positive: int = ABOUT["labels"].index(threshold["positive"])
    return positive if probabilities[positive] >= threshold["at"] else 1 - positive, probabilities


if __name__ == "__main__":
    for each in sys.argv[1:] or (line.removesuffix("\n") for line in sys.stdin):
        label, of_labels = answer(each)
        if all(c.isspace() or unicodedata.category(c) in ("Cf", "Cc") for c in each):
            print("\t0.0000")  # nothing of it can be seen
        else:
            print(f"{ABOUT['shown'][label]}\t{of_labels[label]:.4f}")
