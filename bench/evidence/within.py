"""Which rows are shown to lose no more than a margin, whichever row is the best in truth.

The most accurate row of a study need not be the best one. So a row is within the margin where a loss of more than it is
ruled out against every other row: against the best one too, whichever that is. Each of these tests has to reject, which
needs no correction (an intersection-union test, Berger 1982); Holm's corrects for the rows that may be chosen. Hsu
(1984) has the same claim as an interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.evidence.comparison import compare_rows
from bench.evidence.family import looks_of
from bench.evidence.holm import ALPHA, holm
from bench.evidence.looks import Look, loss_over_looks
from bench.evidence.results import Results


@dataclass(frozen=True)
class Within:
    """What is known of a row's loss. p: of a loss of more than the margin against some row, adjusted for all rows;
    against: other row -> one-sided p of such a loss against it, over all looks."""

    p: float
    against: Mapping[str, float]

    @property
    def is_shown(self) -> bool:
        """Whether a loss of more than the margin is ruled out against every other row."""
        return self.p <= ALPHA

    @property
    def blocked_by(self) -> tuple[str, ...]:
        """Rows against which such a loss is not ruled out."""
        return tuple(name for name, p in self.against.items() if p > ALPHA)


def within_margin(results: Results) -> dict[str, Within]:
    """Row name -> what is known of its loss, for the rows with a finished run, if there are two or more."""
    rows = {row.name: row for row in results.finished}
    looks: dict[str, Sequence[Look[str]]] = {}
    for name, row in rows.items():
        pairs = {other: (row, theirs) for other, theirs in rows.items() if other != name}
        looks[name] = looks_of(results, pairs) or [
            Look(
                0,
                1.0,
                {
                    other: c
                    for other, pair in pairs.items()
                    if (c := compare_rows(*pair, None, results.metric))
                },
            )
        ]
    return rule_out(looks, results.margin)


def rule_out(looks: Mapping[str, Sequence[Look[str]]], margin: float) -> dict[str, Within]:
    """looks: row -> its comparisons with every other row, look by look. Nothing is ruled out for a single row."""
    against = {
        name: dict.fromkeys(looks.keys() - {name}, 1.0) | loss_over_looks(own, margin)
        for name, own in looks.items()
    }
    worst = {name: min(1.0, max(p.values(), default=1.0)) for name, p in against.items()}
    adjusted = holm(worst)
    return {name: Within(adjusted[name], against[name]) for name in looks}
