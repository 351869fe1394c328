"""What may go on in a folder that holds runs: the same data, engine, seeds and checkpoints."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.evidence.results import collect
from bench.records.record import Record, WeightsFacts
from bench.records.study import Study
from bench.run.same_study import check_same_study, checkpoints_of, unknown_checkpoints
from gptcore.errors import UserError

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
    with pytest.raises(UserError, match=r"other files than it has now .*choose another folder with --out"):
        check_same_study(FOLDER, study, {record.run_id: record})


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
