"""The comparisons of a study as one family: what its rows are against, and what the published claims compare.

A comparison that is asked for twice, by a row and by a claim, or by two rows of one recipe, is one test and
gets one answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.evidence.comparison import Comparison, compare_rows
from bench.evidence.decide import Decision, decide
from bench.evidence.results import Results

Key = tuple[str, str]  # recipe ids


@dataclass(frozen=True)
class Family:
    """Every decision of a study, by the recipes that are compared."""

    results: Results
    decisions: dict[Key, Decision]

    def of(self, row: str, against: str) -> Decision | None:
        """The decision on two rows, by name; None where the two have no seed in common or were not asked about."""
        ours, theirs = (self.results.row(name).recipe_id for name in (row, against))
        if found := self.decisions.get((ours, theirs)):
            return found
        found = self.decisions.get((theirs, ours))
        return found.reversed if found else None


def judge_family(results: Results, pairs: Iterable[tuple[str, str]] = ()) -> Family:
    """Decide every comparison of a study, with one correction for all of them.

    pairs: names of rows that are compared besides, with a weight of 1, such as those of another table's claims.
    """
    extra = ((row, against, 1.0) for row, against in pairs)
    compared: dict[Key, Comparison] = {}
    weights: dict[Key, float] = {}
    for row, against, weight in [*_of_rows(results), *_of_claims(results), *extra]:
        ours, theirs = results.row(row), results.row(against)
        key = (ours.recipe_id, theirs.recipe_id)
        key = key if key[::-1] not in compared else key[::-1]
        if key not in compared:
            comparison = compare_rows(ours, theirs)
            if comparison is None:
                continue
            compared[key] = comparison
        weights[key] = max(weights.get(key, 0.0), weight)
    return Family(results, decide(compared, results.margin, weights))


def _of_rows(results: Results) -> Iterable[tuple[str, str, float]]:
    for result in results.rows:
        if other := results.against(result):
            yield result.name, other.name, result.row.weight or 1.0


def _of_claims(results: Results) -> Iterable[tuple[str, str, float]]:
    """The published claims on accuracy of which both rows are in the study; they weigh as rows of weight 1 do."""
    names = {result.name for result in results.rows if result.claimed}
    for claim in results.table.of_accuracy if results.table else []:
        if {claim.row, claim.against} <= names:
            yield claim.row, claim.against, 1.0
