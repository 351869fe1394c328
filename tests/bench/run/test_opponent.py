"""Timing against a loop of transformers: what is asked, and that both sides are scaled to the same whole."""

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from bench.run import opponent, speed_run
from bench.run.options import SpeedOptions
from bench.run.speed_run import open_opponent, opponent_of
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.model_info import read_info
from gptcore.data.datasets import load_dataset
from gptcore.errors import UserError
from gptcore.training.stand_in import SliceSize
from gptcore.training.transformers_loop import AT_A_TIME
from tests.gptcore.export.conftest import bytes_tokenizer, save_tokenizer
from tests.parity.toys import save_toy


@pytest.fixture
def data(tmp_path: Path) -> str:
    lines = [f"see you at {hour},ham\nwin {hour} now,spam" for hour in range(30)]
    path = tmp_path / "messages.csv"
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return str(path)


@pytest.fixture(params=["llama", "bert"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    folder = tmp_path / request.param
    save_toy(request.param, folder, vocab_size=260)
    save_tokenizer(bytes_tokenizer(), folder, around=request.param == "bert")
    return str(folder)


def options(model: str, data: str, **more: object) -> SpeedOptions:
    return dataclasses.replace(SpeedOptions(models=model, data=data, device="cpu", pairs=2), **more)


def test_every_row_is_timed_in_turn(
    model: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opponent, "probe_precision", lambda _device: "float32")
    monkeypatch.setattr(opponent, "_rounds_faster", lambda _device: True)
    monkeypatch.setattr(opponent, "SIZE", SliceSize(batches=1, evaluated=4, stand_in=False))
    asked = options(model, data, out=tmp_path)
    config = opponent_of(asked)
    assert isinstance(config, HFConfig)
    run = open_opponent(asked, config)
    assert [row.name for row in run.rows] == ["last-block", "all-layers", "lora"]
    told: list[tuple[str, float]] = []
    chosen = run.rows[:1] if config.model_type == "llama" else run.rows[2:]
    study = opponent.measure_against(config, chosen, run.data, 1, "cpu", lambda *what: told.append(what))
    assert [share for _, share in told] == pytest.approx([0, 1 / 3, 2 / 3])
    (row,) = study.rows
    assert len(row.ours) == 1
    assert {len(taken) for taken in row.theirs.values()} == {1}
    assert all(ratio > 0 for ratio in (*row.ratios, *row.further_ratios, *row.prediction_ratios))
    assert ("trunk" in row.ours[0].phases) == (row.row == "last-block")
    assert study.padded is not None
    assert all(1 < share < 2 for share in study.padded.values())


def test_padding_is_that_of_their_batches(tmp_path: Path) -> None:
    path = tmp_path / "lengths.csv"
    short = [f"{letter},{label}" for letter in "abcdefghijklmnop" for label in ("ham", "spam")]
    path.write_text("\n".join(["text,label", *short, "x" * 50 + ",ham", "y" * 50 + ",spam"]) + "\n")
    folder = tmp_path / "llama"
    save_toy("llama", folder, vocab_size=260)
    save_tokenizer(bytes_tokenizer(), folder, around=False)
    asked = options(str(folder), str(path))
    config = read_info(folder)
    assert isinstance(config, HFConfig)
    run = open_opponent(asked, config)
    lengths = [len(text) for text in run.data.test.texts]
    found = opponent.padding_of(config, run.rows[0].recipe, run.data)
    assert len(lengths) < AT_A_TIME  # one batch
    assert found["evaluate"] == max(lengths) * len(lengths) / sum(lengths)
    assert found["train"] >= 1


def test_their_run_is_scaled_by_steps_and_texts(
    model: str, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = options(model, data)
    config = read_info(Path(model))
    assert isinstance(config, HFConfig)
    recipe = open_opponent(asked, config).rows[0].recipe
    monkeypatch.setattr(opponent.TransformersLoop, "epoch", lambda *_: ([0.5, 0.5], 3.0))
    monkeypatch.setattr(opponent.TransformersLoop, "seconds_for", lambda _self, rows: 2.0 * len(rows))
    whole = load_dataset(data)
    found = opponent.their_run(config, recipe, whole, "float32", "cpu").phases
    n_train, n_validation, n_test = (len(split) for split in (whole.train, whole.validation, whole.test))
    assert found["train"] == pytest.approx(1.5 * recipe.epochs * (n_train // recipe.batch_size))
    assert found["evaluate"] == pytest.approx(2.0 * (n_train + recipe.epochs * n_validation + n_test))


def test_a_model_that_is_not_at_hand_is_fetched(
    model: str, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed_run, "known_config", lambda _name: None)
    monkeypatch.setattr(speed_run, "checkpoint_folder", lambda name: {"smollm2-135m": Path(model)}[name])
    assert opponent_of(options("smollm2-135m", data)) == read_info(Path(model))


def test_a_model_that_cannot_be_fetched_is_refused_with_its_terms(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="--accept-licence gemma"):
        opponent_of(options("gemma3-270m", data))


def test_the_engines_are_compared_where_the_code_is_ours(data: str) -> None:
    assert opponent_of(options("nano", data)) is None
    assert opponent_of(options("gpt2", data)) is None
    with pytest.raises(UserError, match="--against transformers: nano is run by code of this project"):
        opponent_of(options("nano", data, against="transformers"))


def test_what_does_not_fit_is_refused(model: str, data: str) -> None:
    config = read_info(Path(model))
    assert isinstance(config, HFConfig)
    with pytest.raises(UserError, match="--whole: not with --against transformers"):
        open_opponent(options(model, data, whole=["lora"]), config)
    with pytest.raises(UserError, match="--only tfidf: unknown row"):
        open_opponent(options(model, data, only=["tfidf"]), config)
    assert opponent_of(options(model, data, against="plain")) is None
