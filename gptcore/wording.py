"""Words that depend on a number."""

from __future__ import annotations


def pluralise(n: int, noun: str, several: str = "") -> str:
    """A number with its noun: 1 seed, 3 seeds; several: where its plural is not the noun with an s."""
    return f"{n:,} {noun if n == 1 else several or noun + 's'}"
