"""The learning rate and epochs of a bundled model, chosen on validation data from the records of `tune`.

    python -m bench run --matrix tune --models nano --seeds 2
    python scripts/choose_lr.py results/nano-tune

Prints, for each learning rate and epoch, validation loss and accuracy (mean over seeds) of `last_block` and
`all`. One rate serves all rows of a study, so the one with the lowest mean of the two losses is taken. Test
data are not looked at.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean

from tabulate import tabulate

from bench.records.store import load_records
from gptcore.result import Epoch


def main(folder: Path) -> None:
    points: dict[tuple[float, int], dict[str, list[Epoch]]] = defaultdict(lambda: defaultdict(list))
    for record in load_records(folder).values():
        if record.curves is not None and record.status == "done":
            for epoch in record.curves.epochs:
                points[record.recipe.lr, epoch.epoch][record.recipe.train].append(epoch)
    rows = []
    for (lr, epoch), by_train in sorted(points.items()):
        losses = {train: mean(p.validation_loss for p in found) for train, found in by_train.items()}
        accuracies = {train: mean(p.validation_accuracy for p in found) for train, found in by_train.items()}
        cells = [
            f"{losses[t]:.3f} / {100 * accuracies[t]:.1f}%" if t in losses else ""
            for t in ("last_block", "all")
        ]
        rows.append([lr, epoch, *cells, mean(losses.values()) if len(losses) == 2 else float("inf")])
    print(tabulate(rows, ["lr", "epoch", "last_block", "all", "mean loss"], floatfmt=".4g", tablefmt="pipe"))
    complete = [row for row in rows if row[-1] != float("inf")]
    if complete:
        best = min(complete, key=lambda row: row[-1])
        print(f"\nlowest mean validation loss: lr {best[0]:g}, {best[1]} epochs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
