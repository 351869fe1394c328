from dataclasses import replace
from itertools import combinations
from types import ModuleType

from matplotlib.figure import Figure

from bench.evidence.pareto import weigh
from bench.evidence.results import Results, collect
from bench.records.study import Study
from bench.report.plots.canvas import settings
from bench.report.plots.tradeoff import pareto


def draw(results: Results) -> Figure:
    tradeoff = weigh(results)
    assert tradeoff
    with settings():
        figure = pareto(results, tradeoff, "Cost")
        figure.draw_without_rendering()
    return figure


def test_the_front_is_named_and_no_name_lies_on_another_or_on_a_point(results: Results) -> None:
    tradeoff = weigh(results)
    assert tradeoff
    time, size = draw(results).axes
    for axes, front in ((time, tradeoff.by_time), (size, tradeoff.by_parameters)):
        assert {text.get_text().replace("\n", "") for text in axes.texts} == {row.name for row in front}
        boxes = [text.get_window_extent().padded(-0.5) for text in axes.texts]
        assert not any(box.overlaps(other) for box, other in combinations(boxes, 2))
        points = [
            axes.transData.transform(line.get_xydata()[0])
            for line in axes.get_lines()
            if line.get_marker() == "o"
        ]
        assert len(points) > len(front)
        assert not any(box.contains(*point) for box in boxes for point in points)


def test_the_recommended_row_has_a_ring_where_it_stands(results: Results) -> None:
    assert not [line for line in draw(results).axes[0].get_lines() if line.get_markersize() == 15]
    wide = replace(results, margin=0.2)
    tradeoff = weigh(wide)
    assert tradeoff
    chosen = tradeoff.recommended
    assert chosen
    rings = [line for line in draw(wide).axes[0].get_lines() if line.get_markersize() == 15]
    (point,) = [tuple(ring.get_xydata()[0]) for ring in rings]
    assert point == (chosen.seconds, 100 * (chosen.result.accuracy() or 0))


def test_rows_without_parameters_have_one_panel(study: Study, studies: ModuleType) -> None:
    rows = [study.row("baseline"), study.row("tf-idf")]
    records = [
        studies.make_record(row, seed, 0.95, 1 + seed, parameters=None) for row in rows for seed in (0, 1)
    ]
    assert len(draw(collect(study.model_copy(update={"rows": rows}), records)).axes) == 1
