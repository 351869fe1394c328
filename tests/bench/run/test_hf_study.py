"""A study on models of `transformers`: its records say which rewrites of their forward passes were on."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from bench.records.store import load_records
from gptcore.engine import self_check
from tests.bench.calling import Bench
from tests.gptcore.export.conftest import bytes_tokenizer, save_tokenizer
from tests.parity.toys import save_toy

MATRIX = """
name = "mine"
about = "two rows"
baseline = { set = { train = "all", epochs = 1, lr = 1e-3 } }
questions = { layers = "How many layers should learn?" }
row = [{ name = "features", question = "layers", set = { train = "features" } }]
"""
Rewrites = Callable[[str], dict[str, str]]


@pytest.fixture
def rewrites(bench: Bench, no_plots: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rewrites:
    """Of a toy of a family: what all records of a small study on it say."""
    del no_plots
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    lines = [f"see you at {hour},ham\nwin {hour} now,spam" for hour in range(30)]
    (tmp_path / "messages.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    (tmp_path / "mine.toml").write_text(MATRIX)

    def of(family: str) -> dict[str, str]:
        save_toy(family, tmp_path / family, vocab_size=260)
        save_tokenizer(bytes_tokenizer(), tmp_path / family, around=family == "albert")
        told = bench(
            *("run", "--matrix", "mine.toml", "--data", "messages.csv", "--device", "cpu", "--seeds", "1"),
            *("--models", str(tmp_path / family), "--out", "study"),
        )
        assert told.code == 0, told.err
        records = load_records(tmp_path / "study").values()
        assert [record.status for record in records] == ["done", "done"]
        first, second = (record.weights.rewrites for record in records if record.weights)
        assert first is not None
        assert first == second
        return first

    return of


def test_all_are_on_where_all_hold(rewrites: Rewrites) -> None:
    assert rewrites("llama") == dict.fromkeys(self_check.REWRITES, "on")


def test_an_architecture_says_what_it_cannot_do(rewrites: Rewrites) -> None:
    found = rewrites("albert")
    assert found["trunk"] == found["reads"] == "off: one block serves as all of them"
    assert found["packed"] == "on"


def test_one_that_a_trial_does_not_confirm_is_off_with_the_reason(
    rewrites: Rewrites, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: object) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(self_check._Trials, "packed", fail)
    off = {name: why for name, why in rewrites("llama").items() if why != "on"}
    assert off == {"packed": "off: RuntimeError: shapes do not fit"}
