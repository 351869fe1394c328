from types import ModuleType

import pytest

from bench.evidence.results import Results, collect
from bench.records.record import Record
from bench.records.study import Study
from gptcore.recipe import Seeds


def test_every_record_is_found_by_recipe_and_seed(results: Results, records: list[Record]) -> None:
    assert {run.run_id for run in results.runs} == {record.run_id for record in records}
    for result in results.rows:
        for index, run in enumerate(result.runs):
            assert run is None or (run.seed_index, run.recipe) == (index, result.row.recipe)


def test_a_no_op_has_the_runs_of_the_row_it_repeats(results: Results) -> None:
    assert results.row("ignore-index").runs == results.row("baseline").runs
    assert results.first_with_recipe(results.row("ignore-index")) is results.row("baseline")


def test_status_and_reason_of_rows_without_a_finished_run(study: Study, studies: ModuleType) -> None:
    rows = [
        row.model_copy(update={"excluded": "another family"}) if row.name == "medium" else row
        for row in study.rows
    ]
    failed = studies.make_unfinished(study.row("lora"), 0, "failed", "it burst")
    found = collect(study.model_copy(update={"rows": rows}), [failed])
    assert (found.row("medium").status, found.row("medium").reason) == ("excluded", "another family")
    assert (found.row("lora").status, found.row("lora").reason) == ("failed", "it burst")
    assert (found.row("baseline").status, found.row("baseline").reason) == ("not run", "no record yet")
    assert found.finished == []


def test_an_excluded_row_never_borrows_runs_of_an_equal_recipe(study: Study, records: list[Record]) -> None:
    rows = [
        row.model_copy(update={"excluded": "x"}) if row.name == "ignore-index" else row for row in study.rows
    ]
    assert not collect(study.model_copy(update={"rows": rows}), records).row("ignore-index").done


def test_records_of_other_data_or_other_seeds_are_not_shown(study: Study, studies: ModuleType) -> None:
    row = study.row("baseline")
    record = studies.make_record(row, 0, 0.95, 12)
    other_data = record.dataset.model_copy(update={"source_fingerprint": "0" * 64})
    strangers = [
        record.model_copy(update={"dataset": other_data}),
        record.model_copy(update={"seeds": Seeds(init=7)}),
        record.model_copy(update={"seed_index": 3}),
    ]
    found = collect(study, strangers)
    assert (found.n_unused, found.runs) == (3, [])


def test_published_figures_stand_beside_ours_only_for_the_same_model_and_data(
    study: Study, studies: ModuleType
) -> None:
    row = study.row("baseline")
    mini = row.model_copy(update={"recipe": row.recipe.model_copy(update={"model": "mini"})})
    hub = row.model_copy(update={"recipe": row.recipe.model_copy(update={"model": "openai-community/gpt2"})})

    def published(*, rows: list, dataset: object) -> object:  # type: ignore[type-arg]
        return collect(studies.make_study(rows=rows, dataset=dataset), []).rows[0].published

    own_data = studies.DATASET.model_copy(update={"name": "reviews"})
    assert published(rows=[row], dataset=studies.DATASET) == row.published
    assert published(rows=[hub], dataset=studies.DATASET) == row.published
    assert published(rows=[mini], dataset=studies.DATASET) is None
    assert published(rows=[row], dataset=own_data) is None


def test_majority_and_untrained_models(study: Study, results: Results, studies: ModuleType) -> None:
    assert results.majority == pytest.approx(159 / 300)
    assert results.untrained == []
    untrained = collect(study, studies.make_records(study, untrained=True)).untrained
    assert untrained == ["gpt2", "gpt2-medium", "gpt2-large"]
