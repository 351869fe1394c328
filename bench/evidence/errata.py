"""What does not add up in the published figures, computed from them."""

from __future__ import annotations

from dataclasses import dataclass

from bench.evidence.published import right_answers
from bench.records.study import Published
from bench.study.claims import Claim, Claims, Split


@dataclass(frozen=True)
class Impossible:
    """A published percentage that no number of right answers gives."""

    row: str
    split: Split
    percent: float
    n: int  # examples of the split
    below: tuple[int, float]  # the nearest possible: right answers and percent
    above: tuple[int, float]


def impossible_percentages(claims: Claims, rows: dict[str, Published]) -> list[Impossible]:
    """Every percentage of every row and split that is k/n for none of the split's possible n."""
    found = []
    for name, published in rows.items():
        for split, percent in percentages(published).items():
            sizes = claims.examples[split]
            if all(right_answers(percent, n) is None for n in sizes):
                n = sizes[0]
                k = int(percent * n / 100)
                nearest = [(right, 100 * right / n) for right in (k, k + 1)]
                found.append(Impossible(name, split, percent, n, nearest[0], nearest[1]))
    return found


def not_of_all(claims: Claims, rows: dict[str, Published], split: Split) -> list[str]:
    """Rows whose percentage is a share of fewer examples than the whole split, but of no whole number of all."""
    whole, *fewer = claims.examples[split]
    return [
        name
        for name, published in rows.items()
        if right_answers(percent := percentages(published)[split], whole) is None
        and any(right_answers(percent, n) is not None for n in fewer)
    ]


def same_figures(rows: dict[str, Published]) -> list[tuple[str, str]]:
    """Pairs of rows whose accuracies on all three splits are the same."""
    names = list(rows)
    return [
        (first, second)
        for i, first in enumerate(names)
        for second in names[i + 1 :]
        if percentages(rows[first]) == percentages(rows[second])
    ]


def without_difference(claims: Claims, rows: dict[str, Published]) -> list[Claim]:
    """Claims of a better or worse accuracy between two figures that are equal."""
    return [
        claim
        for claim in claims.of_accuracy
        if {claim.row, claim.against} <= rows.keys()
        and claim.direction != "equal"
        and rows[claim.row].test_acc == rows[claim.against].test_acc
    ]


def percentages(published: Published) -> dict[Split, float]:
    """Accuracy in percent by split."""
    return {
        "train": published.train_acc,
        "validation": published.val_acc,
        "test": published.test_acc,
    }
