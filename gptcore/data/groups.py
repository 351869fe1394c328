"""Splits that keep groups whole: the rows of one user, thread or author, and copies of a text, stand in one part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gptcore.data.checks import shortened
from gptcore.errors import UserError
from gptcore.wording import pluralise

if TYPE_CHECKING:
    import numpy as np

# What parts groups that copies of a text join
PART_THEM = "keep one row of a text that several groups have"


def components(copies: Sequence[int], groups: Sequence[str]) -> list[int]:
    """(N,) of each row the first row that it must stay with: of the same group or text, or joined by others.

    copies: (N,) the first row with the same text; groups: (N,).
    """
    parent = list(range(len(groups)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    first: dict[str, int] = {}
    for at, group in enumerate(groups):
        for other in (copies[at], first.setdefault(group, at)):
            low, high = sorted((root(at), root(other)))
            parent[high] = low
    return [root(at) for at in range(len(groups))]


def group_numbers(groups: Sequence[str]) -> list[int]:
    """(N,) of each row the first row of its group. groups: (N,)."""
    first: dict[str, int] = {}
    return [first.setdefault(group, at) for at, group in enumerate(groups)]


def joined_by(texts: Sequence[str], copies: Sequence[int], groups: Sequence[str]) -> str:
    """Which text joins the most groups, as its copies stay together; "" where no text stands in two groups.

    texts, groups: (N,); copies: (N,) the first row with the same text.
    """
    having: dict[int, set[str]] = {}
    for first, group in zip(copies, groups, strict=True):
        having.setdefault(first, set()).add(group)
    joining = [first for first, found in having.items() if len(found) > 1]
    if not joining:
        return ""
    most = max(joining, key=lambda first: len(having[first]))
    text = f"{len(having[most]):,} groups are joined by the text {shortened(texts[most].strip())}"
    n_others = len(joining) - 1
    return f"{text}, others by {pluralise(n_others, 'more text')}" if n_others else text


def grouped_parts(
    labels: np.ndarray, groups: np.ndarray, shares: Sequence[float], random: np.random.RandomState
) -> list[np.ndarray]:
    """Row numbers (int64) of each part, shuffled, in which each class has about its share; groups stay whole.

    labels: (N,) int64; groups: (N,) see `components`; shares: of the parts, they add up to 1. Large groups come first,
    equal ones by chance, each where it brings the classes closest to their shares (chi-squared). Then every part gets
    each class where moving a group can do that; whether all have them is for the caller to check.
    """
    import numpy as np

    members: dict[int, list[int]] = {}
    for row, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(row)
    of_group = {group: Counter(labels[rows].tolist()) for group, rows in members.items()}
    total = Counter(labels.tolist())
    counts: list[Counter[int]] = [Counter() for _ in shares]
    order = sorted(random.permutation(list(members)).tolist(), key=lambda group: -len(members[group]))
    place: dict[int, int] = {}
    for group in order:
        place[group] = min(
            range(len(shares)),
            key=lambda part: sum(
                n * (n + 2 * counts[part][label]) / (shares[part] * total[label])
                for label, n in of_group[group].items()
            ),
        )
        counts[place[group]].update(of_group[group])
    for part in range(len(shares)):
        for label in sorted(total):
            if not counts[part][label]:
                _move_one(label, part, reversed(order), place, of_group, counts)
    rows = [
        [row for group in order if place[group] == part for row in members[group]]
        for part in range(len(shares))
    ]
    return [random.permutation(np.array(part, dtype=np.int64)) for part in rows]


def _move_one(
    label: int,
    part: int,
    groups: Sequence[int] | reversed[int],
    place: dict[int, int],
    of_group: dict[int, Counter[int]],
    counts: list[Counter[int]],
) -> None:
    """Move the first group with the label whose part keeps all of its classes without it; none if there is none."""
    for group in groups:
        there = counts[place[group]]
        if (
            place[group] != part
            and label in of_group[group]
            and all(there[other] > n for other, n in of_group[group].items())
        ):
            there.subtract(of_group[group])
            counts[part].update(of_group[group])
            place[group] = part
            return


def straddling(groups: Sequence[str], parts: Sequence[str]) -> dict[str, set[str]]:
    """Of the groups whose rows stand in several parts, which parts; in the order of their first rows."""
    found: dict[str, set[str]] = {}
    for group, part in zip(groups, parts, strict=True):
        found.setdefault(group, set()).add(part)
    return {group: several for group, several in found.items() if len(several) > 1}


def check_whole(name: str, groups: Sequence[str], parts: Sequence[str]) -> None:
    """Raises UserError where rows of one group are given to several parts."""
    if apart := straddling(groups, parts):
        group, several = next(iter(apart.items()))
        raise UserError(
            f"{name}: {len(apart):,} groups have rows in several of the given parts, such as {group[:60]!r} in "
            f"{' and '.join(sorted(several))}: correct the parts, or leave out --group-column"
        )
