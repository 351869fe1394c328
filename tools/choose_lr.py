"""The learning rate and epochs of a bundled model, chosen on validation data from the records of `tune`.

    python -m bench run --matrix tune --models nano --seeds 2
    python -m tools.choose_lr results/nano-tune

Prints, for each learning rate and epoch, validation loss and accuracy (mean over seeds) of `last_block` and
`all`. One rate serves all rows of a study, so the one with the lowest mean of the two losses is taken. Test
data are not looked at.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from tabulate import tabulate

from bench.records.record import Record
from bench.records.store import load_records
from gptcore.result import Epoch

TRAINED = ("last_block", "all")
Setting = tuple[float, int]  # learning rate, epoch


def points_by_setting(records: Iterable[Record]) -> dict[Setting, dict[str, list[Epoch]]]:
    """(learning rate, epoch) -> what was trained -> the epoch of every finished run."""
    points: dict[Setting, dict[str, list[Epoch]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.curves is not None and record.status == "done":
            for epoch in record.curves.epochs:
                points[record.recipe.lr, epoch.epoch][record.recipe.train_name].append(epoch)
    return dict(sorted(points.items()))


def mean_loss(by_train: dict[str, list[Epoch]]) -> float | None:
    """Mean over both ways of training of the mean validation loss; None unless both have finished runs."""
    if not by_train.keys() >= set(TRAINED):
        return None
    return fmean(fmean(point.validation_loss for point in by_train[train]) for train in TRAINED)


def choose(points: dict[Setting, dict[str, list[Epoch]]]) -> Setting | None:
    """The setting of the lowest mean loss; None where none is complete."""
    losses = {setting: loss for setting, by in points.items() if (loss := mean_loss(by)) is not None}
    return min(losses, key=losses.__getitem__) if losses else None


def table(points: dict[Setting, dict[str, list[Epoch]]]) -> str:
    """Markdown: validation loss and accuracy at every setting."""
    rows = [
        [lr, epoch, *(_cell(by[t]) if t in by else "" for t in TRAINED), mean_loss(by)]
        for (lr, epoch), by in points.items()
    ]
    return tabulate(rows, ["lr", "epoch", *TRAINED, "mean loss"], floatfmt=".4g", tablefmt="pipe")


def _cell(points: list[Epoch]) -> str:
    loss, accuracy = (
        fmean(getattr(p, f"validation_{name}") for p in points) for name in ("loss", "accuracy")
    )
    return f"{loss:.3f} / {100 * accuracy:.1f}%"


def main() -> None:
    """Print the table and the choice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="folder of the study, such as results/nano-tune")
    points = points_by_setting(load_records(parser.parse_args().study).values())
    print(table(points))
    if best := choose(points):
        print(f"\nlowest mean validation loss: lr {best[0]:g}, {best[1]} epochs")


if __name__ == "__main__":
    main()
