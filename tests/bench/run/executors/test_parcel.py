"""What a session needs arrives on a machine that shares no folder with the one that sent it."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.run.executors.base import Job
from bench.run.executors.parcel import Parcel, pack, unpack
from bench.run.outcome import record_without_outcome
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.fingerprint import checkpoint_fingerprint
from gptcore.backbones.weights import random_gpt, save_gpt
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shape = ModelConfig(d_model=16, n_layer=2, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
    save_gpt(random_gpt(shape, 0), tmp_path / "here" / "toy-gpt")
    return tmp_path / "here" / "toy-gpt"


class Store:
    """Stands in for an object store, and counts what is fetched."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.n_fetched = 0

    def put(self, content: bytes) -> int:
        self.kept.append(content)
        return len(self.kept) - 1

    def get(self, reference: int) -> bytes:
        self.n_fetched += 1
        return self.kept[reference]


def packed(model: Path, store: Store) -> Parcel:
    data = Dataset.from_texts([f"text {i}" for i in range(20)], ["ham", "spam"] * 10)
    digest = checkpoint_fingerprint(model)
    assert digest is not None
    recipe = Recipe(model=str(model))
    spec = SessionSpec(
        data, "fast", "float32", "cpu", checkpoints={str(model): digest, "nano": "n"}, baseline=recipe
    )
    sent: Any = pickle.loads(pickle.dumps(pack(spec, store.put)))
    assert isinstance(sent, Parcel)
    return sent


def test_a_folder_that_is_here_is_used_where_it_lies(model: Path) -> None:
    store = Store()
    unpacked = unpack(packed(model, store), store.get)
    assert dict(unpacked.places) == {str(model): str(model)}
    assert store.n_fetched == 0


def test_a_folder_that_is_not_here_arrives_once_and_records_name_it_as_it_was_asked_for(
    model: Path, tmp_path: Path
) -> None:
    store = Store()
    sent = packed(model, store)
    digest = sent.spec.checkpoints[str(model)]
    shutil.move(model.parent, tmp_path / "elsewhere")
    unpacked = unpack(sent, store.get)
    place = Path(unpacked.places[str(model)])
    assert place.name == "toy-gpt"
    assert checkpoint_fingerprint(place) == digest == unpacked.spec.checkpoints[str(place)]
    assert unpacked.spec.baseline == Recipe(model=str(place))
    fetched = store.n_fetched
    assert fetched == len(store.kept) > 1
    assert unpack(sent, store.get).places == unpacked.places
    assert store.n_fetched == fetched

    run = PlannedRun(("row",), Recipe(model=str(model)), 3, Seeds(), "todo")
    (here,) = unpacked.job(Job(0, (run,))).runs
    assert here == replace(run, recipe=Recipe(model=str(place)))
    from bench.run.environment import describe_environment

    record = record_without_outcome(
        *(here, "failed", "why"),
        engine="fast",
        data=sent.spec.data,
        environment=describe_environment("cpu", "float32", 1),
    )
    back = unpacked.record(record, run.recipe)
    assert (back.run_id, back.recipe_id, back.recipe) == (run.run_id, run.recipe.id, run.recipe)


def test_other_code_and_a_checkpoint_that_changed_are_refused(model: Path, tmp_path: Path) -> None:
    store = Store()
    sent = packed(model, store)
    with pytest.raises(UserError, match="other code of this project"):
        unpack(replace(sent, code="of yesterday"), store.get)
    shutil.move(model.parent, tmp_path / "elsewhere")
    store.kept = [content + b" " for content in store.kept]
    with pytest.raises(UserError, match="the checkpoint of toy-gpt changed while it was sent"):
        unpack(sent, store.get)
