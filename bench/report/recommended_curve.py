"""The learning curve of a recommendation in words: would more labels help?"""

from __future__ import annotations

from bench.recommend.answer import Answer
from bench.report.text import MISSING, interval, margin_text, percent, points_between

CURVE_HEADERS = ["Training texts", "Accuracy, %", "95% interval", "Seeds"]


def curve_cells(answer: Answer) -> list[list[str]]:
    """A line for each number of training texts, and one for twice as many as there are."""
    cells = [
        [f"{p.n_texts:,}", percent(p.accuracy), interval((p.low, p.high)), str(p.n_seeds)]
        for p in answer.curve.points
    ]
    if (more := answer.curve.doubling) is not None:
        now = more.accuracy - more.gain.mean
        band = interval((max(0.0, now + more.gain.low), min(1.0, now + more.gain.high)))
        cells.append([f"{more.n_texts:,} (extrapolated)", percent(more.accuracy), band, MISSING])
    return cells


def labels_line(answer: Answer) -> str:
    """Whether more labels would help, with the points that say so."""
    points, more = answer.curve.points, answer.curve.doubling
    if len(points) < 2:
        return "no learning curve: too few texts, or the budget ended before it"
    shown_points = ", ".join(f"{percent(p.accuracy, 1)}% with {p.n_texts:,}" for p in points)
    if more is None:
        return f"{shown_points} training texts; too little to extrapolate"
    gain = more.gain
    word = more.word(answer.results.margin)
    verdict = {
        "would help": "more labels would help",
        "would not help": f"more labels would gain less than {margin_text(answer.results.margin)}",
        "may help": "whether more labels would help cannot be told",
    }[word]
    return (
        f"{verdict}: {shown_points} training texts; the curve through these goes from "
        f"{percent(more.accuracy - gain.mean, 1)}% to about {percent(more.accuracy, 1)}% with {more.n_texts:,} "
        f"({points_between(gain.mean, gain.low, gain.high)} points)"
    )
