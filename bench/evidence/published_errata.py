"""What does not add up in a published table, computed from its figures and claims, and what its file states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from bench.evidence.published_counts import counts_of, nearest
from bench.published.figures import FigureTable


@dataclass(frozen=True)
class Inconsistency:
    """rows: those it is about; text: a sentence, unescaped."""

    rows: tuple[str, ...]
    text: str


def inconsistencies(table: FigureTable) -> list[Inconsistency]:
    """Everything that does not add up, computed first, then what the table's file states."""
    computed = [
        *_no_shares(table),
        *_shares_of_fewer(table),
        *_second_reports(table),
        *_same_figures(table),
        *_claims_against_figures(table),
    ]
    return computed + [Inconsistency(tuple(e.rows), f"{e.text.rstrip('.')}.") for e in table.errata]


def _no_shares(table: FigureTable) -> Iterable[Inconsistency]:
    """Figures of one run that no number of items gives."""
    for name, row in table.rows.items():
        for key, figure in row.figures.items():
            column = table.columns[key]
            n = column.of_items
            if n is None or (table.runs_of(name) or 1) > 1:
                continue
            if any(counts_of(figure, size) for size in (n, *column.also_n)):
                continue
            (k, below), (more, above) = nearest(figure, n)
            others = [other for other, value in row.figures.items() if other != key and value == figure]
            also = f" It equals the row's {table.columns[others[0]].name}." if others else ""
            either = "" if table.runs_of(name) else ", unless it is an average over runs"
            yield Inconsistency(
                (name,),
                f"{column.name} of {figure}% is impossible{either}: of {n:,} items {k:,} are {below:.2f}%, "
                f"{more:,} are {above:.2f}%.{also}",
            )


def _shares_of_fewer(table: FigureTable) -> Iterable[Inconsistency]:
    """Columns with figures that are shares of fewer items than all, and of no whole number of all."""
    for key, column in table.columns.items():
        n = column.of_items
        partial = [
            name
            for name, row in table.rows.items()
            if n and key in row.figures and not counts_of(row.figures[key], n)
            if any(counts_of(row.figures[key], size) for size in column.also_n)
        ]
        if partial and n:
            fewer = " or ".join(f"{size:,}" for size in column.also_n)
            why = f": {column.fewer}" if column.fewer else ""
            text = f"these figures for {column.name} are not shares of {n:,} items, but of {fewer}{why}."
            yield Inconsistency(tuple(partial), text)


def _second_reports(table: FigureTable) -> Iterable[Inconsistency]:
    """Rows of which two columns report one test and disagree; two rows that have each other's figures together."""
    for key, column in table.columns.items():
        if column.reports is None:
            continue
        pairs = {
            name: (row.figures[column.reports], row.figures[key])
            for name, row in table.rows.items()
            if {key, column.reports} <= row.figures.keys()
        }
        differing = [name for name, (first, second) in pairs.items() if first != second]
        first, second = table.columns[column.reports].name, column.name
        for one, other in combinations(tuple(differing), 2):
            if pairs[one] == pairs[other][::-1]:
                differing = [name for name in differing if name not in (one, other)]
                values = " and ".join(map(str, pairs[one]))
                yield Inconsistency(
                    (one, other),
                    f"exchanged: {first} has {values} for the two, {second} the other way round.",
                )
        for name in differing:
            yield Inconsistency((name,), f"{first} has {pairs[name][0]}, {second} has {pairs[name][1]}.")


def _same_figures(table: FigureTable) -> Iterable[Inconsistency]:
    """Rows that agree in every column, of two or more."""
    alike: dict[tuple[tuple[str, Decimal], ...], list[str]] = {}
    for name, row in table.rows.items():
        if len(row.figures) > 1:
            alike.setdefault(tuple(sorted(row.figures.items())), []).append(name)
    for figures, names in alike.items():
        if len(names) > 1:
            yield Inconsistency(tuple(names), f"all {len(figures)} figures of these rows are identical.")


def _claims_against_figures(table: FigureTable) -> Iterable[Inconsistency]:
    """Claims of a difference between equal figures, or the other way round than the figures."""
    for claim in table.claims:
        for key in table.columns_of(claim.row, claim.against, claim.column):
            ours, theirs = (table.rows[name].figures[key] for name in (claim.row, claim.against))
            column = table.columns[key]
            says = f"claim {claim.id} says that the first is {claim.direction}, but"
            seen = "worse" if (ours < theirs) != (column.metric == "error") else "better"
            if claim.direction != "equal" and ours == theirs:
                text = f"{says} both have {ours} ({column.name})."
                yield Inconsistency((claim.row, claim.against), text)
            elif claim.direction not in ("equal", seen):
                text = f"{says} the figures are {ours} and {theirs} ({column.name})."
                yield Inconsistency((claim.row, claim.against), text)
