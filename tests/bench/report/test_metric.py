"""Reports by another metric than accuracy: headings and columns name it, figures are its own, gaps are named."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bench.evidence.metric import METRICS
from bench.evidence.pareto import weigh
from bench.evidence.results import Results, collect
from bench.evidence.verdicts import judge
from bench.records.record import Predictions, Record
from bench.records.study import Study
from bench.report import html
from bench.report.compare import comparison
from bench.report.markdown import render
from bench.report.metric import metric_notes, other_metric_section
from bench.report.overall import render as render_overall
from bench.report.summary import write_summary
from bench.report.text import escape
from bench.report.units import unit_of
from bench.report.verdicts import verdicts_section
from gptcore.metric_names import MetricName
from tests.bench.toys import make_metrics

CLASSES: list[MetricName] = ["macro-f1", "balanced-accuracy"]


@pytest.fixture(scope="module")
def with_losses(records: list[Record]) -> list[Record]:
    """The records with losses that fit their predictions: small where right, large where wrong."""
    made = []
    for record in records:
        if record.test and record.metrics:
            right = np.equal(record.test.labels, record.test.predicted)
            losses = np.where(right, 0.05, 2.0)
            test = record.test.model_copy(update={"losses": losses.tolist()})
            split = record.metrics.test.model_copy(update={"log_loss": float(losses.mean())})
            metrics = record.metrics.model_copy(update={"test": split})
            record = record.model_copy(update={"test": test, "metrics": metrics})
        made.append(record)
    return made


@pytest.fixture
def judged(study: Study, with_losses: list[Record], name: MetricName) -> Results:
    return collect(study, with_losses, metric=name)


@pytest.mark.parametrize("name", [*CLASSES, "log-loss"])
def test_headings_and_columns_name_the_metric(judged: Results) -> None:
    unit, text = unit_of(judged.metric), render(judged)
    title = judged.metric.title
    for heading in (f"## Verdicts by {title}", f"## Which row to use by {title}"):
        assert heading in text
    for column in (unit.difference_column, unit.score_column, f"95% interval of {title}"):
        assert column in text
    assert f"{unit.difference} from the row it is compared with" in text
    assert "Test accuracy, %" in text  # beside it
    page = html.render(judged)
    for part in (f"by {title}", unit.difference_column, unit.score_column, unit.difference):
        assert part in page
    if unit.name == "nats":
        assert "no difference > 0.02 nats" in text
        assert "lower or higher log-loss" in text


@pytest.mark.parametrize("name", [*CLASSES, "log-loss"])
def test_figures_are_those_of_the_verdicts(judged: Results) -> None:
    unit = unit_of(judged.metric)
    lines = {
        line.split("|")[1].strip(): line
        for line in verdicts_section(judged).split("## Open")[0].splitlines()
        if "|" in line
    }
    verdicts = judge(judged)
    assert len(verdicts) > 10
    for row, verdict in verdicts.items():
        assert unit.signed(verdict.difference.mean) in lines[row]
        assert unit.interval(verdict.difference) in lines[row]
    assert verdicts["first-token"].call == "worse"
    tradeoff = weigh(judged)
    assert tradeoff is not None
    scores = [row.score(judged.metric) for row in judged.finished if len(row.done) > 2]
    assert tradeoff.best.score(judged.metric) == max(score for score in scores if score is not None)


@pytest.mark.parametrize("name", CLASSES)
def test_claims_stay_about_accuracy(judged: Results, study: Study, with_losses: list[Record]) -> None:
    def claims(results: Results) -> str:
        return render(results).split("## The published claims")[1].split("## ")[0]

    assert claims(judged) == claims(collect(study, with_losses))
    assert any("published claims are about accuracy" in note for note in metric_notes(judged))


def test_rows_whose_records_lack_it_are_named(study: Study, records: list[Record]) -> None:
    """These older records have probabilities that are not those of their log-loss."""
    results = collect(study, records, metric="log-loss")
    assert judge(results) == {}
    assert results.without_score == results.finished
    text, page = render(results), html.render(results)
    for shown in (text, page):
        assert "Not judged by log-loss: baseline, " in shown
    assert weigh(results) is None


def test_a_metric_that_was_not_planned_is_said(study: Study, records: list[Record]) -> None:
    chosen = collect(study, records, metric="macro-f1")
    assert "was planned for accuracy; this report judges it by macro-F1" in metric_notes(chosen)[0]
    planned = collect(study.model_copy(update={"metric": "macro-f1"}), records)
    assert planned.metric is METRICS["macro-f1"]
    assert not any("planned" in note for note in metric_notes(planned))
    assert metric_notes(collect(study, records)) == []


def uneven(study: Study, records: list[Record], metric: MetricName) -> Results:
    """The study as if one of its classes were small: predictions of a few of its texts, and all of the other's."""
    made = []
    for record in records:
        if record.test and record.metrics:
            kept = [i for i, label in enumerate(record.test.labels) if label == 0 or i % 8 == 0]
            cut = {
                name: [values[i] for i in kept]
                for name in ("labels", "predicted", "probabilities")
                if (values := getattr(record.test, name)) is not None
            }
            test = Predictions(
                labels=cut["labels"], predicted=cut["predicted"], probabilities=cut["probabilities"]
            )
            right = int(np.equal(test.labels, test.predicted).sum())
            metrics = record.metrics.model_copy(update={"test": make_metrics(len(kept), right, 0.5).test})
            record = record.model_copy(update={"test": test, "metrics": metrics})
        made.append(record)
    dataset = study.dataset.model_copy(update={"test_label_counts": (150, 19)})
    return collect(study.model_copy(update={"dataset": dataset, "metric": metric}), made)


