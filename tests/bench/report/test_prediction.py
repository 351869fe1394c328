"""Prediction and outcome: errors of each run, medians over all, nothing where nothing was forecast."""

from types import ModuleType

from bench.evidence.results import Results, collect
from bench.records.record import Record
from bench.records.study import Study
from bench.report.markdown import render
from bench.report.prediction import prediction_section


def with_forecasts(records: list[Record], factor: float) -> list[Record]:
    """The records as if each had been forecast with that factor in time, and memory exactly."""
    changed = []
    for record in records:
        cost = record.cost
        if cost is not None:
            update = {"predicted_s": factor * cost.marginal_s, "predicted_mem_bytes": cost.process_mem_bytes}
            cost = cost.model_copy(update=update)
        changed.append(record.model_copy(update={"cost": cost}))
    return changed


def test_nothing_without_predictions(results: Results) -> None:
    assert prediction_section(results) == ""


def test_errors_are_shares_of_the_outcome(study: Study, records: list[Record]) -> None:
    for factor, error in ((1.2, "20"), (0.9, "10")):
        results = collect(study, with_forecasts(records, factor))
        text = prediction_section(results)
        assert f"the median error is {error}.0% of the time and 0.0% of the memory" in text
        rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
        assert [line.split("|")[1].strip() for line in rows] == [
            r.name for r in results.finished if results.first_with_recipe(r) is r
        ]
        assert {line.split("|")[4].strip() for line in rows if "–" not in line} == {error}
        assert text in render(results)


def test_checks_are_compared_apart(study: Study, records: list[Record]) -> None:
    def with_checks(record: Record) -> Record:
        if record.cost is None:
            return record
        update = {"predicted_checks_s": 2.0, "checks": {"padding": 2.5, "other": 0.5}}
        return record.model_copy(update={"cost": record.cost.model_copy(update=update)})

    forecast = with_forecasts(records, 1.0)
    assert "their checks" not in prediction_section(collect(study, forecast))
    results = collect(study, [with_checks(record) for record in forecast])
    n = len(results.done)
    assert f"; their checks: {2 * n:.0f} s forecast, {3 * n:.0f} s actual" in prediction_section(results)


def test_runs_without_a_prediction_are_left_out(
    study: Study, records: list[Record], studies: ModuleType
) -> None:
    baseline = study.row("baseline").recipe.id
    mixed = [r for r in with_forecasts(records, 2.0) if r.recipe_id == baseline]
    mixed += [r for r in records if r.recipe_id != baseline]
    text = prediction_section(collect(study, mixed))
    assert f"Over {len(studies.SEEDS)} runs the median error is 100.0%" in text
    assert "| first-token" in text
    assert text.count("–") >= 6
