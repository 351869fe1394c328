"""Recipes by name or from a file."""

from pathlib import Path

import pytest

from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.product.recipes import find_recipe, known_recipes
from gptcore.product.recommended import DataOf, point_to, write_recommended
from gptcore.recipe import Recipe


def test_every_known_recipe_is_one_and_says_what_it_is() -> None:
    for name, (recipe, about) in known_recipes().items():
        assert find_recipe(name) == recipe
        assert about


def test_a_file_holds_one_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[recipe]\nmodel = "nano"\nepochs = 2\n')
    assert find_recipe(str(path)).epochs == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[other]\n", r"one table \[recipe\], and holds 'other'"),
        ("recipe = 1\n", r"one table \[recipe\]"),
        ("[recipe]\nepoch = 1\n", "unknown field 'epoch'"),
        ("[recipe]\nlr = -1.0\n", "lr = -1.0"),
        ("[", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        find_recipe(str(path))


def test_an_unknown_name_has_those_like_it() -> None:
    with pytest.raises(UserError, match=r"did you mean .*nano"):
        find_recipe("nanoo")
    with pytest.raises(UserError, match=r"did you mean best\?"):
        find_recipe("bst")
    with pytest.raises(UserError, match=r"there\.toml cannot be read"):
        find_recipe("not-there.toml")


DATA = Dataset.from_texts([f"text {i}" for i in range(40)], [i % 2 for i in range(40)], name="a.csv")
OTHER = Dataset.from_texts([f"words {i}" for i in range(40)], [i % 2 for i in range(40)], name="a.csv")
OF = DataOf(name=DATA.name, fingerprint=DATA.source_fingerprint)
RECIPES = [
    Recipe(model="tfidf", ngrams="auto"),
    Recipe(model="nano", train="features", position="mean_real"),
    Recipe(model="micro", train="lora", lora_rank=8, lr=3e-3, restore_best=True, attend_padding=False),
    Recipe(model="nano", train={"method": "lora", "rank": 4, "top": 1}, epochs=4),
    Recipe(model="a/b", train="dora", attention="causal", context=32, clip_norm=1.0),
    Recipe(model='a "quoted" \\ folder/\x7f\té', train="all"),
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("gptcore.product.recommended.model_defaults", lambda _: {})
    monkeypatch.setattr("gptcore.product.recipes.model_defaults", lambda _: {})


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.train_name)
def test_a_recommended_recipe_is_read_as_it_was_written(tmp_path: Path, recipe: Recipe) -> None:
    path = write_recommended(tmp_path, recipe, OF, "chosen\nby a test")
    assert find_recipe(str(path)).id == recipe.id
    assert find_recipe(str(tmp_path), lambda: DATA).id == recipe.id


@pytest.mark.usefixtures("cache")
def test_a_recommendation_by_another_metric_than_accuracy_chooses_epochs_by_it(tmp_path: Path) -> None:
    for metric, by in (("accuracy", "loss"), ("macro-f1", "macro-f1"), ("log-loss", "log-loss")):
        of = OF.model_copy(update={"metric": metric})
        assert find_recipe(str(write_recommended(tmp_path, RECIPES[-1], of, ""))).best_by == by


def test_what_a_model_brings_is_written_where_the_recipe_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("recommended", "recipes"):
        monkeypatch.setattr(f"gptcore.product.{module}.model_defaults", lambda _: {"attention": "native"})
    for attention in ("causal", "native"):
        recipe = Recipe(model="a/b", attention=attention)
        assert find_recipe(str(write_recommended(tmp_path, recipe, OF, "")), lambda: DATA) == recipe


@pytest.mark.usefixtures("cache")
def test_best_is_the_last_recommendation_for_the_same_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing has been recommended for a\.csv: run"):
        find_recipe("best", lambda: DATA)
    for name, recipe in zip("ab", RECIPES, strict=False):
        write_recommended(tmp_path / name, recipe, OF, "")
        point_to(tmp_path / name, OF)
        assert find_recipe("best", lambda: DATA).id == recipe.id
    with pytest.raises(UserError, match=r"the last recommendation for a\.csv was for other rows"):
        find_recipe("best", lambda: OTHER)
    (tmp_path / "b" / "best.toml").unlink()
    with pytest.raises(UserError, match=r"best\.toml is gone: run"):
        find_recipe("best", lambda: DATA)
    with pytest.raises(UserError, match="it needs the data"):
        find_recipe("best")


@pytest.mark.usefixtures("cache")
def test_a_recommendation_for_other_data_is_refused(tmp_path: Path) -> None:
    path = write_recommended(tmp_path, RECIPES[0], OF, "")
    with pytest.raises(UserError, match=r"it was chosen for other data \(a\.csv\), or with other options"):
        find_recipe(str(path), lambda: OTHER)
    path.write_text(path.read_text().replace("[data]", "[date]"))
    with pytest.raises(UserError, match="must hold one table"):
        find_recipe(str(path), lambda: DATA)
    path.write_text('[recipe]\nmodel = "tfidf"\n[data]\nname = "a"\n')
    with pytest.raises(UserError, match="data: fingerprint is missing"):
        find_recipe(str(path), lambda: DATA)


def test_a_folder_without_a_recommendation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the folder has no best\.toml"):
        find_recipe(str(tmp_path), lambda: DATA)


@pytest.mark.usefixtures("cache")
def test_a_damaged_pointer_is_none(tmp_path: Path) -> None:
    point_to(tmp_path, OF)
    for pointer in (tmp_path / "cache" / "recommended").iterdir():
        pointer.write_text("[")
    with pytest.raises(UserError, match="nothing has been recommended"):
        find_recipe("best", lambda: DATA)
