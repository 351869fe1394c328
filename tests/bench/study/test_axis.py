"""Several models in one study: names, references, rows that are there once, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.study.axis import choose_all, resolve_on
from bench.study.matrix import Matrix, load_matrix
from bench.study.resolve import Resolved, resolve
from gptcore.errors import UserError

TOY = Matrix.model_validate(
    {
        "name": "toy",
        "models": {"micro": {"lr": 0.1}, "mini": {"lr": 0.2}},
        "row": [
            {"name": "all", "set": {"train": "all"}},
            {"name": "all-first", "against": "all", "set": {"position": "first"}},
            {"name": "tfidf", "set": {"model": "tfidf"}},
            {"name": "nano", "set": {"model": "nano"}},
            {"name": "mini", "set": {"model": "mini"}},
            {"name": "mini-all", "against": "mini", "set": {"train": "all"}},
            {"name": "mini-all-first", "against": "mini-all", "set": {"position": "first"}},
            {"name": "xl", "set": {"model": "gpt2-xl"}},
        ],
    }
)


def against(resolved: Resolved) -> dict[str, str | None]:
    return {row.name: row.against for row in resolved.rows}


def test_each_row_is_on_each_model_and_compared_within_it() -> None:
    resolved = resolve_on(TOY, ["micro", "gpt2"])
    rows = {row.name: row for row in resolved.rows}
    assert resolved.baseline == "micro: baseline"
    assert against(resolved) == {
        "micro: baseline": None,
        "micro: all": "micro: baseline",
        "micro: all-first": "micro: all",
        "gpt2: baseline": "micro: baseline",
        "gpt2: all": "gpt2: baseline",
        "gpt2: all-first": "gpt2: all",
        "tfidf": "micro: baseline",
        "nano": "micro: baseline",
        "mini": "micro: baseline",
        "mini-all": "mini",
        "mini-all-first": "mini-all",
        "xl": "gpt2: baseline",  # on the first model of its family
    }
    assert rows["gpt2: all"].recipe.model == "gpt2"
    assert rows["gpt2: all"].changes == {"train": "all"}
    assert (rows["micro: all"].recipe.lr, rows["gpt2: all"].recipe.lr) == (0.1, 5e-5)
    assert rows["gpt2: baseline"].changes == {"model": "gpt2", "lr": 5e-5}
    assert rows["gpt2: baseline"].question in resolved.questions
    assert [row.matrix_row for row in resolved.rows[:3]] == ["baseline", "all", "all-first"]
    assert rows["tfidf"].matrix_row is None


def test_the_recipes_are_those_of_one_model_at_a_time() -> None:
    """So records of studies on one model are found again."""
    both = {row.name: row.recipe.id for row in resolve_on(TOY, ["micro", "gpt2"]).rows}
    for model in ("micro", "gpt2"):
        for row in resolve(TOY, model).rows[:3]:
            assert both[f"{model}: {row.name}"] == row.recipe.id
    assert resolve_on(TOY, ["micro"]) == resolve(TOY, "micro")


def test_a_row_about_one_of_the_models_is_there_once() -> None:
    resolved = resolve_on(TOY, ["micro", "mini"])
    assert not {"mini", "mini-all", "mini-all-first"} & set(against(resolved))
    assert against(resolved)["mini: all-first"] == "mini: all"
    assert resolved.warnings == ()
    xl = resolved.rows[-1]
    assert (xl.name, xl.excluded) == ("xl", "this row is about gpt2-xl; the study runs on micro, mini")


@pytest.mark.parametrize(
    ("only", "skip", "kept"),
    [
        (["all"], [], {"micro: baseline", "micro: all", "gpt2: baseline", "gpt2: all"}),
        (["gpt2: all"], [], {"micro: baseline", "gpt2: baseline", "gpt2: all"}),
        (["tfidf"], [], {"micro: baseline", "gpt2: baseline", "tfidf"}),
        (
            ["all-first"],
            ["micro: all"],
            {"micro: baseline", "micro: all-first", "gpt2: baseline", "gpt2: all", "gpt2: all-first"},
        ),
    ],
)
def test_only_and_skip_name_a_row_on_all_models_or_on_one(
    only: list[str], skip: list[str], kept: set[str]
) -> None:
    resolved = resolve_on(TOY, ["micro", "gpt2"], only=only, skip=skip)
    assert set(against(resolved)) == kept


def test_unknown_rows_are_refused() -> None:
    with pytest.raises(UserError, match="--only mine: all: no such row"):
        resolve_on(TOY, ["micro", "gpt2"], only=["mine: all"])


def test_chosen_values_are_those_of_the_model() -> None:
    tuned = {"micro: all": {"lr": 0.5}, "gpt2: all": {"lr": 0.7}, "tfidf": {"ngrams": "auto"}}
    rows = {row.name: row.recipe for row in resolve_on(TOY, ["micro", "gpt2"], tuned=tuned).rows}
    assert (rows["micro: all"].lr, rows["gpt2: all"].lr, rows["tfidf"].ngrams) == (0.5, 0.7, "auto")


def test_chosen_values_neither_bring_rows_nor_remove_any() -> None:
    """A row that is another model's baseline stays left out once that is tuned, and gets its values."""
    matrix = Matrix.model_validate(
        {
            "name": "toy",
            "row": [
                {"name": "all", "set": {"train": "all"}},
                {"name": "big", "set": {"model": "micro"}},
                {"name": "big-first", "against": "big", "set": {"position": "first"}},
                {"name": "big-fast", "against": "big", "set": {"lr": 0.01}},
            ],
        }
    )
    before = resolve_on(matrix, ["nano", "micro"])
    assert "big" not in against(before)
    assert (against(before)["big-first"], against(before)["big-fast"]) == (
        "micro: baseline",
        "micro: baseline",
    )
    tuned = {row.name: {"lr": 0.01} for row in before.rows}  # big-fast now equals the baseline, and stays
    after = resolve_on(matrix, ["nano", "micro"], tuned=tuned)
    assert against(after) == against(before)
    rows = {row.name: row for row in after.rows}
    assert {row.recipe.lr for row in after.rows} == {0.01}
    assert rows["big-first"].changes == {"position": "first"}
    assert rows["big-fast"].changes == {}


