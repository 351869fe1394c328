"""The comparisons of a study as one family: what its rows are against, and what the published claims compare.

A comparison that is asked for twice, by a row and by a claim, or by two rows of one recipe, is one test and
gets one answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.evidence.comparison import Comparison, compare_rows
from bench.evidence.decide import Decision, decide
from bench.evidence.looks import Look, Name
from bench.evidence.metric import ACCURACY
from bench.evidence.results import Results, RowResult
from bench.evidence.scheme import next_share

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
    """Decide every comparison of a study that has begun, with one correction for all of them and all their looks.

    Those that have not begun count as well, as words would not survive a family that grows; only rows that cannot run
    here do not. pairs: names of rows that are compared besides, with a weight of 1, such as those of another table's
    claims.
    """
    extra = ((row, against, 1.0) for row, against in pairs)
    compared: dict[Key, Comparison] = {}
    rows: dict[Key, tuple[RowResult, RowResult]] = {}
    weights: dict[Key, float] = {}
    for row, against, weight in [*_of_rows(results), *_of_claims(results), *extra]:
        ours, theirs = results.row(row), results.row(against)
        key = (ours.recipe_id, theirs.recipe_id)
        key = key if key[::-1] not in weights else key[::-1]
        if key not in compared and (found := compare_rows(ours, theirs, None, results.metric)):
            compared[key], rows[key] = found, (ours, theirs)
        if key in compared or (ours.can_run and theirs.can_run and ours.recipe_id != theirs.recipe_id):
            weights[key] = max(weights.get(key, 0.0), weight)
    looks = looks_of(results, rows)
    share = next_share(results.study.scheme or [])
    return Family(results, decide(compared, results.margin, weights, looks, share if looks else 1.0))


def looks_of(results: Results, pairs: Mapping[Name, tuple[RowResult, RowResult]]) -> list[Look[Name]] | None:
    """The looks of a study with the pairs of rows that have reached them; None without a scheme."""
    if results.study.scheme is None:
        return None
    return [
        Look(
            planned.seeds,
            planned.share,
            {
                name: comparison
                for name, pair in pairs.items()
                if all(row.has_reached(planned.seeds) for row in pair)
                and (comparison := compare_rows(*pair, planned.seeds, results.metric))
            },
        )
        for planned in results.study.scheme
    ]


def _of_rows(results: Results) -> Iterable[tuple[str, str, float]]:
    for result in results.rows:
        if other := results.against(result):
            yield result.name, other.name, result.row.weight or 1.0


def _of_claims(results: Results) -> Iterable[tuple[str, str, float]]:
    """The published claims on accuracy of which both rows are in the study; they weigh as rows of weight 1 do.

    None where rows are judged by another metric.
    """
    if results.metric is not ACCURACY:
        return
    names = {result.name for result in results.rows if result.claimed}
    for claim in results.table.of_accuracy if results.table else []:
        if {claim.row, claim.against} <= names:
            yield claim.row, claim.against, 1.0
