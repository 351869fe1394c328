"""Formatting of figures and untrusted text in reports: units, signs, escapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

MISSING = "–"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
# Underscores inside a word mean nothing in Markdown and stay readable.
_MARKDOWN = re.compile(r"[\\`*\[\]|~$]|(?<!\w)_|_(?!\w)")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def printable(text: str) -> str:
    """Text on one line: newlines and control characters become spaces."""
    return _CONTROL.sub(" ", text)


def sanitize(text: object) -> str:
    """Any value as `printable` text, stripped."""
    return printable(str(text)).strip()


def class_name(name: str) -> str:
    """A class name with every character visible: quoted if it has outer blanks or invisible characters."""
    joiners = name.replace("\u200c", "").replace(
        "\u200d", ""
    )  # between letters and in emoji they are visible
    if joiners.isprintable() and name == " ".join(name.split()) and name:
        return name
    return repr(name)


def class_counts(names: Sequence[str], counts: Sequence[int], most: int = 8) -> str:
    """The classes with how many texts each has, the largest first: ham 4,825, spam 747."""
    order = sorted(range(len(names)), key=lambda at: -counts[at])
    shown = ", ".join(f"{class_name(names[at])} {counts[at]:,}" for at in order[:most])
    if len(order) <= most:
        return shown
    return f"{shown} and {len(order) - most:,} more, the smallest {class_name(names[order[-1]])} {counts[order[-1]]:,}"


def escape(text: object) -> str:
    """Untrusted text, made safe for a Markdown table: one line, no markup, no HTML, no cell border."""
    html = re.sub(r"[&<>]", lambda match: _HTML[match[0]], sanitize(text))
    return _MARKDOWN.sub(lambda match: "\\" + match[0], html)


def fold(text: str, width: int, lines: int = 2) -> str:
    """Text on a few lines of at most `width` characters, the last with an ellipsis where text was left out.

    Lines break behind a comma, space, slash or hyphen where one stands in their second half.
    """
    folded: list[str] = []
    while len(text) > width and len(folded) < lines - 1:
        cut = max((match.end() for match in re.finditer(r"[,\s/-]", text[:width])), default=0)
        cut = cut if cut > width // 2 else width
        folded.append(text[:cut].strip())
        text = text[cut:].strip()
    return "\n".join([*folded, text if len(text) <= width else text[: width - 1].strip() + "…"])


def code_block(text: str) -> str:
    """A fenced block that no backticks inside can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.strip()}\n{fence}"


def superscript(number: int) -> str:
    """Footnote mark: 12 -> ¹²."""
    return str(number).translate(_SUPERSCRIPTS)


def percent(share: float | None, digits: int = 2) -> str:
    """A share of 0 to 1 in percent, without the sign: 0.95 -> 95.00."""
    return MISSING if share is None else f"{100 * share:.{digits}f}"


def points(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign: +1.33, −0.67, 0.00."""
    text = f"{100 * difference:+.2f}".replace("-", "−")
    return "0.00" if text in ("+0.00", "−0.00") else text


def points_between(mean: float, low: float, high: float) -> str:
    """A difference of two shares with its interval, in points: +1.33 (−0.40 to +3.10)."""
    return f"{points(mean)} ({points(low)} to {points(high)})"


def margin_text(share: float) -> str:
    """A size in points without a sign: 1 point, 2 points, 0.5 points."""
    return f"{100 * share:g} point" + ("" if round(100 * share, 6) == 1 else "s")


def interval(bounds: tuple[float, float] | None) -> str:
    """Two shares in percent: 91.9 to 97.0."""
    return MISSING if bounds is None else f"{percent(bounds[0], 1)} to {percent(bounds[1], 1)}"


def p_value(p: float) -> str:
    """0.34, 0.0123, < 0.0001."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def seconds(value: float | None) -> str:
    """Seconds with three significant digits, without the unit: 0.042, 4.20, 42.0, 420."""
    if value is None:
        return MISSING
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def count(value: float | None) -> str:
    """A count in short: 812, 1.5k, 4.34M, 1.56B."""
    if value is None:
        return MISSING
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{float(f'{value / size:.3g}'):g}{unit}"  # 999,999 is 1000k, not 1e+03k
    return f"{value:.0f}"


def memory(n_bytes: int | None) -> str:
    """Bytes in MiB or GiB."""
    if n_bytes is None:
        return MISSING
    return f"{n_bytes / 2**20:,.0f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:.2f} GiB"


def file_size(n_bytes: int) -> str:
    """Bytes of files with three significant digits: 812 B, 12.3 kB, 4.34 MB, 1.56 GB."""
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if n_bytes >= size:
            return f"{float(f'{n_bytes / size:.3g}'):g} {unit}"
    return f"{n_bytes} B"


def value_text(value: Any) -> str:
    """A recipe's value as in a matrix file: true, none, c_attn+c_proj."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {value_text(part)}" for name, part in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "+".join(str(item) for item in value)
    return "none" if value is None else str(value)


def changes(values: dict[str, Any]) -> str:
    """A row's differences: `train = all, lr = 0.0001`."""
    return ", ".join(f"{sanitize(name)} = {sanitize(value_text(value))}" for name, value in values.items())


def full_stop(text: str) -> str:
    """Text that ends with a full stop, unless it already ends a sentence."""
    return text + ("" if text.endswith((".", "!", "?")) else ".")


def as_sentence(text: str) -> str:
    """Text on one line that starts with a capital letter and ends with a full stop."""
    whole = full_stop(sanitize(text))
    return whole[:1].upper() + whole[1:]


def sentence(text: str) -> str:
    """Untrusted text as a sentence, escaped."""
    return escape(as_sentence(text))


def join(texts: Iterable[str], last: str = "and") -> str:
    """a; a and b; a, b and c."""
    items = list(texts)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""