def test_names_are_short_where_they_say_which_model_it_is() -> None:
    one = Matrix.model_validate({"name": "toy"})
    names = [row.name for row in resolve_on(one, ["a/toy", "b/toy", "c/other@v1"]).rows]
    assert names == ["a/toy: baseline", "b/toy: baseline", "other@v1: baseline"]
    with pytest.raises(UserError, match="micro is there twice: name each model once"):
        resolve_on(one, ["micro", "bundled"])


def test_names_of_two_folders_hold_no_path(tmp_path: Path) -> None:
    folders = [tmp_path / user / "final" for user in ("ann", "bob")]
    for folder in folders:
        folder.mkdir(parents=True)
        config = {"n_layer": 1, "n_head": 1, "n_embd": 8, "n_positions": 16, "vocab_size": 9}
        (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", **config}))
    one = Matrix.model_validate({"name": "toy"})
    first, second, hub = (row.name for row in resolve_on(one, [*map(str, folders), "c/final"]).rows)
    assert first.startswith("final-")
    assert second.startswith("final-")
    assert first != second
    assert hub == "c/final: baseline"


def test_rows_that_a_model_cannot_do_are_excluded_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "toy-bert"
    folder.mkdir()
    config = {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    (folder / "config.json").write_text(
        json.dumps(config | {"vocab_size": 64, "max_position_embeddings": 48})
    )
    resolved = resolve_on(load_matrix("full"), ["nano", str(folder)])
    rows = {row.name: row for row in resolved.rows}
    assert "bidirectional as it was pretrained" in str(rows["toy-bert: no-causal-mask"].excluded)
    assert rows["nano: no-causal-mask"].excluded is None
    assert rows["toy-bert: baseline"].recipe.attention == "native"
    assert resolve_on(load_matrix("full"), [str(folder), "mini"]).warnings == ()


def nothing(_: Any = None) -> bool:
    return False


def test_models_are_a_list() -> None:
    chosen, why = choose_all("nano, micro", nothing, nothing)
    assert chosen == ("nano", "micro")
    assert why == "running on nano, micro, as requested: each row on each model"
    assert choose_all("embedded", nothing, nothing)[0] == ("bundled",)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("nano,,micro", "a name is missing beside a comma"),
        ("auto,nano", "auto chooses one model"),
        ("nano,micor", "'micor' is not a known model"),
    ],
)
def test_bad_lists(asked: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose_all(asked, nothing, nothing)
