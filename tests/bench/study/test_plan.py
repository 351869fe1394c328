"""What a study would run: sharing, resuming, obstacles, and the choice of models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.records.record import Record
from bench.records.study import Row, Study
from bench.study import plan
from bench.study.plan import PlannedRun, checkpoint_notes, choose_models, make_plan
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.weights import random_gpt, save_gpt
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds

MakeStudy = Callable[..., Study]
MakeRecord = Callable[..., Record]


@pytest.fixture(autouse=True)
def cached(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The models whose weights are on this machine: a set to add to, empty at first."""
    names: set[str] = set()
    monkeypatch.setattr(plan, "cached_checkpoint", lambda name: Path() if name in names else None)
    return names


def nowhere(_model: str) -> bool:
    return False


def planned(study: Study, *records: Record, **changes: Any) -> list[PlannedRun]:
    options: dict[str, Any] = {"reachable": lambda _: True}
    return make_plan(study, {record.run_id: record for record in records}, **(options | changes))


def states(runs: list[PlannedRun]) -> list[tuple[str, str | None]]:
    return [(run.state, run.reason) for run in runs]


def test_downloads_are_of_models_that_runs_need_and_that_are_not_here(
    toy_study: MakeStudy, toy_record: MakeRecord, cached: set[str]
) -> None:
    recipes = [Recipe(), Recipe(position="first"), Recipe(model="gpt2-medium"), Recipe(model="gpt2-large")]
    recipes += [Recipe(model="gpt2-xl", weights="random"), Recipe(model="tfidf"), Recipe(model="owner/toy")]
    cached.add("gpt2-large")
    study = toy_study([Row(name=f"row {i}", recipe=recipe) for i, recipe in enumerate(recipes)])
    runs = planned(study, toy_record(Recipe(model="gpt2-medium"), engine=study.engine))
    sizes = {"gpt2": 548, "owner/toy": None}
    assert plan.downloads(runs, sizes.__getitem__) == sizes


def test_rows_with_one_recipe_share_their_runs(toy_study: MakeStudy) -> None:
    rows = [
        Row(name="baseline", recipe=Recipe()),
        Row(name="first", recipe=Recipe(position="first")),
        Row(name="no-op", recipe=Recipe(), no_op=True),
    ]
    seeds = [Seeds(init=1), Seeds(init=2)]
    runs = planned(toy_study(rows, seeds=seeds))
    assert [(run.rows, run.seed_index) for run in runs] == [
        (("baseline", "no-op"), 0),
        (("first",), 0),
        (("baseline", "no-op"), 1),
        (("first",), 1),
    ]
    assert [run.seeds.init for run in runs] == [1, 1, 2, 2]
    assert runs[2].run_id == f"{Recipe().id}-s1"
    assert {run.state for run in runs} == {"todo"}


def test_what_is_done_is_not_run_again(toy_study: MakeStudy, toy_record: MakeRecord) -> None:
    study = toy_study(seeds=[Seeds(), Seeds(init=7)])
    runs = planned(study, toy_record(), reachable=nowhere)
    assert runs[0].state == "done"  # even where it could not be run now
    assert runs[1].state == "blocked"


def test_what_failed_is_not_done_again_unless_asked_and_what_was_skipped_is(
    toy_study: MakeStudy, toy_record: MakeRecord
) -> None:
    study = toy_study()
    failed = toy_record(status="failed", reason="out of memory")
    assert states(planned(study, failed)) == [("failed", "failed before: out of memory")]
    again = planned(study, failed, retry_failed=True)
    assert states(again) == [("todo", "failed before: out of memory")]
    skipped = toy_record(status="skipped", reason="no weights")
    assert states(planned(study, skipped)) == [("todo", None)]


def test_weights_that_cannot_be_had_block(toy_study: MakeStudy, cached: set[str]) -> None:
    study = toy_study()
    gone = "the weights of gpt2 are not on this machine and cannot be downloaded from here"
    assert states(planned(study, reachable=nowhere)) == [("blocked", gone)]
    assert states(planned(study)) == [("todo", None)]
    cached.add("gpt2")
    assert states(planned(study, reachable=nowhere)) == [("todo", None)]


def test_random_weights_and_tfidf_need_no_download(toy_study: MakeStudy) -> None:
    rows = [Row(name="a", recipe=Recipe(weights="random")), Row(name="b", recipe=Recipe(model="tfidf"))]
    assert states(planned(toy_study(rows), reachable=nowhere)) == [("todo", None), ("todo", None)]


def test_the_hub_is_asked_once_a_model(toy_study: MakeStudy) -> None:
    asked: list[str] = []
    rows = [Row(name=p, recipe=Recipe(position=p)) for p in ("first", "last", "mean")]

    def reachable(name: str) -> bool:
        asked.append(name)
        return True

    planned(toy_study(rows), reachable=reachable)
    assert asked == ["gpt2"]


def test_bundled_models_whose_weights_are_missing_block(toy_study: MakeStudy, cached: set[str]) -> None:
    study = toy_study([Row(name="baseline", recipe=Recipe(model="mini"))])
    gone = "the weights of mini are not on this machine and cannot be downloaded from here"
    assert states(planned(study, reachable=nowhere)) == [("blocked", gone)]
    cached.add("mini")
    assert states(planned(study, reachable=nowhere)) == [("todo", None)]


def test_excluded_rows_are_blocked_unless_another_row_needs_the_run(toy_study: MakeStudy) -> None:
    rows = [Row(name="a", recipe=Recipe(), excluded="of another family"), Row(name="b", recipe=Recipe(lr=1))]
    assert states(planned(toy_study(rows))) == [("blocked", "of another family"), ("todo", None)]
    rows.append(Row(name="c", recipe=Recipe()))
    assert states(planned(toy_study(rows))) == [("todo", None), ("todo", None)]


