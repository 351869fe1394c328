"""From a matrix to rows: precedence, narrowing, families, warnings."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records.store import load_study
from bench.study.matrix import Matrix, load_matrix
from bench.study.resolve import Resolved, parse_set, resolve
from gptcore.errors import UserError
from gptcore.methods.layers import TopBlocks
from gptcore.recipe import Recipe


def matrix(*rows: dict[str, Any], **more: Any) -> Matrix:
    return Matrix.model_validate({"name": "toy", "row": list(rows), **more})


def recipes(resolved: Resolved) -> dict[str, Recipe]:
    return {row.name: row.recipe for row in resolved.rows}


CHAIN = matrix(
    {"name": "all", "set": {"train": "all"}},
    {"name": "random", "against": "all", "set": {"weights": "random"}},
    {"name": "slow", "against": "random", "set": {"lr": 1e-6}},
    {"name": "first", "set": {"position": "first"}},
)


def test_a_row_holds_every_change_on_its_way() -> None:
    resolved = resolve(CHAIN, "gpt2")
    assert recipes(resolved)["slow"] == Recipe(train="all", weights="random", lr=1e-6)
    slow = resolved.rows[3]
    assert (slow.against, slow.changes) == ("random", {"lr": 1e-6})
    assert (resolved.rows[0].against, resolved.rows[0].changes) == (None, {})


def test_class_weights_are_a_change_like_any_other() -> None:
    resolved = resolve(matrix({"name": "balanced", "set": {"class_weight": "balanced"}}), "gpt2")
    assert recipes(resolved)["balanced"] == Recipe(class_weight="balanced")
    assert resolved.rows[1].changes == {"class_weight": "balanced"}


def test_precedence() -> None:
    toy = matrix(
        {"name": "nano", "set": {"model": "nano"}},
        {"name": "own", "set": {"lr": 0.4, "model": "nano"}},
        baseline={"set": {"epochs": 2}},
        models={"micro": {"lr": 0.1, "epochs": 9}, "nano": {"lr": 0.2}},
    )
    found = recipes(resolve(toy, "bundled"))
    assert (found["baseline"].lr, found["baseline"].epochs) == (0.1, 2)
    assert (found["nano"].lr, found["nano"].epochs) == (0.2, 2)
    found = recipes(resolve(toy, "bundled", {"lr": 0.3}))
    assert (found["baseline"].lr, found["nano"].lr, found["own"].lr) == (0.3, 0.3, 0.4)


def test_set_makes_a_row_pointless_and_says_so() -> None:
    resolved = resolve(CHAIN, "gpt2", {"position": "first"})
    assert recipes(resolved)["first"] == recipes(resolved)["baseline"]
    assert resolved.warnings == ("row first changes nothing: it is the recipe of baseline",)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"learning_rate": 1}, "--set: unknown field 'learning_rate'"),
        ({"lr": -1}, "--set: lr = -1: use more than 0"),
        ({"model": "nano"}, "--set model=nano: choose the model with --models"),
    ],
)
def test_bad_overrides(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(CHAIN, "gpt2", overrides)


@pytest.mark.parametrize(
    ("only", "skip", "kept"),
    [
        ((), (), ["baseline", "all", "random", "slow", "first"]),
        (["random"], (), ["baseline", "all", "random"]),
        (["first", "all"], (), ["baseline", "all", "first"]),
        (["baseline"], (), ["baseline"]),
        ((), ["first", "slow"], ["baseline", "all", "random"]),
        (["slow"], ["all"], ["baseline", "random", "slow"]),
    ],
)
def test_only_keeps_what_is_compared_with_and_skip_leaves_out(only: Any, skip: Any, kept: list[str]) -> None:
    assert list(recipes(resolve(CHAIN, "gpt2", only=only, skip=skip))) == kept


def test_a_row_whose_rival_is_skipped_moves_up_and_warns() -> None:
    resolved = resolve(CHAIN, "gpt2", skip=["all"])
    random = resolved.rows[1]
    assert (random.against, random.changes) == ("baseline", {"weights": "random", "train": "all"})
    assert random.recipe == Recipe(train="all", weights="random")
    assert resolved.warnings == ("row random differs from baseline in several ways at once: weights, train",)


def test_unknown_names_and_the_baseline_cannot_be_skipped() -> None:
    with pytest.raises(UserError, match=r"--only frist: no such row: did you mean first\?"):
        resolve(CHAIN, "gpt2", only=["frist"])
    with pytest.raises(
        UserError, match="--skip xyz: no such row: known are baseline, all, random, slow, first"
    ):
        resolve(CHAIN, "gpt2", skip=["xyz"])
    with pytest.raises(UserError, match="--skip baseline: the baseline stays"):
        resolve(CHAIN, "gpt2", skip=["baseline"])


def test_rows_of_another_family_stay_as_excluded() -> None:
    toy = matrix(
        {"name": "nano", "set": {"model": "nano"}},
        {"name": "xl", "set": {"model": "gpt2-xl"}},
        {"name": "xl-all", "against": "xl", "set": {"train": "all"}},
        {"name": "mine", "set": {"model": "./mine"}},
        {"name": "tfidf", "set": {"model": "tfidf"}},
        families={"bundled": "micro"},
    )

    def excluded(models: str) -> dict[str, str]:
        return {row.name: row.excluded for row in resolve(toy, models).rows if row.excluded}

    assert recipes(resolve(toy, "bundled"))["baseline"].model == "micro"
    about_xl = "this row is about gpt2-xl; the study runs on "
    assert excluded("bundled") == {"xl": about_xl + "bundled", "xl-all": about_xl + "bundled"}
    assert excluded("mini") == {"xl": about_xl + "mini", "xl-all": about_xl + "mini"}
    assert excluded("gpt2") == {"nano": "this row is about nano; the study runs on gpt2"}
    assert set(excluded("./ckpt")) == {"nano", "xl", "xl-all"}
    assert recipes(resolve(toy, "./ckpt"))["baseline"].model == "./ckpt"


def test_more_context_than_the_model_has_is_excluded() -> None:
    toy = matrix({"name": "long", "set": {"context": 512}})
    assert resolve(toy, "gpt2").rows[1].excluded is None
    assert resolve(toy, "bundled").rows[1].excluded == "context = 512: micro reads 256 tokens at most"


@pytest.mark.parametrize("model", ["gpt2", "mini"])
@pytest.mark.parametrize("targets", [["q_proj"], ["c_fc", "tn.c_attn"], ["12.attn.c_attn"]])
def test_lora_targets_that_no_layer_has_are_excluded(model: str, targets: list[str]) -> None:
    rows = [{"name": train, "set": {"train": train, "lora_targets": targets}} for train in ("lora", "all")]
    lora, all_layers = resolve(matrix(*rows), model).rows[1:]
    assert f"lora_targets: {targets[-1]} is not a linear layer" in str(lora.excluded)
    assert all_layers.excluded is None


@pytest.mark.parametrize("name", ["lora", "depth", "peft", "size-of-data"])
def test_committed_studies_are_of_the_rows_that_their_matrix_has(name: str) -> None:
    study = load_study(Path(__file__).parents[3] / "results" / f"{name}-micro")
    found = {name: recipe.id for name, recipe in recipes(resolve(load_matrix(name), "micro")).items()}
    # peft took one factor where that study's recipe of boft says two; the matrix says one.
    of_study = {tuned.row: tuned.recipe_id for tuned in study.tuned if tuned.row != "boft"}
    assert len(of_study) > 5
    assert of_study.items() <= found.items()


def test_upper_blocks_that_a_model_does_not_have_or_that_are_all_are_excluded() -> None:
    def excluded(model: str) -> dict[str, str]:
        rows = resolve(load_matrix("depth"), model).rows
        return {row.name: row.excluded for row in rows if row.excluded}

    assert set(excluded("micro")) == {
        f"{kind}-{k}" for kind in ("top", "lora-top") for k in (4, 6, 10, 15, 20)
    }
    assert (
        excluded("micro")["top-4"] == "micro has 4 blocks: these are all of them, which other rows are about"
    )
    said = "train = lora: it is about the upper 6 blocks, and micro has 4: use fewer, or all"
    assert excluded("micro")["lora-top-6"] == said
    assert set(excluded("gpt2-xl")) == set()
    assert {"top-6", "lora-top-20"} < set(excluded("mini"))
    assert "top-4" not in excluded("mini")


def test_a_method_that_the_layers_do_not_fit_is_excluded_with_the_reason() -> None:
    toy = matrix(
        {"name": "oft", "set": {"train": {"method": "oft", "block_size": 7}}},
        {"name": "boft", "set": {"train": {"method": "boft", "block_size": 64, "factors": 3}}},
        {"name": "bitfit", "set": {"train": "bitfit"}},
    )
    excluded = {row.name: row.excluded for row in resolve(toy, "micro").rows}
    assert excluded["baseline"] is excluded["bitfit"] is None
    assert str(excluded["oft"]).startswith(
        "oft: block_size = 7 does not divide the 128 inputs of 0.attn.c_attn"
    )
    assert "boft: block_size = 64 * 2 ** 2 does not divide the 128 inputs" in str(excluded["boft"])


@pytest.mark.parametrize(
    ("row", "factors"),
    [
        ({"set": {"train": "all", "lr": 1.0}}, "train, lr"),
        ({"set": {"model": "nano"}}, None),  # its lr comes along
        ({"set": {"model": "nano", "position": "first"}}, "model, position"),
        ({"set": {"train": "lora", "lora_rank": 4, "lora_alpha": 8}}, None),
        ({"set": {"train": "all", "lora_rank": 4}}, None),  # rank means nothing without LoRA
        ({"set": {"train": "features", "lr": 1.0}}, None),
        ({"set": {"train": "all", "lr": 1.0}, "note": "as in the source"}, None),
    ],
)
def test_warning_of_several_factors(row: dict[str, Any], factors: str | None) -> None:
    toy = matrix({"name": "a", **row}, models={"nano": {"lr": 0.2}})
    expected = () if factors is None else (f"row a differs from baseline in several ways at once: {factors}",)
    assert resolve(toy, "bundled").warnings == expected


def test_no_op_must_change_nothing() -> None:
    assert resolve(matrix({"name": "a", "no_op": True, "note": "why"}), "gpt2").rows[1].no_op
    with pytest.raises(UserError, match="row 'a' is listed as a no-op, but changes position"):
        resolve(matrix({"name": "a", "no_op": True, "note": "why", "set": {"position": "first"}}), "gpt2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=1e-4", ("lr", 1e-4)),
        (" lr = 1e-4 ", ("lr", 1e-4)),
        ("epochs=3", ("epochs", 3)),
        ("attend_padding=false", ("attend_padding", False)),
        ("padding=none", ("padding", "none")),
        ('train="all"', ("train", "all")),
        ('lora_targets=["c_attn"]', ("lora_targets", ["c_attn"])),
        ("lora_scaling=alpha/rank", ("lora_scaling", "alpha/rank")),
        ("model=a=b", ("model", "a=b")),
        ("lr=1\nepochs=2", ("lr", "1\nepochs=2")),
    ],
)
def test_parse_set(text: str, expected: tuple[str, Any]) -> None:
    assert parse_set(text) == expected


@pytest.mark.parametrize("text", ["lr", "=1", "lr=", ""])
def test_parse_set_wants_field_and_value(text: str) -> None:
    with pytest.raises(UserError, match="write FIELD=VALUE, such as lr=1e-4"):
        parse_set(text)


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "train": st.sampled_from(["last_layer", "all", "lora", "features"]),
        "position": st.sampled_from(["first", "last", "mean"]),
        "model": st.sampled_from(["nano", "mini", "gpt2-xl", "tfidf"]),
        "ngrams": st.sampled_from(["words", "auto"]),
        "lr": st.sampled_from([1e-3, 1e-4]),
    },
)


@st.composite
def trees(draw: st.DrawFn) -> Matrix:
    """Up to six rows, each against the baseline or any earlier or later row before it in a random order."""
    changes = draw(st.lists(CHANGES, max_size=6))
    rows: list[dict[str, Any]] = []
    for i, change in enumerate(changes):
        above = draw(st.sampled_from([None, *(row["name"] for row in rows)]))
        rows.append({"name": f"r{i}", "set": change} | ({"against": above} if above else {}))
    return matrix(*draw(st.permutations(rows)), models={"nano": {"lr": 0.5}})


@given(trees(), st.data())
def test_narrowing_changes_no_recipe_and_leaves_no_row_without_its_rival(
    toy: Matrix, data: st.DataObject
) -> None:
    whole = resolve(toy, "bundled")
    names = [row.name for row in whole.rows]
    only = data.draw(st.lists(st.sampled_from(names), unique=True))
    skip = data.draw(st.lists(st.sampled_from(names[1:]), unique=True)) if names[1:] else []
    narrow = resolve(toy, "bundled", only=only, skip=skip)
    kept = recipes(narrow)
    assert kept.items() <= recipes(whole).items()
    assert set(only) - set(skip) <= set(kept)
    assert not set(skip) & set(kept)
    assert [name for name in names if name in kept] == list(kept)  # the file's order
    for row in narrow.rows[1:]:
        assert row.against in kept
        # Applying the changes to the row it is against gives what matters of its recipe.
        rebuilt = kept[row.against].model_copy(update=row.changes)
        assert rebuilt.choices() == row.recipe.choices()


@given(st.floats(min_value=1e-9, max_value=1e3))
def test_parse_set_reads_what_python_writes(lr: float) -> None:
    assert parse_set(f"lr={lr!r}") == ("lr", lr)


def test_shipped_rows_are_one_difference_from_their_rival() -> None:
    two = {row.name for row in resolve(load_matrix("full"), "gpt2").rows if len(row.changes) > 1}
    # xl-lora: the source's other alpha; no-padding-1: its batches of one; nano, mini bring their lr; tfidf
    # chooses what it counts.
    assert two == {"xl-lora", "no-padding-1", "nano", "mini", "tfidf"}


def test_a_method_may_be_spelled_as_a_table(tmp_path: Path) -> None:
    """The later value is the stronger one in either spelling, and a table is one change."""
    path = tmp_path / "methods.toml"
    path.write_text(
        '[baseline]\nset = { train = { method = "lora", rank = 8 } }\n'
        '[[row]]\nname = "rank"\nset = { lora_rank = 2 }\n'
        '[[row]]\nname = "alpha"\nset = { train = { method = "lora", rank = 8, alpha = 1 } }\n'
        '[[row]]\nname = "three"\nset = { train = { method = "top_blocks", k = 3 } }\n'
        '[grid]\naxes = { train = [{ method = "top_blocks", k = 4 }] }\n'
    )
    found = resolve(load_matrix(path), "bundled")
    assert found.warnings == ()
    rows = {row.name: row for row in found.rows}
    assert rows["rank"].changes == {"lora_rank": 2}
    assert rows["alpha"].changes == {"lora_alpha": 1.0}
    assert rows["three"].changes == {"train": {"method": "top_blocks", "k": 3}}
    assert rows["train=top_blocks-4"].recipe.method == TopBlocks(k=4)
    overridden = resolve(load_matrix(path), "bundled", {"lora_rank": 32})
    assert overridden.rows[0].recipe.lora_rank == 32


def test_what_tfidf_counts_comes_along_with_it_and_is_a_change_of_its_own_elsewhere() -> None:
    toy = matrix(
        {"name": "tfidf", "set": {"model": "tfidf", "ngrams": "auto"}},
        {"name": "words", "against": "tfidf", "set": {"ngrams": "words"}},
    )
    found = resolve(toy, "bundled")
    assert found.warnings == ()
    assert [row.changes for row in found.rows[1:]] == [
        {"model": "tfidf", "ngrams": "auto"},
        {"ngrams": "words"},
    ]
