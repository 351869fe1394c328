"""Recipes by name or from a file."""

from pathlib import Path

import pytest

from gptcore.errors import UserError
from gptcore.product.recipes import find_recipe, known_recipes


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
    with pytest.raises(UserError, match=r"there\.toml cannot be read"):
        find_recipe("not-there.toml")
