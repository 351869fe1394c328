from bench.records.study import Study
from bench.report.plots.style import BASELINE, FAMILIES, OTHER, family, is_about_padding, is_about_size

OKABE_ITO = {
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#999999",
}


def test_colours_are_from_the_palette_and_differ() -> None:
    colours = [kind.colour for kind in (BASELINE, OTHER, *FAMILIES)]
    assert set(colours) <= OKABE_ITO
    assert len(set(colours)) == len(colours)


def test_a_row_belongs_to_the_kind_of_change_it_makes_to_the_baseline(study: Study) -> None:
    kinds = {row.name: family(row, study.row("baseline")).label for row in study.rows}
    assert kinds["baseline"] == kinds["ignore-index"] == "baseline"
    assert kinds["lora-rank-4"] == kinds["features"] == "layers that learn"
    assert kinds["no-padding-8"] == kinds["full-context"] == "padding and context"
    assert kinds["xl-lora"] == kinds["tf-idf"] == "model"
    assert kinds["random-weights"] == "weights"
    assert kinds["high-lr"] == "optimiser"
    assert family(study.row("no-padding-8"), None) is OTHER  # its own change, where there is no baseline


def test_which_rows_are_about_padding_and_size(study: Study) -> None:
    baseline = study.row("baseline")
    padding = [row.name for row in study.rows if is_about_padding(row, baseline)]
    sizes = [row.name for row in study.rows if is_about_size(row, baseline)]
    assert padding == [
        *("full-context", "context-64", "no-padding-1", "no-padding-8", "last-real-token"),
        *("left-padding", "left-padding-masked", "right-padding-masked"),
    ]
    assert sizes == ["medium", "large", "xl"]
