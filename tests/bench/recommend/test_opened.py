"""What cannot be used is refused in a line, before anything is trained."""

from pathlib import Path

import pytest

from bench.recommend.opened import open_recommend, spread
from bench.recommend.options import RecommendOptions
from bench.records.recommendation import State, load_state, save_state
from gptcore.errors import UserError

OPTIONS = RecommendOptions(models="nano")


def write(tmp_path: Path, counts: dict[str, int]) -> str:
    path = tmp_path / "few.csv"
    rows = [f"text {name} {i},{name}" for name, n in counts.items() for i in range(n)]
    path.write_text("\n".join(["text,label", *rows, ""]))
    return str(path)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (
            {"a": 6, "b": 6},
            r"few\.csv: 10 rows outside the test part: recommend compares recipes from 50 on: add rows",
        ),
        ({"a": 90}, r"few\.csv: all 90 rows have the label 'a'"),
        (
            {"a": 90, "b": 5},
            r"label 'b' has 4 rows outside the test part: recommend needs 5: add rows, or remove",
        ),
    ],
)
def test_files_that_are_too_small_are_refused(tmp_path: Path, counts: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_recommend(write(tmp_path, counts), OPTIONS, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": "soon"}, "--budget soon: write a number and a unit"),
        ({"budget": "0m"}, "--budget 0m"),
        ({"models": "gpt-5x"}, "--models 'gpt-5x' is not a known model"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    options = RecommendOptions(**({"models": "nano"} | changes))
    with pytest.raises(UserError, match=message):
        open_recommend(write(tmp_path, {"a": 60, "b": 60}), options, None)


def test_rows_and_margin_come_from_the_data(tmp_path: Path) -> None:
    opened = open_recommend(write(tmp_path, {"a": 400, "b": 400}), OPTIONS, None)
    assert [row.name for row in opened.rows] == [
        *("last-block", "tfidf", "tfidf-auto", "features", "last-two-blocks", "lora", "all-layers")
    ]
    assert opened.state.margin in (0.01, 0.02, 0.05)
    assert opened.folder == Path("results/recommend-few")
    assert opened.numbers_of_values == [5, 3, 1]
    limited = open_recommend(
        write(tmp_path, {"a": 400, "b": 400}), RecommendOptions(models="nano", limit=100), 3.0
    )
    assert limited.folder == Path("results/recommend-few-limit100")
    assert limited.state.margin == 0.03
    assert limited.of.fingerprint == opened.of.fingerprint != limited.data.source_fingerprint
    assert limited.of.limit == 100


@pytest.mark.parametrize(("n_test_users", "said"), [(4, True), (5, False)])
def test_too_few_groups_in_the_test_part_that_waits_are_said(
    tmp_path: Path, n_test_users: int, said: bool
) -> None:
    rows = [f"text {i},{'ab'[i % 2]},u{i // 4},train" for i in range(160)]
    rows += [f"new {i},{'ab'[i % 2]},v{i % n_test_users},test" for i in range(40)]
    path = tmp_path / "parts.csv"
    path.write_text("\n".join(["text,label,user,part", *rows, ""]))
    options = RecommendOptions(models="nano", group_column="user", split_column="part")
    opened = open_recommend(str(path), options, None)
    warnings = opened.study(["tfidf"]).warnings
    assert any("the test part that waits for the end has 4 groups" in one for one in warnings) is said


def test_one_key_for_all_recipes_of_a_row(tmp_path: Path) -> None:
    opened = open_recommend(write(tmp_path, {"a": 60, "b": 60}), OPTIONS, None)
    recipe = opened.row("lora").recipe
    chosen = recipe.model_copy(update={"lr": 3e-3, "epochs": 1, "train_size": 40})
    assert opened.key(chosen) == opened.key(recipe)
    assert len({opened.key(row.recipe) for row in opened.rows}) == len(opened.rows)


def test_values_are_spread_evenly() -> None:
    assert spread([1, 2, 3, 4, 5], 3) == [1, 3, 5]
    assert spread([1, 2], 5) == [1, 2]


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    assert load_state(tmp_path) is None
    state = State(data="a", fingerprint="f", models="nano", margin=0.02, spent_s=3.5)
    save_state(tmp_path, state)
    assert load_state(tmp_path) == state
    for content, message in (("[", "is damaged"), ('{"data": 1}', "data = 1")):
        (tmp_path / "recommend.json").write_text(content)
        with pytest.raises(UserError, match=message):
            load_state(tmp_path)
