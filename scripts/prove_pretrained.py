"""Are the bundled models really pretrained? Bits per byte against n-grams, and SMS Spam against random weights.

    for size in nano micro mini; do python -m bench run --matrix pretraining --models $size --seeds 3; done
    python scripts/prove_pretrained.py --work ~/.cache/gptcore/pretrain

Reads the token files that pretraining left in --work and the records of results/SIZE-pretraining, and writes
results/pretrained.md.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
from tabulate import tabulate

from bench.evidence.paired import paired_bootstrap
from bench.records.record import Record
from bench.records.store import load_records
from gptcore.backbones.config import FAMILIES, REGISTRY
from gptcore.backbones.weights import load_gpt
from gptcore.pretrain.corpus import bytes_per_token, open_tokens
from gptcore.pretrain.loop import bits_per_byte, held_out_loss
from gptcore.pretrain.ngrams import bigram_bits, uniform_bits, unigram_bits

SIZES = FAMILIES["embedded"]


def language_table(work: Path) -> str:
    train, held_out = (np.asarray(open_tokens(work / f"{split}.u16")) for split in ("train", "validation"))
    per_token = bytes_per_token(work, "validation")
    vocab_size = REGISTRY[SIZES[0]].config.vocab_size
    rows = [
        ["uniform", uniform_bits(vocab_size) / per_token],
        ["unigram", unigram_bits(train, held_out, vocab_size) / per_token],
        ["bigram", bigram_bits(train, held_out, vocab_size) / per_token],
    ]
    for size in SIZES:
        loss = held_out_loss(load_gpt(size), held_out, n_windows=len(held_out))
        rows.append([f"{size} ({REGISTRY[size].config.n_params / 1e6:.1f}M)", bits_per_byte(loss, per_token)])
    return tabulate(rows, ["model", "bits per byte of held-out text"], floatfmt=".3f", tablefmt="pipe")


def correct(records: list[Record], train: str, position: str, weights: str) -> np.ndarray:
    """(n_seeds, n_test), 1 where the prediction was right, in the order of the seeds."""
    found = sorted(
        (
            r
            for r in records
            if r.test and (r.recipe.train, r.recipe.position, r.recipe.weights) == (train, position, weights)
        ),
        key=lambda record: record.seed_index,
    )
    return np.array([np.equal(r.test.labels, r.test.predicted) for r in found if r.test], dtype=np.int64)


def sms_table(results: Path) -> str:
    rows = []
    for size in SIZES:
        records = list(load_records(results / f"{size}-pretraining").values())
        for position, train in product(("last_real", "last"), ("last_layer", "last_block", "all")):
            ours, theirs = (correct(records, train, position, w) for w in ("pretrained", "random"))
            n = min(len(ours), len(theirs))
            if not n:
                continue
            gap = paired_bootstrap(ours[:n], theirs[:n])
            rows.append(
                [
                    *(
                        size,
                        position,
                        train,
                        n,
                        100 * ours[:n].mean(),
                        100 * theirs[:n].mean(),
                        100 * gap.mean,
                    ),
                    f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}",
                    "yes" if gap.excludes_zero else "no",
                ]
            )
    headers = [
        "model",
        "position",
        "train",
        "seeds",
        "pretrained",
        "random",
        "difference",
        "95% interval",
        "excludes 0",
    ]
    return tabulate(rows, headers, floatfmt=".1f", tablefmt="pipe")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("~/.cache/gptcore/pretrain"))
    parser.add_argument("--results", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    text = "\n\n".join(
        [
            "# Are the bundled models really pretrained?",
            "Written by `scripts/prove_pretrained.py`. Held-out text: documents that were left out of training and "
            "of the vocabulary. The GPTs read windows of 256 tokens, each from its first token on.",
            language_table(arguments.work.expanduser()),
            "SMS Spam, test accuracy in percent (300 messages, mean over seeds), pretrained against random weights "
            "with the same seeds. The interval is a bootstrap over seeds and messages at once. `last_real` reads the "
            "last token of the text, `last` the last position of the padded row, as published.",
            sms_table(arguments.results),
        ]
    )
    (arguments.results / "pretrained.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
