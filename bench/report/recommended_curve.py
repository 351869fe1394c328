"""The learning curve of a recommendation in words: would more labels help?"""

from __future__ import annotations

from bench.recommend.answer import Answer
from bench.report.text import MISSING
from bench.report.units import unit_of


def curve_title(answer: Answer) -> str:
    """What the curve shows."""
    return f"{unit_of(answer.results.metric).heading} over the number of labels"


def curve_headers(answer: Answer) -> list[str]:
    """Of `curve_cells`."""
    return ["Training texts", unit_of(answer.results.metric).own_column, "95% interval", "Seeds"]


def curve_cells(answer: Answer) -> list[list[str]]:
    """A line for each number of training texts, and one for twice as many as there are."""
    unit = unit_of(answer.results.metric)
    cells = [
        [f"{p.n_texts:,}", unit.bare(p.score), unit.score_interval((p.low, p.high)), str(p.n_seeds)]
        for p in answer.curve.points
    ]
    if (more := answer.curve.doubling) is not None:
        band = unit.score_interval(more.interval(unit.metric))
        cells.append([f"{more.n_texts:,} (extrapolated)", unit.bare(more.score), band, MISSING])
    return cells


def labels_line(answer: Answer) -> str:
    """Whether more labels would help, with the points that say so."""
    points, more, unit = answer.curve.points, answer.curve.doubling, unit_of(answer.results.metric)
    if len(points) < 2:
        return "no learning curve: too few texts, or the budget ended before it"
    shown_points = ", ".join(f"{unit.short(p.score)} with {p.n_texts:,}" for p in points)
    if more is None:
        return f"{shown_points} training texts; too little to extrapolate"
    gain = more.gain
    word = more.word(answer.results.margin)
    verdict = {
        "would help": "more labels would help",
        "would not help": f"more labels would gain less than {unit.margin(answer.results.margin)}",
        "may help": "whether more labels would help cannot be told",
    }[word]
    return (
        f"{verdict}: {shown_points} training texts; the curve through these goes from "
        f"{unit.short(more.now)} to about {unit.short(more.score)} with {more.n_texts:,} "
        f"({unit.between(gain)} {unit.name})"
    )
