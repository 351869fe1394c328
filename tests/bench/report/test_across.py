"""The same row on several models, side by side."""

from types import ModuleType

import pytest

from bench.evidence.results import Results, collect
from bench.records.study import Row
from bench.report.across import across_cells, across_section, without_model
from bench.report.html import render as render_html
from bench.report.markdown import render
from bench.report.plots.marks import family_of
from gptcore.recipe import Recipe


@pytest.fixture
def two_models(studies: ModuleType) -> Results:
    """A baseline and a row on two models, one of them without the row, and TF-IDF."""
    rows = [
        Row(name="a: baseline", recipe=Recipe(), matrix_row="baseline"),
        Row(
            name="a: first",
            recipe=Recipe(position="first"),
            against="a: baseline",
            changes={"position": "first"},
            matrix_row="first",
        ),
        Row(
            name="b: baseline",
            recipe=Recipe(model="gpt2-medium"),
            against="a: baseline",
            changes={"model": "gpt2-medium"},
            matrix_row="baseline",
        ),
        Row(
            name="b: first",
            recipe=Recipe(model="gpt2-medium", position="first"),
            against="b: baseline",
            changes={"position": "first"},
            excluded="not here",
            matrix_row="first",
        ),
        Row(name="tfidf", recipe=Recipe(model="tfidf"), against="a: baseline", changes={"model": "tfidf"}),
    ]
    study = studies.make_study(rows=rows, baseline="a: baseline", models="a,b", seeds=studies.SEEDS[:1])
    accuracies = {"a: baseline": 0.9, "a: first": 0.6, "b: baseline": 0.95, "tfidf": 0.97}
    records = [
        studies.make_record(study.row(name), 0, accuracy, 1.0) for name, accuracy in accuracies.items()
    ]
    return collect(study, records)


def test_nothing_for_one_model(results: Results) -> None:
    assert across_section(results) == ""
    assert results.axis == []


def test_each_row_has_a_cell_for_each_model(two_models: Results) -> None:
    cells = dict(across_cells(two_models))
    assert two_models.axis == ["gpt2", "gpt2-medium"]
    assert list(cells) == ["baseline", "first"]
    baseline, first = cells["baseline"], cells["first"]
    assert baseline[0].endswith(")")  # the study's baseline has no verdict
    assert "; " in baseline[1]
    assert first[0].split("; ")[1].startswith("model worse, −")
    assert first[1] == "excluded"
    assert without_model(two_models).startswith("tfidf (once for all models): 9")


def test_the_report_is_grouped_by_model(two_models: Results) -> None:
    text = render(two_models)
    titles = ["## Results", "### gpt2", "### gpt2-medium", "### Rows about a model of their own"]
    assert [text.index(f"{title}\n") for title in titles] == sorted(
        text.index(f"{title}\n") for title in titles
    )
    assert "## The same row across models" in text
    assert "The same row across models" in render_html(two_models)


def test_a_row_is_seen_against_the_baseline_of_its_model(two_models: Results) -> None:
    rows = {result.name: result for result in two_models.rows}
    assert two_models.baseline_of(rows["b: first"]) is rows["b: baseline"]
    assert family_of(two_models, rows["b: first"]).label == "position"
    assert two_models.baseline_of(rows["tfidf"]) is rows["a: baseline"]
    assert "| position = first" in render(two_models).replace("`", "")
