"""What the plots of report.html draw, against the records."""

from statistics import fmean
from types import ModuleType

import pytest

from bench.evidence.results import Results, collect
from bench.records.record import Record
from bench.records.study import Study
from bench.report import series


def test_accuracy_has_a_band_a_row_with_every_seed_below_its_mean(results: Results) -> None:
    plot = series.accuracy(results)
    assert plot
    assert set(plot.y.rows) == {r.name for r in results.rows if r.done or r.published}
    for band, name in enumerate(plot.y.rows):
        result = results.row(name)
        seeds = [p for p in plot.points if p.kind == "seed" and band < p.y < band + 1]
        assert sorted(p.x for p in seeds) == pytest.approx(
            sorted(100 * share for share in result.accuracies())
        )
        published = [p.x for p in plot.points if p.kind == "published" and band - 1 < p.y < band]
        assert published == ([result.published.test_acc] if result.published else [])
    shown = [x for line in plot.lines for x, _ in line.points]
    assert plot.x.low < min(*shown, 53) <= max(shown) < plot.x.high


def test_equal_seeds_do_not_hide_each_other(study: Study, studies: ModuleType) -> None:
    baseline = study.row("baseline")
    first = studies.make_record(baseline, 0, 0.95, 12)
    again = first.model_copy(update={"run_id": "again", "seed_index": 1, "seeds": study.seeds[1]})
    few = study.model_copy(update={"rows": [baseline]})
    plot = series.accuracy(collect(few, [first, again]))
    assert plot
    seeds = [point for point in plot.points if point.kind == "seed"]
    assert len({(point.x, point.y) for point in seeds}) == 2


def test_accuracy_against_time_and_the_rows_that_none_beats(results: Results) -> None:
    plot = series.accuracy_time(results)
    assert plot
    points = {point.label: (point.x, point.y) for point in plot.points}
    for name, (time, share) in points.items():
        assert time == pytest.approx(fmean(results.row(name).seconds()))
        assert share == pytest.approx(100 * (results.row(name).accuracy() or 0), abs=1e-3)
    (front,) = [line.points for line in plot.lines if line.kind == "front"]
    for time, share in front:
        assert not [p for p in points.values() if p[0] < time and p[1] > share]
    assert max(share for _, share in points.values()) in [share for _, share in front]
    assert "ignore-index" not in points  # the baseline's recipe: one point for both


def test_curves_stand_over_the_baselines(results: Results) -> None:
    for _, panels in (series.loss_curves(results), series.accuracy_curves(results)):
        baseline, other = panels[0], panels[1]
        assert [line.kind for line in baseline.lines] == ["curve"] * 3
        assert [line.kind for line in other.lines] == ["behind"] * 3 + ["curve"] * 3
        assert len({(panel.x, panel.y) for panel in panels}) == 1  # one scale for all
        assert {panel.title for panel in panels}.isdisjoint({"tf-idf", "features", "xl", "ignore-index"})
    run = results.row("baseline").done[0]
    assert run.curves
    last = run.curves.epochs[-1]
    line = series.accuracy_curves(results).plots[0].lines[0]
    assert line.run == run.run_id
    assert line.points[-1] == (last.epoch, pytest.approx(100 * last.validation_accuracy, abs=1e-3))
    # Losses are by epoch, whatever the batch size: the last is at the end of the last epoch.
    assert series.loss_curves(results).plots[0].lines[0].points[-1][0] == pytest.approx(last.epoch)


def test_without_runs_there_is_nothing_to_draw(study: Study, records: list[Record]) -> None:
    nothing = collect(study, [])
    assert series.accuracy(nothing) is None
    assert series.accuracy_time(nothing) is None
    assert series.loss_curves(nothing).plots == []
    few = study.model_copy(update={"rows": [study.row("tf-idf")], "baseline": "tf-idf"})
    assert series.accuracy_time(collect(few, records)) is None
    assert series.accuracy_curves(collect(few, records)).plots == []
