"""Each published claim judged twice: by the published figures alone, and by the runs of a study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

from bench.evidence.paired import Difference, Ratio, paired_ratio
from bench.evidence.results import Results, RowResult
from bench.evidence.single_figures import mcnemar_range, right_answers, time_ratio_range, widest_difference
from bench.evidence.verdicts import ALPHA, MARGIN, Call, Comparison, compare_rows, decide
from bench.published.table import Claim, PublishedTable
from bench.records.record import Record
from bench.records.study import Published

_HALF = 0.05  # of the last digit of a stated size

Finding = Literal["holds", "contradicted", "undecided", "not run"]


@dataclass(frozen=True)
class Judged:
    """What figures say of a claim: the effect of `row` against `against`, and whether it is the one claimed."""

    finding: Finding
    why: str  # what decided it, one clause in plain text
    difference: Difference | None = None  # of test accuracies, row less against
    ratio: Ratio | None = None  # of times, row over against
    p: tuple[float, float] | None = (
        None  # after Holm's correction; least and greatest where pairs are not known
    )

    def reaches(self, claim: Claim, table: PublishedTable) -> bool | None:
        """Whether the interval reaches the claimed size; None where none is claimed or nothing was measured.

        The size of a difference is the stated one, else that of the published figures; of a ratio the stated one.
        Stated sizes are rounded to one digit.
        """
        if self.difference and claim.direction != "equal":
            sign = 1 if claim.direction == "better" else -1
            size = published_difference(claim, table) if claim.points is None else sign * claim.points / 100
            half = 0.0 if claim.points is None else _HALF / 100
            return self.difference.low <= size + half and size - half <= self.difference.high
        if self.ratio and claim.times is not None:
            ends = [claim.times - _HALF, claim.times + _HALF]
            low, high = ends if claim.direction == "longer" else [1 / end for end in reversed(ends)]
            return self.ratio.low <= high and low <= self.ratio.high
        return None


@dataclass(frozen=True)
class ClaimResult:
    """A claim with both judgements."""

    claim: Claim
    published: Judged
    ours: Judged


def judge_claims(results: Results) -> list[ClaimResult]:
    """Every claim whose two rows are in the study; none for data that is not the published study's."""
    table, names = results.table, {result.name for result in results.rows if result.claimed}
    if table is None:
        return []
    shown = [claim for claim in table.claims if {claim.row, claim.against} <= names]
    published, ours = judge_published(table), _judge_ours(shown, results, table)
    return [ClaimResult(claim, published[claim.id], ours[claim.id]) for claim in shown]


def judge_published(table: PublishedTable) -> dict[str, Judged]:
    """Claim id -> what the published figures say of it.

    Which messages each row got right is not published, so a difference is called one only where McNemar's exact
    test says so for every pairing that the figures allow, after Holm's correction over the claims on accuracy.
    """
    n, rows = table.n_test, table.rows
    counts = {name: right_answers(row.test_acc, n) or 0 for name, row in rows.items()}
    ranges = [mcnemar_range(counts[c.row], counts[c.against], n) for c in table.of_accuracy]
    least, greatest = (_holm(side) for side in zip(*ranges, strict=True)) if ranges else ([], [])
    judged = {}
    for claim, p in zip(table.of_accuracy, zip(least, greatest, strict=True), strict=True):
        difference = widest_difference(counts[claim.row], counts[claim.against], n)
        judged[claim.id] = _published_accuracy(claim, table, difference, p)
    noise = _time_noise(table)
    for claim in table.claims:
        if claim.metric == "training time":
            judged[claim.id] = _published_time(claim, rows, noise)
    return judged


def _published_accuracy(
    claim: Claim, table: PublishedTable, difference: Difference, p: tuple[float, float]
) -> Judged:
    finding: Finding = "undecided"
    if any({claim.row, claim.against} <= set(group) for group in table.same_computation):
        finding, why = _if_equal(claim), "the same computation, by construction"
    elif p[1] < ALPHA:
        finding = _of_direction(claim, difference.mean)
        why = "whichever messages each row got right"
    elif difference.mean == 0 and claim.direction != "equal":
        why = "the two published figures are equal"
    elif claim.direction == "equal":
        why = f"the two could differ by {100 * max(-difference.low, difference.high):.1f} points"
    elif p[0] < ALPHA:
        why = "depends on which messages each row got right, which is not published"
    else:
        why = f"too small for {table.n_test} messages, whichever each row got right"
    return Judged(finding, why, difference=difference, p=p)


def _published_time(claim: Claim, rows: Mapping[str, Published], noise: float) -> Judged:
    minutes = rows[claim.row].minutes_a100, rows[claim.against].minutes_a100
    low, high = time_ratio_range(*minutes)
    finding: Finding = "undecided"
    why = f"rows of equal work differ as much (up to {noise:.2f} times)"
    if low > noise or high < 1 / noise:
        finding = "holds" if (low > 1) == (claim.direction == "longer") else "contradicted"
        why = f"one run each, but further apart than rows of equal work are (at most {noise:.2f} times)"
    return Judged(finding, why, ratio=Ratio(minutes[0] / minutes[1], low, high))


