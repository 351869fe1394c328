"""report.html of `recommend`: one page that opens offline, and the files that a recommendation leaves."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from math import log2
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.recommend.answer import Answer
from bench.report import series
from bench.report.recommended import answer_markdown, facts, headline, how_to_read
from bench.report.recommended_command import how_to_fit
from bench.report.recommended_curve import curve_cells, curve_headers, curve_title
from bench.report.recommended_rows import row_cells, row_headers
from bench.report.text import printable
from bench.report.units import unit_of
from gptcore.files import write_whole

WIDTH, HEIGHT, EDGE = 640, 260, 48  # of the plot, in pixels


@dataclass(frozen=True)
class Mark:
    """A point of the curve in pixels: its interval from `low` down to `high`, and what it says."""

    x: float
    y: float
    low: float
    high: float
    texts: str
    label: str
    is_extrapolated: bool = False


def write_answer(folder: Path, answer: Answer) -> Path:
    """Write report.md and report.html; returns the path of the first. Raises UserError."""
    write_whole(folder / "report.html", answer_page(answer))
    write_whole(folder / "report.md", answer_markdown(answer))
    return folder / "report.md"


def answer_page(answer: Answer) -> str:
    """The page as HTML; every text is escaped by the template engine, and there is no script."""
    templates = _templates()
    style = templates.get_template("style.css").render(families=series.KINDS)
    policy = f"default-src 'none'; style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'"
    return templates.get_template("recommend.html").render(
        data=answer.data,
        headline=headline(answer),
        decided=answer.choice.is_decided,
        facts=facts(answer),
        headers=["Row", *row_headers(answer)],
        rows=row_cells(answer),
        left_out=answer.left_out,
        marks=curve_marks(answer),
        size=(WIDTH, HEIGHT, EDGE),
        curve_title=curve_title(answer),
        curve_headers=curve_headers(answer),
        curve=curve_cells(answer),
        how_to_read=how_to_read(answer),
        command=how_to_fit(answer),
        style=Markup(style),
        policy=f"{policy}; base-uri 'none'; form-action 'none'",
    )


def curve_marks(answer: Answer) -> list[Mark]:
    """The points of the learning curve in the plot, each doubling of the texts as far from the last; none below two."""
    found = [(p.n_texts, p.score, p.low, p.high, False) for p in answer.curve.points]
    if (more := answer.curve.doubling) is not None:
        found.append((more.n_texts, more.score, *more.interval(answer.results.metric), True))
    if len(found) < 2:
        return []
    unit = unit_of(answer.results.metric)
    first, last = log2(found[0][0]), log2(found[-1][0])
    bottom, top = min(one[2] for one in found), max(one[3] for one in found)

    def x(n: int) -> float:
        return round(EDGE + (log2(n) - first) / (last - first) * (WIDTH - 2 * EDGE), 1)

    def y(score: float) -> float:
        return round(HEIGHT - EDGE - (score - bottom) / max(top - bottom, 1e-9) * (HEIGHT - 2 * EDGE), 1)

    return [
        Mark(x(n), y(score), y(low), y(high), f"{n:,}", unit.short(score), extrapolated)
        for n, score, low, high, extrapolated in found
    ]


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("bench.report", "templates"),
        autoescape=lambda name: name is None or not name.endswith(".css"),
        undefined=StrictUndefined,
        finalize=lambda value: (
            printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
        trim_blocks=True,
        lstrip_blocks=True,
    )
