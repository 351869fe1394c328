"""Measuring speed: every row under both engines, in turn, and whole runs where they are asked for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.records.store import save_speed
from bench.records.study import Row
from bench.run import runner, speed
from bench.run.options import SpeedOptions
from bench.run.speed_run import SpeedRun, open_speed
from gptcore.backbones.config import FAMILIES, REGISTRY, ModelConfig, ModelEntry
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training import probe
from gptcore.training.stand_in import SliceSize

TOY = ModelConfig(d_model=16, n_layer=2, n_head=2, context=256, vocab_size=8192, tokenizer="embedded")


@pytest.fixture(autouse=True)
def toy_models(monkeypatch: pytest.MonkeyPatch, in_process: type) -> None:
    """The bundled family at toy size, and slices of a batch, taken once however short they are."""
    monkeypatch.setattr(probe, "SHORT_S", 0.0)
    monkeypatch.setattr(speed, "Supervisor", in_process)
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


def prepared(
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    whole: Sequence[str] = (),
    pairs: int = 1,
    out: Path = Path("nowhere"),
) -> SpeedRun:
    return open_speed(
        SpeedOptions(
            models="embedded",
            only=list(only),
            skip=list(skip),
            whole=list(whole),
            pairs=pairs,
            device="cpu",
            out=out,
        )
    )


def rows() -> list[Row]:
    base = Recipe(model="mini", epochs=2)
    return [
        Row(name="baseline", recipe=base),
        Row(name="first-token", recipe=base.model_copy(update={"position": "first"})),
        Row(name="all-layers", recipe=base.model_copy(update={"train": "all"})),
    ]


def test_every_row_is_timed_in_pairs(toy_data: Dataset) -> None:
    told: list[tuple[str, float]] = []
    extra_rows = [Row(name="all-layers-last-real-token", recipe=Recipe(model="mini", train="all", epochs=2))]
    found = speed.measure(*("mini", rows(), extra_rows, toy_data, 2, "cpu"), lambda *what: told.append(what))
    assert [row.row for row in found.extra_rows] == ["all-layers-last-real-token"]
    assert [row.row for row in found.rows] == ["baseline", "first-token", "all-layers"]
    for row in (*found.rows, *found.extra_rows, *found.by_length, *found.by_model):
        assert len(row.plain) == len(row.fast) == 2
        assert all(taken.total_s > 0 for taken in (*row.plain, *row.fast))
        assert all("trunk" not in taken.phases for taken in row.plain)
    assert [row.recipe.context for row in found.by_length] == list(speed.LENGTHS)
    assert [row.recipe.model for row in found.by_model] == ["nano", "micro"]
    keys = [row.trunk_key for row in found.rows]
    assert keys[2] is None
    assert None not in keys[:2]
    assert keys[0] != keys[1]
    n = 3 + 1 + len(speed.LENGTHS) + 2
    assert [done for _, done in told] == pytest.approx([i / n for i in range(n)])
    assert told[-1][0] == "micro"


def test_whole_rows_come_one_by_one(toy_data: Dataset) -> None:
    told: list[tuple[str, float]] = []
    asked = [rows()[2], rows()[0]]
    measured = speed.measure_end_to_end(asked, toy_data, "cpu", lambda *what: told.append(what))
    first = next(measured)
    assert first.row == "all-layers"
    assert not any(what.startswith("baseline, end to end") for what, _ in told)
    second = next(measured)
    assert second.extrapolated.recipe == asked[1].recipe
    assert "trunk" in second.fast.phases
    assert "trunk" not in second.plain.phases
    for whole in (second.fast, second.plain):
        assert {"train", "evaluate"} <= set(whole.phases)
        assert whole.total_s > 0
        assert whole.mem_bytes
    assert second.environment.dtype == "float32"
    with pytest.raises(StopIteration):
        next(measured)
    assert [what for what, _ in told] == [
        "slices of all-layers, baseline",
        *(
            f"{row}, end to end, {engine}{epoch}"
            for row in ("all-layers", "baseline")
            for engine in ("fast", "plain")
            for epoch in ("", ", epoch 1 done", ", epoch 2 done")
        ),
    ]
    shares = [done for _, done in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)


def test_a_whole_run_that_fails_is_told(toy_data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("too large")

    monkeypatch.setattr(runner, "fit", fail)
    measured = speed.measure_end_to_end([rows()[0]], toy_data, "cpu", lambda *_: None)
    with pytest.raises(
        UserError,
        match="baseline could not be timed end to end with the fast engine: out of memory: MemoryError: too",
    ):
        next(measured)


def test_rows_of_one_model_each_recipe_once(monkeypatch: pytest.MonkeyPatch, toy_data: Dataset) -> None:
    monkeypatch.setattr("bench.run.speed_run.load_dataset", lambda _name, **_columns: toy_data)
    asked = prepared(skip=["lora"], whole=["all-layers,baseline"])
    assert asked.models == "bundled"
    assert [row.name for row in asked.end_to_end] == ["all-layers", "baseline"]
    assert asked.rows[0].name == "baseline"
    names = [row.name for row in asked.rows]
    assert not {"nano", "tfidf", "lora", "ignore-index", "xl"} & set(names)
    assert {row.recipe.model for row in asked.rows} == {"micro"}
    assert len({row.recipe.id for row in asked.rows}) == len(asked.rows)


def test_all_layers_and_lora_are_also_timed_where_the_real_tokens_alone_matter(
    monkeypatch: pytest.MonkeyPatch, toy_data: Dataset
) -> None:
    monkeypatch.setattr("bench.run.speed_run.load_dataset", lambda _name, **_columns: toy_data)
    asked = prepared(whole=["lora-last-real-token"])
    assert asked.end_to_end == asked.extra_rows[1:]
    assert [row.name for row in asked.extra_rows] == ["all-layers-last-real-token", "lora-last-real-token"]
    assert [row.recipe.position for row in asked.extra_rows] == ["last_real"] * 2
    assert [row.recipe.train for row in asked.extra_rows] == ["all", "lora"]
    assert not prepared(only=["last-layer"]).extra_rows


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"whole": []}, "name a row with --whole"),
        ({"whole": ["baseline"]}, "bundled.json does not exist"),
    ],
)
def test_without_pairs_there_must_be_a_page_and_a_row(
    monkeypatch: pytest.MonkeyPatch, toy_data: Dataset, given: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr("bench.run.speed_run.load_dataset", lambda _name, **_columns: toy_data)
    with pytest.raises(UserError, match=f"--pairs 0.*{said}"):
        prepared(**given, pairs=0)


def test_without_pairs_the_page_must_be_about_the_same_data(
    monkeypatch: pytest.MonkeyPatch, toy_data: Dataset, tmp_path: Path
) -> None:
    study = speed.measure("bundled", rows(), [], toy_data, 1, "cpu", lambda *_: None)
    save_speed(tmp_path / "bundled.json", study)
    monkeypatch.setattr("bench.run.speed_run.load_dataset", lambda _name, **_columns: toy_data)
    assert prepared(whole=["baseline"], pairs=0, out=tmp_path).before == study
    monkeypatch.setattr(
        "bench.run.speed_run.load_dataset", lambda _name, **_columns: replace(toy_data, name="others")
    )
    with pytest.raises(UserError, match=r"about messages.csv with 42 .* this is others with 42: use"):
        prepared(whole=["baseline"], pairs=0, out=tmp_path)


def test_a_whole_row_that_is_not_timed_is_named() -> None:
    with pytest.raises(UserError, match="--whole tfidf: unknown row"):
        prepared(whole=["tfidf"])


def test_the_conventional_work_follows_the_data(toy_data: Dataset) -> None:
    timer = speed._Timer(toy_data, "cpu", "mini")
    recipe = rows()[2].recipe
    once = timer.row("all-layers", recipe, 1)
    doubled = replace(
        toy_data,
        train=replace(
            toy_data.train,
            texts=toy_data.train.texts * 2,
            labels=toy_data.train.labels.repeat(2),
        ),
    )
    timer.data = doubled
    twice = timer.row("all-layers", recipe, 1)
    assert once.plain_flops is not None
    assert twice.plain_flops is not None
    texts = [len(split) for split in (toy_data.train, toy_data.validation, toy_data.test)]
    n_train, n_validation, n_test = texts
    # forward once, backward twice: three passes a trained text and epoch, one for each that is predicted
    passes = [3 * 2 * n + n + 2 * n_validation + n_test for n in (n_train, 2 * n_train)]
    assert twice.plain_flops / once.plain_flops == pytest.approx(passes[1] / passes[0])
