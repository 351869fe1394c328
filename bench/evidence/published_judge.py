"""Which differences of a published table stand, whichever items each row got right, and what its claims are worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from bench.evidence.holm import ALPHA, holm
from bench.evidence.published_counts import counts_of, difference_range, p_range
from bench.evidence.published_visible import items_needed
from bench.evidence.student import Difference, Estimate
from bench.published.figures import FigureTable, TableClaim

Finding = Literal["holds", "contradicted", "undecided", "not run"]
Standing = Literal["stands", "depends", "does not stand", "not decidable"]
_SAME = "the same computation, by construction"
Key = tuple[str, str, str]  # row, against, column


@dataclass(frozen=True)
class Compared:
    """Two rows in one column: their figures as printed, and what the two allow to be said.

    difference: row less against (share), positive where the row is better, with its widest interval; p: least and
    greatest over every pairing, after the correction; why: one clause.
    """

    row: str
    against: str
    column: str
    ours: Decimal
    theirs: Decimal
    standing: Standing
    why: str
    difference: Difference | None = None
    p: tuple[float, float] | None = None

    @property
    def reversed(self) -> Compared:
        """The same with the two rows exchanged."""
        d = self.difference
        turned = d and Difference(-d.mean, -d.high, -d.low)
        return replace(
            self, row=self.against, against=self.row, ours=self.theirs, theirs=self.ours, difference=turned
        )

    @property
    def is_better(self) -> bool:
        """Whether the figure of the row is the better one."""
        return self.difference is not None and self.difference.mean > 0


@dataclass(frozen=True)
class JudgedClaim:
    """A claim in one column, by the published figures; compared is None where the source gives none."""

    claim: TableClaim
    column: str | None
    finding: Finding
    why: str
    compared: Compared | None


@dataclass(frozen=True)
class JudgedTable:
    """A table, each of its comparisons once, and its claims."""

    table: FigureTable
    compared: dict[Key, Compared]
    claims: list[JudgedClaim]

    @property
    def n_corrected(self) -> int:
        """Comparisons that p is corrected for: those of the source, where not all of them are here."""
        tested = sum(one.p is not None for one in self.compared.values())
        return max(tested, self.table.comparisons or 0)


def judge_table(table: FigureTable) -> JudgedTable:
    """Every comparison of a table, corrected together by Holm's method, and its claims.

    Each row with `against`, and the rows of each claim. Where the source has more comparisons than are here, their
    p are not known, and each p counts times all of them: no smaller factor holds whatever they are.
    """
    single = {key: _compare(table, *key) for key in _keys(table)}
    p = {key: one.p for key, one in single.items() if one.p is not None}
    sides = [_corrected({key: both[side] for key, both in p.items()}, table.comparisons) for side in (0, 1)]
    compared = {
        key: _standing(replace(one, p=(sides[0][key], sides[1][key]))) if key in p else one
        for key, one in single.items()
    }
    return JudgedTable(
        table, compared, [one for claim in table.claims for one in _claim(claim, table, compared)]
    )


def _keys(table: FigureTable) -> list[Key]:
    """Every comparison once, in the order in which it is first asked for."""
    found: dict[Key, None] = {}
    pairs = [(row, table.against, None) for row in table.rows if table.against not in (None, row)]
    for row, against, column in [*pairs, *((c.row, c.against, c.column) for c in table.claims)]:
        for key in table.columns_of(row, against, column) if against is not None else ():
            if (against, row, key) not in found:
                found[row, against, key] = None
    return list(found)


def _corrected(p: dict[Key, float], n: int | None) -> dict[Key, float]:
    if n is None or n <= len(p):
        return holm(p)
    return {key: min(1.0, n * value) for key, value in p.items()}


def _compare(table: FigureTable, row: str, against: str, key: str) -> Compared:
    """One comparison, p not yet corrected."""
    column = table.columns[key]
    figures = [table.rows[name].figures[key] for name in (row, against)]
    found = Compared(row, against, key, figures[0], figures[1], "not decidable", "")
    if any({row, against} <= set(group) for group in table.same_computation):
        return replace(found, difference=Difference(0.0, 0.0, 0.0), p=(1.0, 1.0), why=_SAME)
    n = column.of_items
    seeds = _seed_estimate(table, row, against, key)
    if seeds is not None:
        return _of_seeds(found, seeds, figures, n, column.metric)
    if n is None:
        return replace(found, why=_why_not(table, row, against, key))
    counts = [
        counts_of(
            figure if column.metric == "accuracy" else 100 - figure,
            n,
            averaged=(table.runs_of(name) or 1) > 1,
        )
        for name, figure in zip((row, against), figures, strict=True)
    ]
    for name, figure, some in zip((row, against), figures, counts, strict=True):
        if not some:
            return replace(found, why=f"{figure} ({name}) is not a share of {n:,} items")
    ours, theirs = counts
    return replace(found, difference=difference_range(ours, theirs, n), p=p_range(ours, theirs, n))


def _standing(one: Compared) -> Compared:
    """The comparison with what its corrected p say."""
    assert one.p is not None
    by = one.why  # what p comes from, where it is not the items alone
    if one.p[1] < ALPHA:
        return replace(one, standing="stands", why=by or "whichever items each row got right")
    if one.p[0] < ALPHA:
        why = "depends on which items each row got right, which the source does not say"
        return replace(one, standing="depends", why=why)
    if by == _SAME:
        return replace(one, standing="does not stand")
    if one.ours == one.theirs:
        return replace(one, standing="does not stand", why="the two published figures are equal")
    return replace(
        one, standing="does not stand", why=f"too small, {by or 'whichever items each row got right'}"
    )


def _seed_estimate(table: FigureTable, row: str, against: str, key: str) -> Estimate | None:
    """The difference over other seeds (Welch 1947); None unless both rows give a scatter and at least two seeds."""
    values = []
    for name in (row, against):
        scatter, runs = table.rows[name].scatter.get(key), table.runs_of(name)
        if not scatter or runs is None or runs < 2:
            return None
        values.append((table.rows[name].figures[key], (float(scatter) / 100) ** 2 / runs, runs - 1))
    (ours, v, dof), (theirs, w, other) = values
    sign = -1 if table.columns[key].metric == "error" else 1
    mean = sign * float(ours - theirs) / 100
    return Estimate(mean, v + w, (v + w) ** 2 / (v * v / dof + w * w / other))


def _of_seeds(
    found: Compared, seeds: Estimate, figures: list[Decimal], n: int | None, metric: str
) -> Compared:
    """Least p: the seeds' scatter alone; greatest: with that of the items, where rows disagree as much as they can."""
    if n is None or n < 2:
        why = "by the scatter of the seeds alone: other items are not counted"
        p = seeds.p_zero()
        return replace(found, difference=seeds.interval(), p=(p, p), why=why)
    p1, p2 = (float(Fraction(figure) / 100) for figure in figures)
    if metric == "error":
        p1, p2 = 1 - p1, 1 - p2
    both = max(0.0, p1 + p2 - 1)
    of_items = (p1 + p2 - 2 * both - (p1 - p2) ** 2) / (n - 1)
    variance = seeds.variance + of_items
    dof = variance / (seeds.variance / seeds.dof + of_items / (n - 1))
    widest = Estimate(seeds.value, variance, dof)
    why = "by the scatter of seeds and items together"
    return replace(found, difference=widest.interval(), p=(seeds.p_zero(), widest.p_zero()), why=why)