def _time_noise(table: PublishedTable) -> float:
    """The largest ratio that rounding allows between the published times of rows that do the same work."""
    ratios = (
        time_ratio_range(table.rows[slow].minutes_a100, table.rows[quick].minutes_a100)[1]
        for group in table.same_work
        for slow, quick in permutations(group, 2)
    )
    return max(ratios, default=math.inf)  # where none do, no difference of times can be told from noise


def _holm(p_values: Sequence[float]) -> list[float]:
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]]


def _judge_ours(shown: list[Claim], results: Results, table: PublishedTable) -> dict[str, Judged]:
    """Claim id -> what the study's runs say of it, accuracies corrected together."""
    pairs = {claim.id: (results.row(claim.row), results.row(claim.against)) for claim in shown}
    compared = {
        claim.id: comparison
        for claim in shown
        if claim.metric == "test accuracy" and (comparison := compare_rows(*pairs[claim.id]))
    }
    decided = decide(compared)
    judged = {}
    for claim in shown:
        row, against = pairs[claim.id]
        if missing := next((result for result in (row, against) if not result.done), None):
            judged[claim.id] = Judged("not run", f"{missing.name}: {missing.reason}")
        elif claim.metric == "training time":
            judged[claim.id] = _our_time(claim, row, against)
        elif comparison := compared.get(claim.id):
            same, published = _same_predictions(row, against), published_difference(claim, table)
            judged[claim.id] = _our_accuracy(claim, comparison, *decided[claim.id], same, published)
        else:
            judged[claim.id] = Judged("not run", "no seed has finished in both rows")
    return judged


def _our_accuracy(
    claim: Claim, comparison: Comparison, p: float, call: Call, same_predictions: bool, published: float
) -> Judged:
    if comparison.identical:
        return Judged(_if_equal(claim), "the same recipe, so the same runs")
    finding: Finding = "undecided"
    n_seeds = comparison.n_seeds
    why = "one seed" if n_seeds == 1 else f"{n_seeds} seeds do not decide it"
    within = f"within {100 * MARGIN:g} point of each other"
    if same_predictions:
        finding, why = _if_equal(claim), "the same prediction for every example with each seed"
    elif call in ("better", "worse"):
        finding, why = _of_direction(claim, comparison.accuracy.mean), f"{n_seeds} seeds"
    elif call == "no difference" and claim.direction == "equal":
        finding, why = "holds", within
    elif call == "no difference":
        large = max(abs(published), (claim.points or 0) / 100) >= MARGIN
        finding, why = ("contradicted" if large else "undecided"), within
    return Judged(finding, why, difference=comparison.accuracy, p=(p, p))


def _our_time(claim: Claim, row: RowResult, against: RowResult) -> Judged:
    """By the training phase of conventional runs on one machine: skipped work would answer another question."""
    pairs = [
        (mine.cost.phases["train"], theirs.cost.phases["train"])
        for seed, mine in row.by_seed.items()
        if (theirs := against.by_seed.get(seed)) and mine.cost and theirs.cost and _conventional(mine, theirs)
    ]
    if not pairs:
        return Judged("not run", "needs both rows with --engine plain on one machine")
    ratio = paired_ratio([mine for mine, _ in pairs], [theirs for _, theirs in pairs])
    if ratio is None:
        return Judged("undecided", "a time of zero was recorded")
    if not ratio.excludes_one:
        why = "one seed shows no spread" if len(pairs) == 1 else f"{len(pairs)} seeds do not decide it"
        return Judged("undecided", why, ratio=ratio)
    as_claimed = (ratio.ratio > 1) == (claim.direction == "longer")
    return Judged("holds" if as_claimed else "contradicted", f"{len(pairs)} seeds", ratio=ratio)


def _conventional(mine: Record, theirs: Record) -> bool:
    same_machine = mine.environment.machine == theirs.environment.machine
    return mine.engine == theirs.engine == "plain" and same_machine


def _same_predictions(row: RowResult, against: RowResult) -> bool:
    pairs = [
        (mine.test, against.by_seed[seed].test)
        for seed, mine in row.by_seed.items()
        if seed in against.by_seed
    ]
    return all(mine and theirs and mine.predicted == theirs.predicted for mine, theirs in pairs)


def _of_direction(claim: Claim, difference: float) -> Finding:
    """Whether a difference that is there is the one claimed."""
    return "holds" if claim.direction == ("better" if difference > 0 else "worse") else "contradicted"


def _if_equal(claim: Claim) -> Finding:
    return "holds" if claim.direction == "equal" else "contradicted"


def published_difference(claim: Claim, table: PublishedTable) -> float:
    """The difference in test accuracy of the published figures, row less against, as a share."""
    n = table.n_test
    row, against = (right_answers(table.rows[name].test_acc, n) or 0 for name in (claim.row, claim.against))
    return (row - against) / n
