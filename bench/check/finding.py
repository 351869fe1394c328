"""What the check found, and the rows that it looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["problem", "warning", "note"]  # refused or wrong; likely to mislead; good to know
N_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """One finding. examples: up to N_SHOWN lines, each with where it stands; remedy: what to do, "" for a note."""

    level: Level
    title: str
    examples: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class Sample:
    """The N usable rows. places: where each stands, such as "line 12"; parts: of each, where the data gives them.

    groups: columns that say what rows belong together, by name; "" where a row has no value.
    """

    texts: Sequence[str]
    labels: Sequence[str]
    places: Sequence[str]
    parts: Sequence[str] | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    def show(self, at: int, n: int = 60) -> str:
        """A row as an example: its place, label and text, cut."""
        return f"{self.places[at]} ({self.labels[at]!r}): {quoted(self.texts[at], n)}"


def quoted(text: str, n: int = 60) -> str:
    """A text in quotes on one line, cut; what cannot be seen is escaped."""
    return repr(text if len(text) <= n else text[: n - 1] + "…")
