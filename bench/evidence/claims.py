"""Each published claim judged twice: by the published figures alone, and by the runs of a study."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

from bench.evidence.decide import Decision
from bench.evidence.family import Family, judge_family
from bench.evidence.holm import ALPHA, holm
from bench.evidence.models import MIN_SEEDS
from bench.evidence.paired import Ratio, paired_ratio
from bench.evidence.published_counts import counts_of
from bench.evidence.published_judge import Finding, judge_table
from bench.evidence.results import Results, RowResult
from bench.evidence.single_figures import time_ratio_range
from bench.evidence.student import Difference
from bench.published.judged import as_figures, two_digits
from bench.published.table import Claim, PublishedTable
from bench.records.record import Record
from bench.records.study import Published

_HALF = 0.05  # of the last digit of a stated size
LARGE = 1.5  # margins: a claim of a smaller difference is not contradicted by "no difference"


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

    def reaches(self, claim: Claim) -> bool | None:
        """Whether the interval of a ratio reaches the stated one, which is rounded to one digit; None without."""
        if self.ratio is None or claim.times is None:
            return None
        ends = [claim.times - _HALF, claim.times + _HALF]
        low, high = ends if claim.direction == "longer" else [1 / end for end in reversed(ends)]
        return self.ratio.low <= high and low <= self.ratio.high


@dataclass(frozen=True)
class ClaimResult:
    """A claim with both judgements."""

    claim: Claim
    published: Judged
    ours: Judged

    @property
    def sizes_agree(self) -> bool | None:
        """Whether the claimed size is one that ours may have; None where none is claimed or nothing was measured.

        The size of a difference is the stated one, else that of the published figures. Both are uncertain, so
        they disagree where they are further apart than both errors together (square and add; Newcombe 1998).
        """
        mine, theirs, claim = self.ours.difference, self.published.difference, self.claim
        if claim.direction == "equal" or mine is None or theirs is None:
            return self.ours.reaches(claim)
        sign = 1 if claim.direction == "better" else -1
        size = theirs.mean if claim.points is None else sign * claim.points / 100
        half = 0.0 if claim.points is None else _HALF / 100
        apart = mine.mean - size
        errors = (
            (mine.mean - mine.low, theirs.high - theirs.mean)
            if apart > 0
            else (mine.high - mine.mean, theirs.mean - theirs.low)
        )
        return abs(apart) <= math.hypot(*errors) + half


def judge_claims(results: Results) -> list[ClaimResult]:
    """Every claim whose two rows are in the study; none for data that is not the published study's."""
    table, names = results.table, {result.name for result in results.rows if result.claimed}
    if table is None:
        return []
    shown = [claim for claim in table.claims if {claim.row, claim.against} <= names]
    sizes = {claim.id: published_difference(claim, table) for claim in shown if claim in table.of_accuracy}
    published, ours = judge_published(table), judge_ours(shown, results, sizes)
    return [ClaimResult(claim, published[claim.id], mine) for claim, mine in zip(shown, ours, strict=True)]


def judge_published(table: PublishedTable) -> dict[str, Judged]:
    """Claim id -> what the published figures say of it.

    Which messages each row got right is not published, so a difference is called one only where McNemar's exact
    test says so for every pairing that the figures allow, after Holm's correction over the claims on accuracy.
    """
    judged = {
        one.claim.id: Judged(one.finding, one.why, one.compared.difference, p=one.compared.p)
        for one in judge_table(as_figures(table)).claims
        if one.compared
    }
    noise = _time_noise(table)
    for claim in table.claims:
        if claim.metric == "training time":
            judged[claim.id] = _published_time(claim, table.rows, noise)
    return judged


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