@pytest.mark.parametrize(("name", "other"), [("accuracy", "macro-f1"), ("balanced-accuracy", "accuracy")])
def test_where_a_class_is_small_the_other_metric_stands_beside(
    study: Study, with_losses: list[Record], name: MetricName, other: MetricName
) -> None:
    results = uneven(study, with_losses, name)
    heading, table, said = other_metric_section(results)
    assert heading == f"### The same comparisons by {METRICS[other].title}"
    assert heading in render(results)
    assert f"`--metric {other}`" in said
    verdicts = judge(dataclasses.replace(results, metric=METRICS[other]))
    lines = {line.split("|")[1].strip(): line for line in table.splitlines()[2:]}
    assert lines.keys() == {escape(row) for row in verdicts}
    unit = unit_of(METRICS[other])
    for row, verdict in verdicts.items():
        mine, theirs = results.row(row).by_seed, results.row(verdict.against).by_seed
        score = METRICS[other].score
        mean = np.mean([score(mine[seed]) - score(theirs[seed]) for seed in mine.keys() & theirs.keys()])
        assert verdict.difference.mean == pytest.approx(mean)
        assert unit.signed(mean) in lines[escape(row)]


def test_where_classes_are_of_like_size_one_metric_is_enough(results: Results) -> None:
    assert other_metric_section(results) == []


def test_the_summary_always_has_the_metrics_of_classes(tmp_path: Path, results: Results) -> None:
    write_summary(tmp_path / "summary.csv", results)
    with (tmp_path / "summary.csv").open(encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["status"] == "done"]
    first = results.finished[0]
    for name in CLASSES:
        column = f"test_{name.replace('-', '_')}"
        assert float(lines[0][column]) == pytest.approx(METRICS[name].score(first.done[0]))


@pytest.mark.parametrize("name", ["macro-f1", "log-loss"])
def test_comparisons_and_overall_name_it_too(judged: Results) -> None:
    other = Study(**judged.study.model_dump() | {"name": "other"})
    again = collect(other, judged.runs, metric=judged.metric.name)
    text = comparison({"one": judged, "two": again})
    unit = unit_of(judged.metric)
    assert unit.difference_column in text
    assert f"one: {unit.score_column[0].lower()}{unit.score_column[1:]} (95% interval)" in text
    dataset = judged.study.dataset.model_copy(update={"source_fingerprint": "9" * 64})
    elsewhere = collect(
        other.model_copy(update={"dataset": dataset}),
        [run.model_copy(update={"dataset": dataset}) for run in judged.runs],
        metric=judged.metric.name,
    )
    overall = render_overall({"one": judged, "two": elsewhere})
    assert f"## Verdicts by {judged.metric.title}" in overall
    assert f"Mean, {unit.name} (95% interval)" in overall
