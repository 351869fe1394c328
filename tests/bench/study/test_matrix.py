"""Matrix files: what is read, and what a mistake in one is told."""

from pathlib import Path
from typing import get_args

import pytest

from bench.study.matrix import load_matrix, matrices
from bench.study.resolve import resolve
from gptcore.backbones.config import FAMILIES
from gptcore.errors import UserError
from gptcore.methods.spelling import Train
from gptcore.recipe import Recipe

# row, name, train, validation and test accuracy, minutes: the 19 published rows
PUBLISHED = """
1,baseline,96.63,99.33,95.00,0.28
2,first-token,78.46,80.54,75.00,0.28
3,last-layer,78.65,79.87,72.00,0.25
4,last-two-blocks,98.85,98.66,98.33,0.33
5,all-layers,99.62,96.64,96.67,0.69
6,medium,87.50,91.28,84.67,0.75
7,large,99.52,98.66,96.67,1.50
8,xl,99.81,99.81,98.33,2.83
9,xl-all-layers,100.00,98.66,98.67,8.12
10,random-weights,100.00,96.64,93.67,0.69
11,lora,100.00,97.32,96.67,0.75
12,xl-lora,100.00,98.66,98.33,5.79
13,full-context,83.08,87.92,78.33,2.46
14,no-padding-1,100.00,98.66,98.00,1.75
15,no-padding-8,99.33,98.66,98.33,1.70
16,last-real-token,99.42,98.66,98.33,0.30
17,no-causal-mask,99.23,98.66,95.33,0.29
18,ignore-index,96.63,99.33,95.00,0.28
19,mean-pooling,97.79,99.33,96.33,0.32
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def complaint(folder: Path, text: str) -> str:
    path = write(folder, text)
    with pytest.raises(UserError) as caught:
        load_matrix(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path)).lstrip(": ")


@pytest.mark.parametrize("models", [*FAMILIES, "nano", "./some-checkpoint"])
@pytest.mark.parametrize("name", [name for name, _ in matrices()])
def test_every_shipped_matrix_resolves_for_every_family(name: str, models: str) -> None:
    matrix = load_matrix(name)
    resolved = resolve(matrix, models)
    assert resolved.rows[0].name == resolved.baseline == matrix.baseline.name
    assert [row.name for row in resolved.rows[1:]] == [row.name for row in matrix.all_rows()]
    assert all(row.question and matrix.questions[row.question].endswith("?") for row in resolved.rows[1:])
    assert set(matrix.questions) == {row.question for row in matrix.all_rows()}
    assert matrix.about
    assert "\n" not in matrix.about
    if models in FAMILIES:
        assert not resolved.warnings


def test_full_has_the_published_rows_and_figures() -> None:
    rows = {row.name: row for row in resolve(load_matrix("full"), "gpt2").rows}
    for line in PUBLISHED.split():
        number, name, train, validation, test, minutes = line.split(",")
        published = rows[name].published
        assert published is not None
        assert published.row == int(number)
        assert (published.train_acc, published.val_acc) == (float(train), float(validation))
        assert (published.test_acc, published.minutes_a100) == (float(test), float(minutes))
    assert sum(row.published is not None for row in rows.values()) == 19


def test_full_has_the_published_settings() -> None:
    rows = {row.name: row.recipe for row in resolve(load_matrix("full"), "gpt2").rows}
    assert rows["baseline"] == Recipe()
    assert rows["ignore-index"].id == rows["baseline"].id
    assert rows["xl-all-layers"] == Recipe(model="gpt2-xl", train="all")
    assert rows["random-weights"] == Recipe(train="all", weights="random")
    assert rows["lora"] == Recipe(train="lora", lora_rank=16, lora_alpha=16, lora_scaling="alpha")
    assert rows["xl-lora"] == Recipe(model="gpt2-xl", train="lora", lora_alpha=8)
    assert rows["no-padding-8"] == Recipe(padding="none", batch_size=1, accumulation=8)
    assert rows["left-padding-masked"] == Recipe(padding="left", attend_padding=False)
    assert rows["right-padding-masked"] == Recipe(attend_padding=False)
    assert {recipe.train for recipe in rows.values()} == set(get_args(Train))


def test_shipped_matrices_agree_on_what_models_bring() -> None:
    full = load_matrix("full").models
    for name, _ in matrices():
        for model, brings in load_matrix(name).models.items():
            assert brings == full[model], f"{name}: {model}"


def test_a_small_matrix_of_ones_own(tmp_path: Path) -> None:
    matrix = load_matrix(write(tmp_path, '[[row]]\nname = "first"\nset = { position = "first" }\n'))
    assert matrix.name == "mine"
    rows = resolve(matrix, "bundled").rows
    assert [(row.name, row.recipe) for row in rows] == [
        ("baseline", Recipe(model="micro")),
        ("first", Recipe(model="micro", position="first")),
    ]


def test_a_weight_stands_in_the_manifest(tmp_path: Path) -> None:
    text = '[[row]]\nname = "first"\nweight = 4\nset = { position = "first" }\n'
    rows = resolve(load_matrix(write(tmp_path, text)), "bundled").rows
    assert [row.weight for row in rows] == [None, 4.0]


def test_grid_is_the_product_less_the_excluded(tmp_path: Path) -> None:
    text = """
    [grid]
    exclude = [{ train = "all", position = "first" }]
    [grid.axes]
    train = ["all", "last_layer"]
    position = ["first", "last"]
    lr = [1e-4]
    attend_padding = [true]
    """
    resolved = resolve(load_matrix(write(tmp_path, text)), "gpt2")
    assert [row.name for row in resolved.rows[1:]] == [
        "train=all position=last lr=0.0001 attend_padding=true",
        "train=last_layer position=first lr=0.0001 attend_padding=true",
        "train=last_layer position=last lr=0.0001 attend_padding=true",
    ]
    assert resolved.rows[2].recipe == Recipe(train="last_layer", position="first", lr=1e-4)
    assert not resolved.warnings  # a grid's rows are meant to differ in several ways


ROW = '[[row]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = \n", "is not valid TOML: Invalid value (at line 1"),
        (ROW + "sett = { lr = 1e-4 }\n", "row 'a': sett: unknown key"),
        (ROW + "lr = 1e-4\n", "row 'a': lr: unknown key (a recipe's fields go into `set"),
        ("[[row]]\nset = { lr = 1e-4 }\n", "row number 1: name is missing"),
        (
            '[row]\nname = "a"\n',
            "row = {'name': 'a'}: use a list (a row begins with [[row]])",
        ),
        (
            ROW + "set = { learning_rate = 1 }\n",
            "row 'a': unknown field 'learning_rate'; known fields: model",
        ),
        (
            ROW + 'set = { train = "some" }\n',
            "row 'a': train = 'some': use 'last_layer', 'last_bl",
        ),
        (ROW + "set = { lr = -1.0 }\n", "row 'a': lr = -1.0: use more than 0"),
        (ROW + ROW, "2 rows are named 'a'"),
        ('[[row]]\nname = "baseline"\n', "2 rows are named 'baseline'"),
        (ROW + 'against = "basline"\n', "row 'a': against = 'basline' is not a row: did you mean baseline?"),
        (
            '[[row]]\nname = "a"\nagainst = "b"\n[[row]]\nname = "b"\nagainst = "a"\n',
            "rows are against each other in a circle: a -> b -> a",
        ),
        (ROW + 'question = "q"\n', "row 'a': question = 'q' is not in [questions]: known are none"),
        (ROW + "no_op = true\n", "row 'a': no_op = true needs a note"),
        (ROW + "weight = 0\n", "row 'a': weight = 0: use more than 0"),
        (ROW + "weight = inf\n", "row 'a': weight = inf: use a finite number"),
        (ROW + "weight = nan\n", "row 'a': weight = nan: use a finite number"),
        (ROW + "published = { row = 1 }\n", "row 'a': published: unknown key"),
        ("published = 'llms'\n", "published = 'llms': known are llms_from_scratch"),
        ('[baseline]\nset = { model = "nano" }\n', "baseline: its model is chosen by --models"),
        ('[families]\ngpt3 = "gpt2"\n', "families: gpt3: did you mean gpt2?"),
        ('[families]\ngpt2 = "mini"\n', "families: gpt2 = 'mini': known are gpt2, gpt2-medium"),
        ("[models]\nminy = { lr = 1e-3 }\n", "models: miny: did you mean mini"),
        ("[models]\nmini = { lr = 0 }\n", "models: mini: lr = 0: use more than 0"),
        ('[models]\nmini = { model = "nano" }\n', "models: mini: a model cannot set another"),
        ("[grid]\naxes = { lr = [] }\n", "grid: axes: lr has no values"),
        ("[grid]\naxes = { lr = [0] }\n", "grid: axes: lr = 0: use more than 0"),
        ("[grid]\naxes = { lr = [1, 1] }\n", "2 rows are named 'lr=1'"),
        ("[grid]\naxes = { lr = [1] }\nexclude = [{}]\n", "grid: exclude: an empty rule"),
        ("[grid]\naxes = { lr = [1] }\nexclude = [{ lr = 2 }]\n", "grid: exclude: lr = 2 is in no axis"),
        ('name = "../up"\n', "name = '../up': use letters, digits"),
        ("colour = 1\n", "colour: unknown key"),
    ],
)
def test_mistakes_name_the_place_the_value_and_the_remedy(tmp_path: Path, text: str, expected: str) -> None:
    assert complaint(tmp_path, text).startswith(expected)


def test_not_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(UserError, match=r"mine\.toml is not UTF-8 text \(byte 8\)"):
        load_matrix(path)


def test_unknown_matrix_lists_the_bundled(tmp_path: Path) -> None:
    for wrong in ("fulll", tmp_path):
        with pytest.raises(
            UserError, match=r"one of those that ship with the project \(attention, .*full, .*quick, .*tune\)"
        ):
            load_matrix(wrong)


def test_a_family_may_have_the_name_that_it_had_before(tmp_path: Path) -> None:
    path = tmp_path / "older.toml"
    path.write_text('[families]\nembedded = "nano"\n')
    assert load_matrix(path).families == {"bundled": "nano"}
