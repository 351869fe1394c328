"""What may go on in a folder that holds runs: the same data, engine, seeds and checkpoints."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.evidence.results import collect
from bench.records.record import Predictions, Record, WeightsFacts
from bench.records.store import save_record, save_study
from bench.records.study import Row, Study
from bench.run.same_study import (
    check_same_study,
    checkpoints_of,
    margin_of,
    metric_of,
    reported_study,
    unknown_checkpoints,
)
from bench.run.seeds import TOGETHER, make_seeds
from gptcore.errors import UserError
from gptcore.recipe import Recipe

FOLDER = Path("results/mine")
MakeRecord = Callable[..., Record]


def weights(checkpoint: str | None) -> WeightsFacts:
    return WeightsFacts(source="final", fingerprint="f" * 64, pretrained=True, checkpoint=checkpoint)


@pytest.fixture
def study(toy_study: Callable[..., Study], toy_record: MakeRecord) -> Study:
    model = toy_record().recipe.model
    return toy_study().model_copy(update={"checkpoints": {model: "now"}})


def test_runs_of_a_checkpoint_that_was_overwritten_are_refused(study: Study, toy_record: MakeRecord) -> None:
    record = toy_record().model_copy(update={"weights": weights("then")})
    with pytest.raises(UserError, match=r"different checkpoint files .*choose another folder with --out"):
        check_same_study(FOLDER, study, {record.run_id: record})


def test_runs_that_do_not_say_their_groups_are_not_mixed_with_those_that_do(
    study: Study, toy_record: MakeRecord
) -> None:
    test = Predictions(labels=[0, 1], predicted=[0, 0], probabilities=[[0.9, 0.1], [0.6, 0.4]])
    grouped = study.model_copy(
        update={"dataset": study.dataset.model_copy(update={"n_test_groups": 2})}, deep=True
    )
    record = toy_record(test=test)
    check_same_study(FOLDER, study, {record.run_id: record})
    with pytest.raises(UserError, match=r"which do not say what group each test text belongs to: choose"):
        check_same_study(FOLDER, grouped, {record.run_id: record})
    record = toy_record(test=test.model_copy(update={"groups": [0, 1]}))
    check_same_study(FOLDER, grouped, {record.run_id: record})


@pytest.mark.parametrize("checkpoint", ["now", None])
def test_the_same_or_unknown_files_go_on(
    study: Study, toy_record: MakeRecord, checkpoint: str | None
) -> None:
    record = toy_record().model_copy(update={"weights": weights(checkpoint)})
    check_same_study(FOLDER, study, {record.run_id: record})


def test_a_report_leaves_out_runs_of_other_checkpoint_files(study: Study, toy_record: MakeRecord) -> None:
    record = toy_record().model_copy(update={"weights": weights("then")})
    assert collect(study, [record]).n_unused == 1
    assert not collect(study, [record]).done
    assert collect(study, [record.model_copy(update={"weights": weights("now")})]).done


def test_older_runs_of_a_checkpoint_of_ones_own_are_a_warning(study: Study, toy_record: MakeRecord) -> None:
    recipe = toy_record().recipe.model_copy(update={"model": "runs/final"})
    record = toy_record().model_copy(update={"weights": weights(None), "recipe": recipe})
    guarded = study.model_copy(update={"checkpoints": {"runs/final": "now"}})
    assert "runs/final has changed" in unknown_checkpoints(FOLDER, guarded, {"x": record})[0]
    assert not unknown_checkpoints(FOLDER, study, {"x": record})  # a bundled model comes with the package


def test_checkpoints_of_models_that_are_at_hand(toy_study: Callable[..., Study]) -> None:
    row = toy_study().rows[0]
    nano = row.model_copy(update={"recipe": row.recipe.model_copy(update={"model": "nano"})})
    tfidf = row.model_copy(update={"recipe": row.recipe.model_copy(update={"model": "tfidf"})})
    assert list(checkpoints_of([nano, tfidf])) == ["nano"]
    assert not checkpoints_of([nano.model_copy(update={"excluded": "of another family"})])


@pytest.mark.parametrize(
    ("kept", "status", "looks"),
    [([1, 2], "done", [1, 2]), ([], "done", []), (None, "done", [2]), (None, "failed", [])],
    ids=["kept", "never judged", "from before", "from before, unfinished"],
)
def test_what_earlier_calls_judged_is_carried_on(
    tmp_path: Path,
    toy_study: Callable[..., Study],
    toy_record: Callable[..., Record],
    kept: list[int] | None,
    status: str,
    looks: list[int],
) -> None:
    """`None` is what manifests open with that were written before looks were kept."""
    seeds = make_seeds(3, TOGETHER)
    save_study(tmp_path, toy_study(seeds=seeds[:2], looks=kept))
    record = toy_record(seed_index=1, status=status)
    found, _ = reported_study(tmp_path, toy_study(seeds=seeds), {record.run_id: record})
    assert found.looks == looks
    other = toy_study([Row(name="baseline", recipe=Recipe(lr=1.0))], seeds=seeds)
    assert reported_study(tmp_path, other, {record.run_id: record})[0].looks == []


def test_weights_are_fixed_before_the_first_run(
    toy_study: Callable[..., Study], toy_record: MakeRecord, tmp_path: Path
) -> None:
    base = Row(name="base", recipe=Recipe())
    row = Row(name="row", recipe=Recipe(epochs=3), against="base", weight=4.0)
    before = toy_study([base, row])
    save_study(tmp_path, before)
    records = {record.run_id: record for record in [toy_record()]}
    check_same_study(tmp_path, before, records)
    light = toy_study([base, row.model_copy(update={"weight": None})])
    with pytest.raises(
        UserError, match=r"row 'row': weight = none, but .* has results with 4: weights must be fixed"
    ):
        check_same_study(tmp_path, light, records)
    check_same_study(tmp_path, light, {})  # nothing has run yet
    new = Row(name="new", recipe=Recipe(epochs=4), against="base", weight=2.0)
    with pytest.raises(UserError, match=r"row 'new': weight = 2, but .* has results with none"):
        check_same_study(tmp_path, toy_study([base, row, new]), records)
    check_same_study(tmp_path, toy_study([base, new.model_copy(update={"weight": None})]), records)


def test_a_row_with_results_keeps_its_recipe(
    toy_study: Callable[..., Study], toy_record: MakeRecord, tmp_path: Path
) -> None:
    base = Row(name="base", recipe=Recipe())
    row = Row(name="row", recipe=Recipe(epochs=3), against="base")
    save_study(tmp_path, toy_study([base, row]))
    records = {record.run_id: record for record in [toy_record(row.recipe)]}
    other = row.model_copy(update={"recipe": Recipe(epochs=4, lora_rank=2)})
    with pytest.raises(
        UserError, match=r"row 'row': epochs = 4, but .* with 3: restore it, add the change .*--out"
    ):
        check_same_study(tmp_path, toy_study([base, other]), records)
    check_same_study(tmp_path, toy_study([base, other]), {})  # nothing has run yet
    check_same_study(tmp_path, toy_study([base, other.model_copy(update={"name": "renamed"})]), records)
    # No run of this row has finished, and a field that does not matter to it may change.
    changed = base.model_copy(update={"recipe": Recipe(lr=1.0)})
    check_same_study(tmp_path, toy_study([changed, row]), records)
    same = row.model_copy(update={"recipe": Recipe(epochs=3, lora_rank=2)})
    check_same_study(tmp_path, toy_study([base, same]), records)


def test_what_set_changed_is_undone_by_leaving_it_out(
    toy_study: Callable[..., Study], toy_record: MakeRecord, tmp_path: Path
) -> None:
    save_study(tmp_path, toy_study())
    other = toy_study([Row(name="baseline", recipe=Recipe(lr=1.0))])
    record = toy_record()
    with pytest.raises(
        UserError, match=r"with 5e-05: leave out --set lr, or choose another folder with --out"
    ):
        check_same_study(tmp_path, other, {record.run_id: record}, {"lr"})


def test_a_part_never_narrows_the_report(
    toy_study: Callable[..., Study], toy_record: MakeRecord, tmp_path: Path
) -> None:
    """Also with a field that does not matter to its rows, more seeds or from a matrix with another name."""
    base = Row(name="base", recipe=Recipe())
    row = Row(name="row", recipe=Recipe(epochs=3), against="base")
    seeds = make_seeds(3, TOGETHER)
    before = toy_study([base, row], seeds=seeds[:2])
    save_study(tmp_path, before)
    done = [toy_record(row.recipe, 1), toy_record(base.recipe)]
    records = {record.run_id: record for record in done}
    same = base.model_copy(update={"recipe": Recipe(lora_rank=2)})
    for n in (1, 2, 3):
        part = toy_study([same], seeds=seeds[:n]).model_copy(update={"matrix": "other"})
        found, (said,) = reported_study(tmp_path, part, records)
        assert found.rows == before.rows
        assert len(found.seeds) == max(2, n)
        assert "the report still covers all of it (2 rows x" in said
    new = Row(name="new", recipe=Recipe(epochs=4), against="base")
    with pytest.raises(
        UserError, match=r"would lose results of 'row', which .*choose another folder with --out"
    ):
        reported_study(tmp_path, toy_study([base, new], seeds=seeds), records)
    with pytest.raises(UserError, match="would lose results of 'row'"):  # of its second seed
        reported_study(tmp_path, toy_study([base, row, new], seeds=seeds[:1]), records)
    wider, _ = reported_study(tmp_path, toy_study([base, row, new], seeds=seeds), records)
    assert len(wider.rows) == 3
    assert reported_study(tmp_path, toy_study([base, new], seeds=seeds), {})[0].rows == [base, new]


def test_the_metric_is_fixed_before_the_first_run(
    toy_study: Callable[..., Study], toy_record: MakeRecord, tmp_path: Path
) -> None:
    assert metric_of(tmp_path, None) == "accuracy"
    assert metric_of(tmp_path, "macro-f1") == "macro-f1"
    save_study(tmp_path, toy_study().model_copy(update={"metric": "macro-f1"}))
    assert metric_of(tmp_path, "log-loss") == "log-loss"  # nothing has run yet
    save_record(tmp_path, toy_record())
    assert metric_of(tmp_path, None) == "macro-f1"
    assert metric_of(tmp_path, "macro-f1") == "macro-f1"
    with pytest.raises(UserError, match=r"--metric log-loss: .* has results and judges by macro-f1.*--out"):
        metric_of(tmp_path, "log-loss")


def test_the_margin_is_fixed_once_something_has_run(
    tmp_path: Path, toy_study: Callable[..., Study], toy_record: MakeRecord
) -> None:
    assert margin_of(tmp_path, None, "accuracy") is None
    assert margin_of(tmp_path, 2.0, "accuracy") == 0.02
    save_study(tmp_path, toy_study(margin=0.02))
    assert margin_of(tmp_path, 3.0, "accuracy") == 0.03  # nothing has run yet
    assert margin_of(tmp_path, 5.0, "accuracy") == 0.05  # kept, although the design would choose it today
    assert margin_of(tmp_path, None, "log-loss") is None  # two points are no two hundredths of a nat
    save_record(tmp_path, toy_record())
    assert margin_of(tmp_path, None, "accuracy") == 0.02
    assert margin_of(tmp_path, 2.0, "accuracy") == 0.02
    with pytest.raises(
        UserError, match=r"--margin 3: .* judges with 2, .*leave --margin out, .* `report --margin 3`"
    ):
        margin_of(tmp_path, 3.0, "accuracy")


def test_a_study_without_a_margin_of_its_own_has_that_of_its_design(
    tmp_path: Path, toy_study: Callable[..., Study], toy_record: MakeRecord
) -> None:
    save_study(tmp_path, toy_study())
    save_record(tmp_path, toy_record())
    assert margin_of(tmp_path, 5.0, "accuracy") is None  # of two test texts
    with pytest.raises(UserError, match="judges with 5, which was fixed before the first run"):
        margin_of(tmp_path, 2.0, "accuracy")


def test_a_part_of_a_study_keeps_its_margin(tmp_path: Path, toy_study: Callable[..., Study]) -> None:
    rows = [Row(name="baseline", recipe=Recipe()), Row(name="b", recipe=Recipe(lr=1e-3), against="baseline")]
    save_study(tmp_path, toy_study(rows, margin=0.02))
    part = toy_study(rows[:1], margin=margin_of(tmp_path, None, "accuracy"))
    whole, notes = reported_study(tmp_path, part, {})
    assert notes
    assert whole.margin == 0.02
