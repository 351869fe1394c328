"""A paragraph for each row of a question: what the figures are, and no more than what was computed."""

from __future__ import annotations

from statistics import fmean

from bench.evidence.results import Results, RowResult
from bench.records.record import Record
from bench.records.study import Published
from bench.report.text import changes, counted, escape, join, percent, points, seconds, stopped


def paragraph(results: Results, result: RowResult) -> str:
    """What is known of a row against the row it is compared with, as Markdown."""
    name = f"**{escape(result.name)}**"
    if what := escape(changes(result.row.changes)):
        name += f" ({what})"
    if not result.done:
        return f"{name} has no finished run ({result.status}): {stopped(result.reason)}{_published_alone(result)}"
    other = results.against(result)
    if other is None or not other.done:
        alone = f"{name} has a test accuracy of {percent(result.accuracy())}%."
        if result.row.against:
            alone += f" {escape(result.row.against)}, which it is compared with, has no finished run."
        return alone + _against_majority(results, result)
    if other.recipe_id == result.recipe_id:
        return (
            f"{name} is the same recipe as {escape(other.name)}, so the same runs: "
            f"a test accuracy of {percent(result.accuracy())}%, a difference of 0.00 points by construction."
        )
    return f"{name} {_accuracy(result, other)}{_cost(result, other)}{_published(result, other)}" + (
        _against_majority(results, result)
    )


def shared_seeds(result: RowResult, other: RowResult) -> list[tuple[Record, Record]]:
    """The runs of both rows for every seed that both have finished, in the order of the seeds."""
    return [(mine, other.by_seed[seed]) for seed, mine in result.by_seed.items() if seed in other.by_seed]


def _accuracy(result: RowResult, other: RowResult) -> str:
    name = escape(other.name)
    pairs = [
        (mine.metrics.test.accuracy, theirs.metrics.test.accuracy)
        for mine, theirs in shared_seeds(result, other)
        if mine.metrics and theirs.metrics
    ]
    if not pairs:
        return (
            f"has a test accuracy of {percent(result.accuracy())}%, {name} of {percent(other.accuracy())}%; "
            "no seed has finished in both, so they are not compared."
        )
    mine, theirs = (fmean(values) for values in zip(*pairs, strict=True))
    differences = [ours - base for ours, base in pairs]
    text = f"has a test accuracy of {percent(mine)}% against {percent(theirs)}% of {name}, "
    text += f"a difference of {points(fmean(differences))} points"
    if len(pairs) < max(len(result.done), len(other.done)):
        text += f" over the {counted(len(pairs), 'seed')} that both have finished"
    if len(pairs) == 1:
        return text + ". One seed shows no spread."
    each = " · ".join(points(d) for d in differences)
    return (
        f"{text}. Seed by seed: {each} (from {points(min(differences))} to {points(max(differences))}); "
        + (f"{_signs(differences)}.")
    )


def _signs(differences: list[float]) -> str:
    n = len(differences)
    sides = {
        "above": sum(d > 0 for d in differences),
        "below": sum(d < 0 for d in differences),
        "equal": sum(d == 0 for d in differences),
    }
    for side, number in sides.items():
        if number == n:
            return f"each of the {n} seeds is {side}"
    return "the seeds do not agree: " + join(f"{number} {side}" for side, number in sides.items() if number)


def _cost(result: RowResult, other: RowResult) -> str:
    pairs = [
        (mine.cost.standalone_s, theirs.cost.standalone_s)
        for mine, theirs in shared_seeds(result, other)
        if mine.cost and theirs.cost
    ]
    if not pairs:
        return ""
    mine, theirs = (fmean(values) for values in zip(*pairs, strict=True))
    if not theirs:
        return ""
    ratio = mine / theirs
    both = f"{seconds(mine)} s against {seconds(theirs)} s"
    return f" A run on its own took {ratio:.2f} times as long ({both})."


def _published(result: RowResult, other: RowResult) -> str:
    if not result.published:
        return ""
    text = _figures(result.published)
    if other.published:
        difference = (result.published.test_acc - other.published.test_acc) / 100
        text += f", a difference of {points(difference)} points"
    return text + "."


def _published_alone(result: RowResult) -> str:
    return _figures(result.claimed) + "." if result.claimed else ""


def _figures(published: Published) -> str:
    return f" Published: {published.test_acc:.2f}% in {published.minutes_a100:.2f} min on an A100, one seed"


def _against_majority(results: Results, result: RowResult) -> str:
    low, high = result.interval or (1.0, 0.0)
    if not low <= results.majority <= high:
        return ""
    return f" Its interval holds the accuracy of always answering the largest class ({percent(results.majority)}%)."
