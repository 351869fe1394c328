"""What does not add up in the published figures, computed from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from bench.evidence.single_figures import right_answers
from bench.published.table import Claim, PublishedTable, Split
from bench.records.study import Published


@dataclass(frozen=True)
class Impossible:
    """A published percentage that no number of right answers gives."""

    row: str
    split: Split
    percent: float
    n: int  # examples of the split
    below: tuple[int, float]  # the nearest possible: right answers and percent
    above: tuple[int, float]


def impossible_percentages(table: PublishedTable) -> list[Impossible]:
    """Every percentage of every row and split that is k/n for none of the split's possible n."""
    found = []
    for name, published in table.rows.items():
        for split, percent in percentages(published).items():
            sizes = table.examples[split]
            if all(right_answers(percent, n) is None for n in sizes):
                n = sizes[0]
                k = int(percent * n / 100)
                nearest = [(right, 100 * right / n) for right in (k, k + 1)]
                found.append(Impossible(name, split, percent, n, nearest[0], nearest[1]))
    return found


def not_of_all(table: PublishedTable, split: Split) -> list[str]:
    """Rows whose percentage is a share of fewer examples than the whole split, but of no whole number of all."""
    whole, *fewer = table.examples[split]
    return [
        name
        for name, published in table.rows.items()
        if right_answers(percent := percentages(published)[split], whole) is None
        and any(right_answers(percent, n) is not None for n in fewer)
    ]


def same_figures(table: PublishedTable) -> list[tuple[str, str]]:
    """Pairs of rows whose accuracies on all three splits are the same."""
    return [
        (first, second)
        for first, second in combinations(table.rows, 2)
        if percentages(table.rows[first]) == percentages(table.rows[second])
    ]


def without_difference(table: PublishedTable) -> list[Claim]:
    """Claims of a better or worse accuracy between two figures that are equal."""
    return [
        claim
        for claim in table.of_accuracy
        if claim.direction != "equal" and table.rows[claim.row].test_acc == table.rows[claim.against].test_acc
    ]


def percentages(published: Published) -> dict[Split, float]:
    """Accuracy in percent by split."""
    return {
        "train": published.train_acc,
        "validation": published.val_acc,
        "test": published.test_acc,
    }