def judge_ours(shown: list[Claim], results: Results, sizes: Mapping[str, float]) -> list[Judged]:
    """What the study's runs say of each claim, accuracies corrected together with the verdicts.

    shown: claims on rows of the study, one for each pair of rows that asks it; sizes: claim id -> published difference,
    a share, where there is one.
    """
    results = results.by_accuracy
    accuracy = [(claim.row, claim.against) for claim in shown if claim.metric == "test accuracy"]
    family = judge_family(results, accuracy)
    pairs = [(results.row(claim.row), results.row(claim.against)) for claim in shown]
    ratios = {
        at: ratio
        for at, claim in enumerate(shown)
        if claim.metric == "training time" and (ratio := _time_ratio(*pairs[at]))
    }
    p_times = holm({at: ratio.p for at, ratio in ratios.items()})
    judged = []
    for at, (claim, (row, against)) in enumerate(zip(shown, pairs, strict=True)):
        if missing := next((result for result in (row, against) if not result.done), None):
            judged.append(Judged("not run", f"{missing.name}: {missing.reason}"))
        elif claim.metric == "training time":
            judged.append(_our_time(claim, row, against, ratios.get(at), p_times.get(at, 1.0)))
        else:
            judged.append(_our_accuracy(claim, family, row, against, sizes.get(claim.id, 0.0)))
    return judged


def _our_accuracy(
    claim: Claim, family: Family, row: RowResult, against: RowResult, published: float
) -> Judged:
    decision = family.of(row.name, against.name)
    if decision is None:
        return Judged("not run", "no seed has finished in both rows")
    if decision.comparison.identical:
        return Judged(_if_equal(claim), "the same recipe, so the same runs")
    size = max(abs(published), (claim.points or 0) / 100)
    same = _same_predictions(row, against)
    finding, why = _finding(claim, decision, size, family.results.margin, same)
    return Judged(finding, why, difference=decision.estimate.interval(), p=(decision.p_holm, decision.p_holm))


def _finding(claim: Claim, decision: Decision, size: float, margin: float, same: bool) -> tuple[Finding, str]:
    """size: of the claimed difference, a share."""
    n_seeds, call = decision.comparison.n_seeds, decision.call
    within = f"within {100 * margin:g} {'point' if margin == 0.01 else 'points'} of each other"
    if same:
        return _if_equal(claim), "the same prediction for every example with each seed"
    if call in ("model better", "model worse"):
        side = call.removeprefix("model ")
        return "undecided", f"the trained model is {side}; a claim on recipes needs {MIN_SEEDS} seeds"
    if call in ("better", "worse"):
        return (
            "holds" if call == claim.direction else "contradicted"
        ), f"{decision.decided_at or n_seeds} seeds"
    if call == "no difference" and claim.direction == "equal":
        return "holds", within
    if call == "no difference":
        return ("contradicted" if size >= LARGE * margin else "undecided"), within
    return "undecided", "one seed" if n_seeds == 1 else f"{n_seeds} seeds do not decide it"


def _time_ratio(row: RowResult, against: RowResult) -> Ratio | None:
    """Of the training phases of conventional runs on one machine: skipped work would answer another question."""
    pairs = _conventional_pairs(row, against)
    return paired_ratio([mine for mine, _ in pairs], [theirs for _, theirs in pairs])


def _our_time(claim: Claim, row: RowResult, against: RowResult, ratio: Ratio | None, p: float) -> Judged:
    n_pairs = len(_conventional_pairs(row, against))
    if not n_pairs:
        return Judged("not run", "needs both rows with --engine plain on one machine")
    if ratio is None:
        return Judged("undecided", "a time of zero was recorded")
    if p > ALPHA:
        why = "one seed shows no spread" if n_pairs == 1 else f"{n_pairs} seeds do not decide it"
        return Judged("undecided", why, ratio=ratio)
    as_claimed = (ratio.ratio > 1) == (claim.direction == "longer")
    return Judged("holds" if as_claimed else "contradicted", f"{n_pairs} seeds", ratio=ratio)


def _conventional_pairs(row: RowResult, against: RowResult) -> list[tuple[float, float]]:
    return [
        (mine.cost.phases["train"], theirs.cost.phases["train"])
        for seed, mine in row.by_seed.items()
        if (theirs := against.by_seed.get(seed)) and mine.cost and theirs.cost and _conventional(mine, theirs)
    ]


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


def _if_equal(claim: Claim) -> Finding:
    return "holds" if claim.direction == "equal" else "contradicted"


def published_difference(claim: Claim, table: PublishedTable) -> float:
    """The difference in test accuracy of the published figures, row less against, as a share."""
    row, against = (
        table.rows[name].test_acc
        if not (counts := counts_of(two_digits(table.rows[name].test_acc), table.n_test))
        else 100 * counts[0] / table.n_test
        for name in (claim.row, claim.against)
    )
    return (row - against) / 100
