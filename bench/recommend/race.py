"""Which rows get more seeds: those that may still be chosen, and those that stand in the way of a choice. Pure.

Rows leave the race as soon as nothing depends on them (successive elimination). Error rates hold whatever is decided
here (bench/evidence/scheme.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.evidence.results import Results
from bench.recommend.answer import Choice


@dataclass(frozen=True)
class Step:
    """Rows that are to have so many seeds."""

    rows: tuple[str, ...]
    seeds: int


def next_steps(choice: Choice, results: Results) -> list[Step]:
    """Steps worth taking, the most wanted first; later ones cost less. None: nothing is left to find out.

    results: of rows of which each has reached the first look; choice: what they say.
    """
    if not choice.within:
        return []
    looks = [look.seeds for look in results.study.scheme or []]
    best = choice.best
    reached = max((n for n in looks if any(row.has_reached(n) for row in results.finished)), default=0)
    if not best.has_reached(reached):  # others had more seeds before it came first
        return [Step((best.name,), reached)]
    later = [n for n in looks if n > reached]
    if not later:
        return []
    cheaper, ahead = open_cheaper(choice), _in_the_way(choice)
    groups = [{*cheaper, *ahead}, set(cheaper), set(ahead), set(cheaper[:1]), set(ahead[:1])]
    order = [row.name for row in results.rows]
    steps = [
        Step(tuple(name for name in order if name in {best.name, *names}), later[0])
        for names in groups
        if names - {best.name}
    ]
    return list(dict.fromkeys(steps))


def may_win(choice: Choice) -> set[str]:
    """Rows that may still be chosen, and so those for which the time of what follows must be kept."""
    if not choice.within:
        return set(choice.seconds)
    return {choice.row.name, choice.best.name, *open_cheaper(choice), *_in_the_way(choice)}


def open_cheaper(choice: Choice) -> tuple[str, ...]:
    """Rows that cost less than the one that is decided for, of which it is open whether they would do."""
    return tuple(
        name for name in choice.cheaper if not choice.within[name].is_shown and not choice.is_out(name)
    )


def _in_the_way(choice: Choice) -> tuple[str, ...]:
    """Rows that may be better than the most accurate one by more than the margin; none once a row is decided for."""
    return () if choice.is_decided else choice.within[choice.best.name].blocked_by
