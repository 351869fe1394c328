"""What records hold of data whose texts have groups (`--group-column`), such as users or threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

MIN_GROUPS = 5  # of the test texts of all seeds: fewer say next to nothing of other groups
FIELDS = frozenset(
    {"groups", "n_test_groups", "test_groups_count_as"}
)  # of the parts of a record; null in all other data


def are_enough(n_groups: int | None) -> bool:
    """Whether so many groups say anything of others; true without groups."""
    return n_groups is None or n_groups >= MIN_GROUPS


def count_as(groups: Iterable[Hashable]) -> float:
    """Groups of equal size that those of the texts are worth (Kish 1965). groups: (N,) of each text."""
    sizes = Counter(groups).values()
    return sum(sizes) ** 2 / sum(size**2 for size in sizes)


def without_groups(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a record or manifest, which does not mention groups where there are none."""
    return {
        part: {name: each for name, each in value.items() if name not in FIELDS or each is not None}
        if isinstance(value, dict)
        else value
        for part, value in content.items()
    }
