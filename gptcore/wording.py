"""Words that depend on a number, and text that is safe to print."""

from __future__ import annotations


def pluralise(n: int, noun: str, several: str = "") -> str:
    """A number with its noun: 1 seed, 3 seeds; several: where its plural is not the noun with an s."""
    return f"{n:,} {noun if n == 1 else several or noun + 's'}"


def download_size(n_bytes: int) -> str:
    """How large a download is, to be put behind what it is; nothing below half a megabyte."""
    return f" ({n_bytes / 1e6:,.0f} MB)" if n_bytes >= 500_000 else ""


def one_line(text: str) -> str:
    """Untrusted text that may be printed: line breaks and what steers a terminal become spaces."""
    return "".join(c if c.isprintable() else " " for c in text)


def markdown_line(text: str) -> str:
    """Untrusted text on one line, without what ends a cell or code in Markdown, or begins HTML."""
    return one_line(text).replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
