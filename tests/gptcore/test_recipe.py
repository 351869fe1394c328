"""Recipes: published defaults, stable ids, and errors that say what to fix."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench.records.stored import stored_runs
from gptcore.errors import UserError
from gptcore.methods.lora import Lora
from gptcore.methods.spelling import spell_out
from gptcore.recipe import Recipe, Seeds, make_recipe


def test_defaults_are_the_published_baseline():
    recipe = Recipe()
    assert (recipe.model, recipe.train, recipe.position) == ("gpt2", "last_block", "last")
    assert (recipe.attention, recipe.padding, recipe.attend_padding) == ("causal", "right", True)
    assert (recipe.lr, recipe.weight_decay, recipe.epochs, recipe.batch_size) == (5e-5, 0.1, 5, 8)
    assert recipe.lora_scaling == "alpha"
    assert Seeds().model_dump() == {"init": 123, "order": 123, "split": 123}


def test_ids_do_not_change():
    """Records are found by these ids: whoever changes them orphans every record there is."""
    assert Recipe().id == "gpt2-last_block-last-964e87d8"
    lora = Recipe(model="mini", train="lora", position="mean_real", lora_rank=8, lr=1e-3, clip_norm=1.0)
    assert lora.id == "mini-lora-mean_real-19ce3b69"
    assert Recipe(model="tfidf").id == "tfidf-d6782e90"


class Later(Recipe):
    """A recipe with fields that no committed record knows of."""

    label_smoothing: float = 0.0
    stop_words: tuple[str, ...] = ()


def test_a_later_field_changes_ids_only_where_it_differs_from_its_default():
    studies = (Path(__file__).parents[2] / "results").glob("**/study.json")
    runs = [run for study in studies for run in stored_runs(study.parent)]
    assert len(runs) > 300
    for run in runs:
        record = json.loads(run.read())
        assert Later(**record["recipe"]).id == record["recipe_id"], run
    assert len({Later().id, Later(label_smoothing=0.1).id, Later(stop_words=("a",)).id}) == 3
    assert Later(label_smoothing=0.1).choices() == Recipe().choices() | {"label_smoothing": 0.1}


@pytest.mark.parametrize(
    ("base", "irrelevant"),
    [
        ({}, {"lora_rank": 2, "lora_alpha": 3, "lora_dropout": 0.5, "lora_targets": ("c_fc",)}),
        ({"train": "features"}, {"lr": 1.0, "epochs": 99, "batch_size": 2, "patience": 3, "lora_rank": 2}),
        ({"padding": "none"}, {"attend_padding": False}),
        ({"model": "tfidf"}, {"train": "all", "position": "mean", "lr": 1.0, "context": 7}),
        ({}, {"ngrams": "auto"}),
        ({}, {"best_by": "macro-f1"}),  # all epochs are done, and the last one is kept
        ({}, {"lr": "5e-5", "epochs": 5.0}),  # the same values, written otherwise
        ({"train": "lora"}, {"lora_alpha": 16, "lora_targets": ["c_attn", "c_proj", "c_fc"]}),
    ],
)
def test_what_does_not_matter_does_not_change_the_id(base, irrelevant):
    recipe, other = make_recipe(base), make_recipe(base | irrelevant)
    assert recipe.choices() == other.choices()
    assert recipe.id == other.id


CHANGES = {
    "model": "mini",
    "weights": "random",
    "train": "all",
    "position": "first",
    "attention": "bidirectional",
    "padding": "left",
    "attend_padding": False,
    "context": 64,
    "lora_rank": 2,
    "lora_alpha": 3.0,
    "lora_dropout": 0.5,
    "lora_targets": ("c_fc",),
    "lora_scaling": "alpha/rank",
    "lr": 1e-4,
    "weight_decay": 0.0,
    "epochs": 6,
    "batch_size": 9,
    "accumulation": 2,
    "warmup": 0.5,
    "schedule": "cosine",
    "clip_norm": 1.0,
    "patience": 2,
    "restore_best": True,
    "train_size": 100,
    "class_weight": "balanced",
    "head": "mlp",
}


def test_every_choice_changes_the_id():
    assert CHANGES.keys() | {"ngrams", "best_by"} == Recipe.model_fields.keys()
    assert Recipe(model="tfidf", ngrams="auto").id != Recipe(model="tfidf").id
    for chooses in ({"patience": 2}, {"restore_best": True}):
        assert Recipe(**chooses, best_by="macro-f1").id != Recipe(**chooses).id
    for base in ({}, {"train": "lora"}):
        recipe = Recipe(**base)
        relevant = [name for name in CHANGES if base or not name.startswith("lora")]
        ids = {Recipe(**base | {name: CHANGES[name]}).id for name in relevant}
        assert len(ids | {recipe.id}) == len(relevant) + 1


@pytest.mark.parametrize(
    ("table", "older"),
    [
        ({"method": "top_blocks", "k": 0}, {"train": "last_layer"}),
        ({"method": "top_blocks", "k": 1}, {"train": "last_block"}),
        ({"method": "top_blocks", "k": 2}, {"train": "last_two_blocks"}),
        ({"method": "all"}, {"train": "all"}),
        ({"method": "features"}, {"train": "features"}),
        ({"method": "lora"}, {"train": "lora"}),
        (
            {"method": "lora", "rank": 4, "targets": ["c_fc"], "scaling": "alpha/rank"},
            {"train": "lora", "lora_rank": 4, "lora_targets": ["c_fc"], "lora_scaling": "alpha/rank"},
        ),
    ],
)
def test_both_spellings_of_a_method_are_one_recipe(table, older):
    recipe, expected = make_recipe({"train": table}), make_recipe(older)
    assert recipe == expected
    assert recipe.id == expected.id
    assert recipe.model_dump_json() == expected.model_dump_json()


def test_a_method_without_an_older_name_has_an_id_of_its_own():
    recipe = make_recipe({"train": {"method": "top_blocks", "k": 3}})
    assert recipe.id == "gpt2-top_blocks-3-last-62e8ddca"
    assert len({recipe.id, Recipe().id, Recipe(train={"method": "top_blocks", "k": 4}).id}) == 3
    assert hash(recipe) == hash(Recipe.model_validate_json(recipe.model_dump_json()))


def test_ids_are_file_names_that_start_readably():
    recipe = Recipe(model="some-one/gpt 2: odd", train="all", position="mean")
    assert recipe.id.startswith("gpt-2-odd-all-mean-")
    assert Recipe(model="/a/checkpoint/").id.startswith("checkpoint-last_block-")
    assert Recipe(model="tfidf").id.startswith("tfidf-")
    assert Recipe(model="/a/x").id != Recipe(model="/b/x").id


def test_differences_are_theirs_and_ours():
    assert Recipe(lr=1e-3, train="all").differences(Recipe()) == {
        "lr": (5e-5, 1e-3),
        "train": ("last_block", "all"),
    }
    assert Recipe().differences(Recipe()) == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train": "last"}, r"row 1: train = 'last': .*'last_layer', 'last_block'.*'features'"),
        ({"train": {"method": "lore"}}, "train = .*: method = 'lore': use one of top_blocks, all, lora"),
        ({"train": {"rank": 4}}, "train = .*: method = None: use one of"),
        ({"train": {"method": "lora", "rank": 0}}, "train = .*: rank = 0: use 1 or more"),
        ({"train": {"method": "top_blocks"}}, "train = .*: k is missing"),
        ({"train": {"method": "all", "k": 1}}, "train = .*unknown field 'k'"),
        ({"train": {"method": "lora", "rank": 4}, "lora_rank": 8}, "contradicts lora_rank = 8: give one"),
        ({"train": 3}, "train = 3: use 'last_layer'"),
        ({"position": "middle"}, r"position = 'middle': .*'first', 'last', 'last_real'"),
        ({"lr": 0}, "lr = 0: use more than 0"),
        ({"lr": "fast"}, "lr = 'fast': use a number"),
        ({"epochs": 1.5}, r"epochs = 1\.5: use a whole number"),
        ({"warmup": 1}, "warmup = 1: .*less than 1"),
        ({"lora_rank": 0, "lr": -1}, r"lora_rank = 0: use 1 or more \(and 1 more\)"),
        ({"lora_targets": []}, r"lora_targets = \[\]: use 1 or more entries"),
        ({"context": "short"}, "context = 'short': .*'longest' or 'model'"),
        ({"context": 0}, "^row 1: context = 0: .*'longest', 'model' or a number of tokens, at least 1$"),
        ({"context": True}, "context = True: .*a number of tokens"),
        ({"lr": float("inf")}, "lr = inf: .*finite"),
        ({"clip_norm": float("nan")}, "clip_norm = nan: .*finite"),
        ({"learning_rate": 1}, r"unknown field 'learning_rate'; known fields: model, .*, lr, "),
    ],
)
def test_bad_values_name_field_value_and_what_is_allowed(values, message):
    with pytest.raises(UserError, match=message) as caught:
        make_recipe(values, where="row 1")
    assert "\n" not in str(caught.value)


def test_a_recipe_cannot_be_changed():
    recipe = Recipe()
    with pytest.raises(ValidationError, match="frozen"):
        recipe.lr = 1.0  # type: ignore[misc]
    assert make_recipe(recipe.model_dump(mode="json")) == recipe


def test_recipes_need_no_torch():
    code = "import sys, gptcore.recipe; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_rank_stabilised_lora_is_lora_with_its_scale() -> None:
    short = Recipe(train="rslora", lora_rank=4)
    assert short == Recipe(train="lora", lora_rank=4, lora_scaling="alpha/sqrt(rank)")
    with pytest.raises(ValidationError):
        Recipe(train="rslora", lora_scaling="alpha")


def test_fields_of_lora_that_came_later_leave_ids_as_they_were() -> None:
    assert Recipe(train={"method": "lora", "rank": 4}).id == Recipe(train="lora", lora_rank=4).id
    assert Recipe(train={"method": "lora", "top": None}).id == Recipe(train="lora").id
    upper = Recipe(train={"method": "lora", "rank": 4, "top": 2})
    assert upper.id != Recipe(train="lora", lora_rank=4).id
    assert Recipe.model_validate_json(upper.model_dump_json()) == upper
    assert upper.method == Lora(rank=4, top=2)


def test_a_table_of_lora_with_later_fields_contradicts_other_values_too() -> None:
    with pytest.raises(ValidationError, match="contradicts lora_rank = 4"):
        Recipe(train={"method": "lora", "top": 2}, lora_rank=4)
    upper = {"method": "lora", "rank": 8, "top": 2}
    assert spell_out({"train": upper})["lora_rank"] == 8
    assert Recipe(train=upper, lora_rank=8).method == Lora(rank=8, top=2)
    everywhere = Recipe(train=upper, lora_targets=("all-linear",))
    assert everywhere.method == Lora(rank=8, top=2, targets=("all-linear",))
    assert Recipe.model_validate_json(everywhere.model_dump_json()) == everywhere


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rank": 8}, "mean_rank = 8: it must be less than rank = 8"),
        ({"start": 0.5, "end": 0.6}, "start . end = 1.1"),
    ],
)
def test_adalora_must_be_able_to_end_with_its_budget(fields: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Recipe(train={"method": "adalora", **fields})


@pytest.mark.parametrize("head", ["mlp", "no_bias"])
def test_a_head_where_there_is_no_gpt_is_refused(head: str) -> None:
    with pytest.raises(UserError, match=f"head = '{head}' is a GPT's, and model = 'tfidf' has a logistic"):
        make_recipe({"model": "tfidf", "head": head})
