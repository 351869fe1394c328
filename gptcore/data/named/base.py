"""What a data set with a name is: where its files come from, how they are read, and what they must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gptcore.data.assets import Asset

if TYPE_CHECKING:
    from gptcore.data.parts import Parts

Members = Mapping[str, bytes]  # contents by the name inside the archive, without its leading folders
Sizes = Mapping[str, int]  # texts by part ("train", "validation", "test"), or of the whole under ""


class Labelled(NamedTuple):
    """N texts with the names of their classes, the part of each where that is given, and remarks."""

    texts: list[str]
    labels: list[str]
    parts: list[str] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class HubTable:
    """The same texts as Parquet on the hub. repo: where; text, label: columns.

    parts: the hub's name of a part -> ours, for those that are read; None: as they are called there.
    """

    repo: str
    text: str = "text"
    label: str = "label"
    parts: Mapping[str, str] | None = None


@dataclass(frozen=True)
class NamedData:
    """A data set with a name.

    label_names: the classes in order, none where that is by spelling; n_classes: how many where none are named;
    sizes: texts that it must have; licence, citation: of the data;
    files: (name at the source, asset), each an archive or a loose file; members: patterns such as "train/pos/*.txt" of
    the files that are read, matched with the end of a member's path; parse: members -> texts;
    hub: another source; published: labels and seed -> row numbers of train, validation and test, where a published
    study says how to split; check: raises UserError where the texts are not those that were published.
    """

    name: str
    about: str
    sizes: Sizes
    licence: str
    citation: str
    files: tuple[tuple[str, Asset], ...]
    members: tuple[str, ...]
    parse: Callable[[Members], Labelled]
    label_names: tuple[str, ...] = ()
    n_classes: int = 0
    hub: HubTable | None = None
    published: Callable[[Sequence[str], int], Parts] | None = None
    check: Callable[[Labelled], None] | None = None

    @property
    def size(self) -> str:
        """Texts in words: "120,000 train + 7,600 test"."""
        return " + ".join(f"{n:,} {part or 'texts'}" for part, n in self.sizes.items())

    @property
    def line(self) -> str:
        """What a list shows of it."""
        n = len(self.label_names) or self.n_classes
        classes = " / ".join(self.label_names) if n <= 4 else f"{n} classes"
        return f"{self.about}: {self.size}; {classes}; {self.licence}"
