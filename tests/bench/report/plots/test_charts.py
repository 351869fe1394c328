from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from bench.evidence.results import Results, collect
from bench.records.study import Study
from bench.report.plots import charts, write_plots
from bench.report.plots.canvas import SMALL, settings
from gptcore.recipe import Recipe


def grid_results(studies: ModuleType) -> Results:
    """18 rows with names as long as those of a grid, and figures that crowd."""
    study = studies.make_study()
    rows = [study.row("baseline")]
    for train in ("last_layer", "last_block", "all"):
        for position in ("first", "last", "mean"):
            for padding in ("left",):
                for lr in (0.001, 0.0001):
                    changes = {"train": train, "position": position, "padding": padding, "lr": lr}
                    name = ",".join(f"{field}={value}" for field, value in changes.items())
                    row = rows[0].model_copy(
                        update={
                            "name": name,
                            "recipe": Recipe(**changes),
                            "against": "baseline",
                            "changes": changes,
                        }
                    )
                    rows.append(row)
    grid = study.model_copy(update={"rows": rows})
    accuracies = [0.9 + 0.09 * ((7 * i) % 11) / 11 for i in range(len(rows))]
    records = [
        studies.make_record(row, seed, accuracy, 2 + i % 5)
        for i, (row, accuracy) in enumerate(zip(rows, accuracies, strict=True))
        for seed in (0, 1)
    ]
    return collect(grid, records)


def figures(results: Results) -> Iterator[tuple[str, Figure]]:
    with settings():
        rows = results.finished
        yield "accuracy", charts.accuracy(results, rows, "Accuracy")
        yield "accuracy-time", charts.accuracy_time(results, "Accuracy and time")
        yield "accuracy, times", charts.accuracy(results, rows[:9], "Accuracy, time", times=True)
        yield "model-size", charts.model_size(results, rows[:1] + rows[10:12], "Size")
        yield "curves", charts.accuracy_curves(results, "Curves")


def texts(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[Text]:
    """What is written when the figure is drawn; ticks out of view and hidden panels are not."""
    written: list[Text] = []
    draw = Text.draw

    def noted(self: Text, *args: object) -> None:
        if self.get_visible() and self.get_text().strip():
            written.append(self)
        draw(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Text, "draw", noted)
        figure.draw_without_rendering()
    return written


@pytest.mark.parametrize("make", ["full", "grid"])
def test_no_text_lies_on_text_or_outside_and_none_is_small(
    make: str, results: Results, studies: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = results if make == "full" else grid_results(studies)
    for name, figure in figures(shown):
        found = texts(figure, monkeypatch)
        assert min(text.get_fontsize() for text in found) >= SMALL
        boxes = [(text.get_text(), text.get_window_extent().padded(-0.5)) for text in found]
        for (one, box), (other, box2) in combinations(boxes, 2):
            assert not box.overlaps(box2), f"{name}: {one!r} lies on {other!r}"
        for text, box in boxes:
            assert figure.bbox.padded(1).contains(*box.min), f"{name}: {text!r} is cut off"
            assert figure.bbox.padded(1).contains(*box.max), f"{name}: {text!r} is cut off"


def test_the_marks_are_where_the_figures_are(results: Results) -> None:
    result = results.row("full-context")
    with settings():
        figure = charts.accuracy(results, [results.row("baseline"), result], "Accuracy")
    lines = [
        [(float(x), float(y)) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]
        for line in figure.axes[0].get_lines()
    ]
    low, high = result.interval or (0, 0)
    assert [(100 * low, 1), (100 * high, 1)] in lines
    mean = result.accuracy() or 0
    assert any(line == [(pytest.approx(100 * mean), 1)] for line in lines)
    seeds = next(line for line in lines if len(line) == 2 and 1 < line[0][1] < 2)
    assert [x for x, _ in seeds] == pytest.approx([100 * share for share in result.accuracies()])
    assert any(line == [(78.33, pytest.approx(0.7))] for line in lines)  # published


def test_seeds_that_agree_are_all_seen(results: Results) -> None:
    result = results.row("no-causal-mask")
    assert len(set(result.accuracies())) == 1
    with settings():
        figure = charts.accuracy(results, [result], "Accuracy")
    seeds = next(line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 3)
    assert len({round(y, 3) for y in seeds.get_ydata()}) == 3


def test_files_hold_text_and_no_date(report: Path) -> None:
    svg = (report.parent / "plots" / "accuracy.svg").read_text()
    assert ">first-token</text>" in svg
    assert "<dc:date>" not in svg


def test_plots_with_nothing_to_show_are_not_made(study: Study, tmp_path: Path, studies: ModuleType) -> None:
    rows = [study.row("baseline"), study.row("tf-idf")]
    small = study.model_copy(update={"rows": rows})
    only = collect(small, [studies.make_record(rows[1], 0, 0.95, 1)])
    assert set(write_plots(tmp_path, only)) == {"accuracy", "confusion", "question-7-floor", "reliability"}


def test_a_row_name_in_another_script_with_dollars_draws_without_a_warning(
    study: Study, tmp_path: Path, studies: ModuleType
) -> None:
    row = study.row("baseline").model_copy(update={"name": "漢字 $x^{2$ \x00"})
    named = study.model_copy(update={"rows": [row], "baseline": row.name})
    write_plots(tmp_path, collect(named, [studies.make_record(row, 0, 0.95, 1)]))
    assert "漢字 $x^{2$" in (tmp_path / "accuracy.svg").read_text()