def _why_not(table: FigureTable, row: str, against: str, key: str) -> str:
    column = table.columns[key]
    if column.metric in ("accuracy", "error"):
        shares = [float(table.rows[name].figures[key]) / 100 for name in (row, against)]
        needed = items_needed(*shares)
        more = f"; with about {needed:,} or more this difference would stand alone" if needed else ""
        return f"the number of test items is not known{more}"
    kinds = {
        "matthews": "a Matthews correlation",
        "f1": "an F1 score",
        "average": "an average over data sets",
    }
    without = [name for name in (row, against) if key not in table.rows[name].scatter]
    given = (
        f"and {' and '.join(without)} give{'s' if len(without) == 1 else ''} no scatter" if without else ""
    )
    runs = "and the number of runs is not known" if not without else given
    return f"{kinds[column.metric]} is not a share of items, {runs}"


def _claim(claim: TableClaim, table: FigureTable, compared: dict[Key, Compared]) -> Iterable[JudgedClaim]:
    columns = table.columns_of(claim.row, claim.against, claim.column)
    if not columns:
        yield JudgedClaim(claim, claim.column, "undecided", "the source at hand gives no figures", None)
    for column in columns:
        key = (claim.row, claim.against, column)
        one = compared[key] if key in compared else compared[claim.against, claim.row, column].reversed
        yield JudgedClaim(claim, column, *_finding(claim, one), one)


def _finding(claim: TableClaim, one: Compared) -> tuple[Finding, str]:
    if one.why == _SAME:
        return ("holds" if claim.direction == "equal" else "contradicted"), one.why
    if one.standing == "stands":
        as_claimed = claim.direction == ("better" if one.is_better else "worse")
        return ("holds" if as_claimed else "contradicted"), one.why
    if claim.direction == "equal" and one.difference is not None:
        widest = max(abs(one.difference.low), abs(one.difference.high))
        return "undecided", f"the two could differ by {100 * widest:.1f} points"
    return "undecided", one.why
