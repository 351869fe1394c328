"""Are the bundled models really pretrained? Bits per byte against n-grams, and SMS Spam against random weights.

    for size in nano micro mini; do python -m bench run --matrix pretraining --models $size --seeds 3; done
    python -m tools.prove_pretrained --work ~/.cache/gptcore/pretrain

Reads the token files that pretraining left in --work and the records of results/SIZE-pretraining, and writes
results/pretrained.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tabulate import tabulate

from bench.evidence.comparison import compare_rows
from bench.evidence.results import RowResult, collect
from bench.records.store import load_records, load_study
from gptcore.backbones.config import FAMILIES, REGISTRY
from gptcore.backbones.weights import load_gpt
from gptcore.files import write_whole
from tools.pretrain.corpus import bytes_per_token, open_tokens
from tools.pretrain.loop import bits_per_byte, held_out_loss
from tools.pretrain.ngrams import bigram_bits, uniform_bits, unigram_bits

SIZES = FAMILIES["bundled"]
HEADERS = (
    "model",
    "position",
    "train",
    "seeds",
    "pretrained",
    "random",
    "difference",
    "95% interval",
    "excludes 0",
)


def language_table(work: Path) -> str:
    """Bits per byte of the held-out text: n-grams of the training text, then the models."""
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


def sms_table(results: Path) -> str:
    """Test accuracy of every row of the study `pretraining` beside the same row from random weights."""
    rows = [row for size in SIZES for row in _size_rows(size, results / f"{size}-pretraining")]
    return tabulate(rows, HEADERS, floatfmt=".1f", tablefmt="pipe")


def _size_rows(size: str, folder: Path) -> list[list[object]]:
    results = collect(load_study(folder), list(load_records(folder).values()))
    pairs = [
        (ours, theirs)
        for ours in results.rows
        for theirs in results.rows
        if ours.row.recipe.weights == "pretrained"
        and theirs.row.recipe == ours.row.recipe.model_copy(update={"weights": "random"})
    ]
    order = ("last_layer", "last_block", "all")
    pairs.sort(
        key=lambda pair: (pair[0].row.recipe.position == "last", order.index(pair[0].row.recipe.train_name))
    )
    return [cells for ours, theirs in pairs if (cells := _cells(size, ours, theirs))]


def _cells(size: str, ours: RowResult, theirs: RowResult) -> list[object]:
    """One line of the table; empty where the rows have no seed in common."""
    compared = compare_rows(ours, theirs)
    if compared is None:
        return []
    recipe, gap = ours.row.recipe, compared.paired.over_seeds().interval()
    seeds = ours.by_seed.keys() & theirs.by_seed.keys()
    means = [
        100
        * float(np.mean([run.metrics.test.accuracy for seed in seeds if (run := row.by_seed[seed]).metrics]))
        for row in (ours, theirs)
    ]
    interval = f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
    excludes = "yes" if gap.excludes_zero else "no"
    return [
        size,
        recipe.position,
        recipe.train_name,
        compared.n_seeds,
        *means,
        100 * gap.mean,
        interval,
        excludes,
    ]


def main() -> None:
    """Write the page and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("~/.cache/gptcore/pretrain"))
    parser.add_argument("--results", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    text = "\n\n".join(
        [
            "# Are the bundled models really pretrained?",
            "Written by `python -m tools.prove_pretrained`. Held-out text: documents that were left out of training "
            "and of the vocabulary. The GPTs read windows of 256 tokens, each from its first token on.",
            language_table(arguments.work.expanduser()),
            "SMS Spam, test accuracy in percent (300 messages, mean over seeds), pretrained against random weights "
            "with the same seeds. The interval is over seeds and messages, unadjusted, as in a report's verdicts. "
            "`last_real` reads the last token of the text, `last` the last position of the padded row, as published.",
            sms_table(arguments.results),
        ]
    )
    write_whole(arguments.results / "pretrained.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