def test_a_damaged_checkpoint_of_the_users_is_refused(toy_study: MakeStudy, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"n_embd": 8}')
    rows = [Row(name="mine", recipe=Recipe(model=str(tmp_path)))]
    with pytest.raises(UserError, match="is not the config of a GPT-2 model: no 'n_layer'"):
        planned(toy_study(rows))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A small checkpoint with the bundled vocabulary."""
    shape = ModelConfig(d_model=8, n_layer=2, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
    save_gpt(random_gpt(shape, 0), tmp_path / "mine")
    return tmp_path / "mine"


def test_a_checkpoint_that_opens_runs(toy_study: MakeStudy, checkpoint: Path, cached: set[str]) -> None:
    cached.add(str(checkpoint))
    rows = [Row(name="mine", recipe=Recipe(model=str(checkpoint)))]
    runs = planned(toy_study(rows), reachable=nowhere)
    assert states(runs) == [("todo", None)]
    assert checkpoint_notes(runs) == []


def test_what_headers_tell_is_told_before_anything_runs(toy_study: MakeStudy, checkpoint: Path) -> None:
    path = checkpoint / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    save_file(tensors | {"score.weight": torch.ones(2, 8)}, path)
    runs = planned(toy_study([Row(name="mine", recipe=Recipe(model=str(checkpoint)))]))
    assert checkpoint_notes(runs) == [f"{checkpoint}: the head of another task was left out (score.weight)"]
    save_file({name: tensor for name, tensor in tensors.items() if name != "wpe.weight"}, path)
    random = toy_study([Row(name="mine", recipe=Recipe(model=str(checkpoint), weights="random"))])
    assert states(planned(random)) == [("todo", None)]
    with pytest.raises(UserError, match=r"does not fit its config: missing wpe\.weight$"):
        planned(toy_study([Row(name="mine", recipe=Recipe(model=str(checkpoint)))]))


def test_a_folder_without_weights_serves_random_ones_only(toy_study: MakeStudy, checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    rows = [Row(name="mine", recipe=Recipe(model=str(checkpoint), weights="random"))]
    assert states(planned(toy_study(rows), reachable=nowhere)) == [("todo", None)]
    with pytest.raises(UserError, match=r"mine has no model\.safetensors \(nor"):
        planned(toy_study([Row(name="mine", recipe=Recipe(model=str(checkpoint)))]))


def test_a_vocabulary_that_does_not_fit_is_refused(toy_study: MakeStudy, checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | {"vocab_size": 8000}))
    for weights in ("pretrained", "random"):
        rows = [Row(name="mine", recipe=Recipe(model=str(checkpoint), weights=weights))]
        with pytest.raises(UserError, match=r"has ids up to 8,191, and vocab_size = 8000"):
            planned(toy_study(rows))


def test_models_that_are_nearly_right(checkpoint: Path) -> None:
    file = str(checkpoint / "model.safetensors")
    with pytest.raises(UserError, match=rf"--models '{file}' is a file: name the folder that holds it"):
        choose_models(file, lambda: False, nowhere)
    with pytest.raises(UserError, match="--models 'distilgpt2' has no owner: write 'distilbert/distilgpt2'"):
        choose_models("distilgpt2", lambda: False, nowhere)


def test_unknown_models_end_in_an_error(toy_study: MakeStudy) -> None:
    rows = [Row(name="odd", recipe=Recipe(model="gtp2"))]
    with pytest.raises(
        UserError, match=r"row 'odd': model 'gtp2' is not a known model.*did you mean gpt2\\?"
    ):
        planned(toy_study(rows))


@pytest.mark.parametrize(
    ("cuda", "is_cached", "reachable", "models", "why"),
    [
        (False, True, True, "bundled", "there is no CUDA GPU"),
        (True, True, False, "gpt2", "the weights are cached"),
        (True, False, True, "gpt2", "the weights can be downloaded"),
        (True, False, False, "bundled", "not cached and cannot be downloaded"),
    ],
)
def test_auto(cuda: bool, is_cached: bool, reachable: bool, models: str, why: str, cached: set[str]) -> None:
    if is_cached:
        cached.add("gpt2")
    chosen, line = choose_models("auto", lambda: cuda, lambda _: reachable)
    assert chosen == models
    assert line.startswith(f"running on {models}")
    assert why in line
    assert "\n" not in line


def test_models_as_asked(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"n_embd": 8, "n_layer": 1, "n_head": 2, "vocab_size": 9}')
    for asked in ("gpt2", "bundled", "nano", str(tmp_path), "owner/model"):
        assert choose_models(asked, lambda: False, nowhere) == (asked, f"running on {asked}, as requested")
    with pytest.raises(UserError, match=r"--models 'bundeld' is not a known model.*did you mean bundled"):
        choose_models("bundeld", lambda: False, nowhere)
    (tmp_path / "config.json").unlink()
    with pytest.raises(UserError, match=r"has no config\.json"):
        choose_models(str(tmp_path), lambda: False, nowhere)


def test_a_shallower_trunk_comes_before_a_deeper_one(toy_study: MakeStudy) -> None:
    """The deeper one starts from it."""
    rows = [
        Row(name=train, recipe=Recipe(train=train, weights="random"))
        for train in ("last_layer", "last_block", "all", "last_two_blocks")
    ]
    runs = planned(toy_study(rows=rows))
    in_order = ["last_two_blocks", "last_block", "last_layer", "all"]
    assert [run.recipe.train for run in runs[: len(rows)]] == in_order


def test_the_bundled_family_may_have_its_former_name() -> None:
    assert choose_models("embedded", lambda: False, nowhere)[0] == "bundled"
