"""Labels and classes: from a file's cells to class names, and what is suspicious about the classes found."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gptcore.errors import UserError

if TYPE_CHECKING:
    import numpy as np

FEW_TEXTS = 10  # of a class, below which its part of the test split is two texts at most
FEW_ON_AVERAGE = 5  # texts a class, below which the column is hardly one of classes
MANY_SCORES = 6  # numeric labels with fractions, from which on they look like a scale
_SHOWN = 3
_TRUTH = {"true": "1", "false": "0"}


def label_name(label: object) -> str | None:
    """A label as text: strings as they are, numbers and booleans as in JSON, null empty, all else None."""
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return ""
    if isinstance(label, float) and math.isinf(label):
        return None  # a number too large to tell from others
    if isinstance(label, bool):
        return str(label).lower()
    return str(label) if isinstance(label, str | int | float) else None


def parse_label_names(text: str) -> dict[str, str]:
    """From "ham,spam" or "0=ham,1=spam" to label -> class name. Raises UserError."""
    parts = text.split(",")
    pairs = (
        [part.split("=", 1) for part in parts] if "=" in text else [[str(i), p] for i, p in enumerate(parts)]
    )
    wrong = next(
        (part for part, pair in zip(parts, pairs, strict=True) if len(pair) < 2 or not pair[1]), None
    )
    if wrong is not None:
        raise UserError(f"--label-names {text!r}: no class name in {wrong!r}: write a,b,c or 0=a,1=b")
    names = dict(pairs)
    if len(names) < len(pairs):
        raise UserError(f"--label-names {text!r}: a label stands there twice: name each once")
    if "=" not in text and len(set(names.values())) < len(names):
        raise UserError(
            f"--label-names {text!r}: a class stands there twice: write 0=a,1=a to make two labels one class"
        )
    return names


def unnamed_label(labels: Iterable[str], names: Mapping[str, str]) -> tuple[int, str] | None:
    """The first label without a name and its index; None where each has one."""
    return next(((at, label) for at, label in enumerate(labels) if label not in names), None)


def class_order(labels: Iterable[str], given: Sequence[str] = ()) -> tuple[str, ...]:
    """The classes that occur: those with a given order first, then whole numbers by value, then by spelling."""
    place = {name: at for at, name in enumerate(given)}

    def key(name: str) -> tuple[int, int, str]:
        if name in place:
            return 0, place[name], name
        whole = re.fullmatch(r"-?[0-9]{1,18}", name) is not None
        return (1, int(name), name) if whole else (2, 0, name)

    return tuple(sorted(set(labels), key=key))


def class_warnings(labels: Sequence[str]) -> tuple[str, ...]:
    """What suggests that the classes found are not those meant, a line each."""
    counts = Counter(labels)
    found = [*_alike(counts), *score_warnings(counts)]
    n, mean = len(counts), len(labels) / max(1, len(counts))
    few = [name for name in class_order(counts) if counts[name] < FEW_TEXTS]
    if n > 2 and mean < FEW_ON_AVERAGE:
        found.append(f"{n:,} classes for {len(labels):,} texts: is this column the label?")
    elif few:
        fewest = min(few, key=lambda name: counts[name])
        found.append(
            f"{len(few):,} of {n:,} classes {'has' if len(few) == 1 else 'have'} fewer than {FEW_TEXTS} texts, "
            f"{fewest!r} only {counts[fewest]}: figures of {'it' if len(few) == 1 else 'them'} are mostly chance"
        )
    return tuple(found)


def mixed_types_warning(labels: Iterable[object]) -> tuple[str, ...]:
    """Labels such as 1 and "1", or true and "true", which become one class though the file has them as two."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        if label.__class__ in (str, int, float, bool) and (name := label_name(label)):
            kinds[name].add("a string" if isinstance(label, str) else "a number or truth value")
    mixed = [name for name, found in kinds.items() if len(found) > 1]
    if not mixed:
        return ()
    return (
        f"label {mixed[0]} is a string in some rows and a number or truth value in others: read as one class",
    )


def _alike(counts: Counter[str]) -> list[str]:
    """Classes that differ only in what is easily overlooked."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in class_order(counts):
        groups[essence(name)].append(name)
    alike = [names for names in groups.values() if len(names) > 1]
    lines = []
    for names in alike[:_SHOWN]:
        shown = ", ".join(f"{name!r} ({counts[name]:,})" for name in names[:6]) + (
            ", …" if len(names) > 6 else ""
        )
        lines.append(f"classes {shown} differ only in {difference_of(names)}")
    if len(alike) > _SHOWN:
        lines.append(f"{len(alike) - _SHOWN} more groups of classes differ as little")
    if lines:
        lines[-1] += (
            ": if they are one class, give them one name in the file or with --label-names OLD=NEW,..."
        )
    return lines


def essence(name: str) -> str:
    """What is left of a name without case, blanks, invisible characters and ways to write a number."""
    text = _without_blanks(unicodedata.normalize("NFKC", name)).casefold()
    number = _number(text)
    return _TRUTH.get(text, text) if number is None else f"{number:.15g}"


def difference_of(names: list[str]) -> str:
    """In what names of one essence differ."""
    if len({_without_blanks(name) for name in names}) == 1:
        return "blanks"
    if len({name.casefold() for name in names}) == 1:
        return "case"
    if len({_without_blanks(name).casefold() for name in names}) == 1:
        return "case or blanks"
    return (
        "how a number is written" if _number(essence(names[0])) is not None else "how characters are encoded"
    )


def _without_blanks(name: str) -> str:
    visible = "".join(c for c in name if unicodedata.category(c) not in ("Cf", "Cc") or c.isspace())
    return " ".join(visible.split())


def score_warnings(counts: Counter[str]) -> list[str]:
    """A line where the labels look like a scale."""
    numbers = [_number(name) for name in counts]
    values = [number for number in numbers if number is not None and math.isfinite(number)]
    if len(values) < len(counts) or len(counts) < MANY_SCORES or all(value.is_integer() for value in values):
        return []
    return [
        f"the labels look like scores ({len(counts):,} numbers from {min(values):g} to {max(values):g}): each value "
        "is a class of its own here, and near ones count as wrong as far ones"
    ]


def _number(text: str) -> float | None:
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?", text, re.IGNORECASE) is None:
        return None
    return float(text)


def label_indices(labels: Sequence[str], label_names: Sequence[str]) -> np.ndarray:
    """Each label's place among the names, (N,) int64. Raises KeyError for one that is not among them."""
    import numpy as np

    index = {name: i for i, name in enumerate(label_names)}
    return np.array([index[label] for label in labels], dtype=np.int64)
