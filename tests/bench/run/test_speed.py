"""Measuring speed: every row under both engines, in turn, and whole runs where they are asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.prepare import prepare_speed
from bench.run import speed
from bench.study.manifest import Row
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.errors import UserError
from gptcore.finetune.probe import SliceSize
from gptcore.finetune.recipe import Recipe
from gptcore.models.config import FAMILIES, REGISTRY, ModelConfig, ModelEntry

TOY = ModelConfig(d_model=16, n_layer=2, n_head=2, context=256, vocab_size=8192, tokenizer="embedded")


@pytest.fixture(autouse=True)
def toy_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded family at toy size, and slices of a batch."""
    for name in ("nano", "micro", "mini"):
        monkeypatch.setitem(REGISTRY, name, ModelEntry(config=TOY, source="bundled", about="a toy"))
    small = SliceSize(batches=1, evaluated=4, stand_in=False)
    monkeypatch.setattr(speed, "SLICES", {name: dict.fromkeys(FAMILIES, small) for name in ("plain", "fast")})
    monkeypatch.setattr(speed, "probe_precision", lambda _device: "float32")


@pytest.fixture
def toy_data(tmp_path: Path) -> Dataset:
    lines = [f"see you at {hour} then,ham\nwin {hour} free prizes now,spam" for hour in range(30)]
    path = tmp_path / "messages.csv"
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return load_dataset(path)


def rows() -> list[Row]:
    base = Recipe(model="mini", epochs=2)
    return [
        Row(name="baseline", recipe=base),
        Row(name="first-token", recipe=base.model_copy(update={"position": "first"})),
        Row(name="all-layers", recipe=base.model_copy(update={"train": "all"})),
    ]


def test_every_row_is_timed_in_pairs(toy_data: Dataset) -> None:
    told: list[tuple[str, int, int]] = []
    beyond = [Row(name="all-layers-last-real-token", recipe=Recipe(model="mini", train="all", epochs=2))]
    found = speed.measure(
        *("mini", rows(), beyond, ["baseline", beyond[0].name], toy_data, 2, "cpu"),
        lambda *what: told.append(what),
    )
    assert [row.row for row in found.beyond] == ["all-layers-last-real-token"]
    assert set(found.beyond[0].whole) == {"plain", "fast"}
    assert [row.row for row in found.rows] == ["baseline", "first-token", "all-layers"]
    for row in (*found.rows, *found.beyond, *found.by_length, *found.by_model):
        assert len(row.plain) == len(row.fast) == 2
        assert all(taken.total_s > 0 for taken in (*row.plain, *row.fast))
        assert all("trunk" not in taken.phases for taken in row.plain)
    assert [row.recipe.context for row in found.by_length] == list(speed.LENGTHS)
    assert [row.recipe.model for row in found.by_model] == ["nano", "micro"]
    whole = found.rows[0].whole
    assert set(whole) == {"plain", "fast"}
    assert "trunk" in whole["fast"].phases
    assert found.rows[1].whole == {}
    keys = [row.trunk_key for row in found.rows]
    assert keys[2] is None
    assert None not in keys[:2]
    assert keys[0] != keys[1]
    n = 3 + 1 + len(speed.LENGTHS) + 2 + 2
    assert [(done, of) for _, done, of in told] == [(i, n) for i in range(n)]
    assert [name for name, _, _ in told[-2:]] == ["baseline, whole", "all-layers-last-real-token, whole"]


def test_rows_of_one_model_each_recipe_once(monkeypatch: pytest.MonkeyPatch, toy_data: Dataset) -> None:
    monkeypatch.setattr("bench.prepare.load_dataset", lambda _name: toy_data)
    asked = prepare_speed("embedded", "sms-spam", [], ["lora"], ["all-layers,baseline"], "cpu")
    assert asked.whole == ["all-layers", "baseline"]
    assert asked.rows[0].name == "baseline"
    names = [row.name for row in asked.rows]
    assert not {"nano", "tfidf", "lora", "ignore-index", "xl"} & set(names)
    assert {row.recipe.model for row in asked.rows} == {"mini"}
    assert len({row.recipe.id for row in asked.rows}) == len(asked.rows)


def test_all_layers_and_lora_are_also_timed_where_the_real_tokens_alone_matter(
    monkeypatch: pytest.MonkeyPatch, toy_data: Dataset
) -> None:
    monkeypatch.setattr("bench.prepare.load_dataset", lambda _name: toy_data)
    asked = prepare_speed("embedded", "sms-spam", [], [], ["lora-last-real-token"], "cpu")
    assert asked.whole == ["lora-last-real-token"]
    assert [row.name for row in asked.beyond] == ["all-layers-last-real-token", "lora-last-real-token"]
    assert [row.recipe.position for row in asked.beyond] == ["last_real"] * 2
    assert [row.recipe.train for row in asked.beyond] == ["all", "lora"]
    assert not prepare_speed("embedded", "sms-spam", ["last-layer"], [], [], "cpu").beyond


def test_a_whole_row_that_is_not_timed_is_named() -> None:
    with pytest.raises(UserError, match="--whole tfidf: no such row is timed"):
        prepare_speed("embedded", "sms-spam", [], [], ["tfidf"], "cpu")


def test_the_conventional_work_follows_the_data(toy_data: Dataset) -> None:
    timer = speed._Timer(toy_data, "float32", "cpu", "embedded", 1)
    recipe = rows()[2].recipe
    once = timer.row("all-layers", recipe)
    doubled = replace(
        toy_data,
        train=replace(
            toy_data.train,
            texts=toy_data.train.texts * 2,
            labels=toy_data.train.labels.repeat(2),
        ),
    )
    timer.data = doubled
    twice = timer.row("all-layers", recipe)
    assert once.plain_flops is not None
    assert twice.plain_flops is not None
    texts = [len(split) for split in (toy_data.train, toy_data.validation, toy_data.test)]
    n_train, n_validation, n_test = texts
    # forward once, backward twice: three passes a trained text and epoch, one for each that is predicted
    passes = [3 * 2 * n + n + 2 * n_validation + n_test for n in (n_train, 2 * n_train)]
    assert twice.plain_flops / once.plain_flops == pytest.approx(passes[1] / passes[0])
