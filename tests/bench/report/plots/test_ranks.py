from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from bench.evidence.ranks import Ranks, rank_rows
from bench.report.plots.canvas import settings
from bench.report.plots.ranks import critical_difference, write_ranks


def ranks(n_rows: int, n_datasets: int) -> Ranks:
    return rank_rows(
        {f"row-{i:02}": [((7 * i + 3 * j) % 11) - i for j in range(n_datasets)] for i in range(n_rows)}
    )


def draw(shown: Ranks) -> Figure:
    with settings():
        figure = critical_difference(shown, "Ranks")
        figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("n_rows", [3, 4, 11, 22])
def test_no_text_lies_on_text_or_outside(n_rows: int) -> None:
    figure = draw(ranks(n_rows, 5))
    boxes = [(text.get_text(), text.get_window_extent().padded(-0.5)) for text in figure.axes[0].texts]
    assert len(boxes) == 2 * n_rows + 1  # the scale, the names, the critical difference
    for (one, box), (other, box2) in combinations(boxes, 2):
        assert not box.overlaps(box2), f"{one!r} lies on {other!r}"
    for text, box in boxes:
        assert figure.bbox.contains(*box.min), f"{text!r} is cut off"
        assert figure.bbox.contains(*box.max), f"{text!r} is cut off"


def test_bars_join_the_groups_and_the_scale_shows_the_critical_difference() -> None:
    shown = rank_rows({name: [-i] * 15 for i, name in enumerate("abcde")})
    lines = list(draw(shown).axes[0].get_lines())
    bars = [line.get_xdata() for line in lines if line.get_linewidth() == 4]
    assert [(round(start), round(end)) for start, end in bars] == [(1, 2), (2, 3), (3, 4), (4, 5)]
    ends = next(line.get_xdata() for line in lines if line.get_marker() == "|")
    assert ends[1] - ends[0] == pytest.approx(shown.critical_difference)


def test_the_same_ranks_give_the_same_file(tmp_path: Path) -> None:
    path = write_ranks(tmp_path / "a", ranks(4, 4))
    assert path == tmp_path / "a.svg"
    assert path.read_bytes() == write_ranks(tmp_path / "b", ranks(4, 4)).read_bytes()
    assert ">row-00  " in path.read_text()
    assert (tmp_path / "a.svg").is_file()
