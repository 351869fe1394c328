"""The forest plot: on the page, as a picture, and in characters."""

from dataclasses import replace
from types import ModuleType

import pytest

from bench.evidence.results import Results, collect
from bench.evidence.verdicts import judge
from bench.records.study import Study
from bench.report import series
from bench.report.forest import CALLS, forest_of, forest_section
from bench.report.plots.canvas import settings
from bench.report.plots.forest import forest_plot


def test_every_verdict_has_a_line(results: Results) -> None:
    lines = forest_section(results).splitlines()[1:-4]
    for line, (name, verdict) in zip(lines, judge(results).items(), strict=True):
        assert line.startswith(name[:30])
        assert line.rstrip().endswith(verdict.call)
        mark = {"better": "▲", "worse": "▼", "undecided": "○", "no difference": "■"}.get(verdict.call, "▽")
        assert (mark in line) != ("◀" in line)  # in view, or an arrow


def test_the_characters_stand_where_the_figures_are(results: Results) -> None:
    forest = forest_of(results)
    assert forest is not None
    lines = forest_section(results).splitlines()
    zero = lines[-4].index("0", lines[-4].index("−") + 5)
    for line, verdict in zip(lines[1:], forest.verdicts, strict=False):
        if verdict.call == "undecided" and abs(verdict.difference.mean) < forest.reach:
            at = line.index("○") - zero
            assert at == pytest.approx(24 * verdict.difference.mean / forest.reach, abs=1.01)


def test_the_page_and_the_picture_show_the_same(results: Results) -> None:
    forest, plot = forest_of(results), series.forest(results)
    assert forest is not None
    assert plot is not None
    assert plot.band == pytest.approx((-100 * results.margin, 100 * results.margin))
    assert plot.y.rows == forest.labels
    at = {point.y: point for point in plot.points if point.kind not in ("left", "right")}
    for y, verdict in enumerate(forest.verdicts):
        if abs(verdict.difference.mean) < forest.reach:
            assert at[y].x == pytest.approx(100 * verdict.difference.mean, abs=1e-3)
            assert series.KINDS[at[y].family] == CALLS[verdict.call]
    with settings():
        axes = forest_plot(forest, "title").axes[0]
    assert [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()] == list(forest.labels)
    assert axes.get_xlim() == pytest.approx((-100 * forest.reach, 100 * forest.reach))


def test_far_intervals_become_arrows(results: Results) -> None:
    plot = series.forest(results)
    assert plot is not None
    assert any(point.kind == "left" for point in plot.points)
    assert all(plot.x.low <= point.x <= plot.x.high for point in plot.points)
    assert all(plot.x.low <= x <= plot.x.high for line in plot.lines for x, _ in line.points)


def test_one_seed_has_the_marks_of_models(study: Study, studies: ModuleType) -> None:
    one = collect(study.model_copy(update={"seeds": study.seeds[:1]}), studies.make_records(study))
    plot = series.forest(one)
    assert plot is not None
    assert {point.kind for point in plot.points} >= {"circle-hollow", "left"}
    assert "model worse" in forest_section(one)


def test_nothing_to_compare_no_forest(study: Study, results: Results) -> None:
    assert forest_section(collect(study, [])) == ""
    assert series.forest(replace(results, rows=results.rows[:1])) is None
