"""Probes: which recipes share one, that they stand for the whole data and model, and leave nothing behind."""

from pathlib import Path

import pytest
import torch

from gptcore.data.datasets import Dataset, load_dataset
from gptcore.finetune import probe as module
from gptcore.finetune.engine import Engine
from gptcore.finetune.fit import fit
from gptcore.finetune.probe import cost_id, probe
from gptcore.finetune.recipe import Recipe
from gptcore.models.config import REGISTRY, ModelConfig, ModelEntry

TOY = ModelConfig(d_model=16, n_layer=4, n_head=2, context=32, vocab_size=8192, tokenizer="embedded")
RECIPE = Recipe(model="toy", weights="random", batch_size=2, epochs=3)


@pytest.fixture(autouse=True)
def toy_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "toy", ModelEntry(config=TOY, source="bundled", about="a toy"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    lines = ["text,label"]
    lines += [f"{'see you ' * (hour % 9)}at {hour},ham\nwin {hour} prizes,spam" for hour in range(60)]
    path = tmp_path_factory.mktemp("data") / "messages.csv"
    path.write_text("\n".join(lines) + "\n")
    return load_dataset(path)


def test_recipes_that_cost_the_same_share_a_probe() -> None:
    same = [{"lr": 1.0}, {"weights": "pretrained"}, {"patience": 1}, {"schedule": "cosine"}]
    other = [
        {"train": "all"},
        {"position": "first"},
        {"batch_size": 4},
        {"padding": "none"},
        {"context": 8},
        {"epochs": 9},
    ]
    assert {cost_id(RECIPE.model_copy(update=change)) for change in same} == {cost_id(RECIPE)}
    assert len({cost_id(RECIPE.model_copy(update=change)) for change in [{}, *other]}) == 1 + len(other)


def test_a_slice_has_texts_of_every_length(data: Dataset) -> None:
    part = module._slice(data, 8, 4, 10**6)
    assert (len(part.train), len(part.validation), len(part.test)) == (8, 4, len(data.test))
    lengths = [len(text) for text in part.train.texts]
    everyone = sorted(len(text) for text in data.train.texts)
    assert lengths == sorted(lengths)
    assert lengths[0] <= everyone[len(everyone) // 8]
    assert lengths[-1] >= everyone[-len(everyone) // 8]
    by_text = dict(zip(data.train.texts, data.train.labels, strict=True))
    assert [by_text[text] for text in part.train.texts] == part.train.labels.tolist()


@pytest.mark.parametrize("train", ["last_layer", "last_block", "all", "lora", "features"])
def test_every_phase_of_the_run_is_foretold(data: Dataset, train: str) -> None:
    recipe = RECIPE.model_copy(update={"train": train})
    found = probe(recipe, data, Engine(), "cpu")
    assert found.phases.keys() == fit(recipe, data, 0, Engine(), "cpu").phases.keys()
    assert all(seconds >= 0 for seconds in found.phases.values())


def test_phases_are_scaled_to_the_whole_data(data: Dataset) -> None:
    """With a clock that counts positions, the prediction is the count of the whole run."""
    recipe = RECIPE.model_copy(update={"train": "all", "position": "last"})
    engine = Engine("plain")
    whole, part = fit(recipe, data, 0, engine, "cpu"), module._slice(data, 8, 32, 32)
    sliced = fit(recipe.model_copy(update={"epochs": 2}), part, 0, engine, "cpu")
    assert whole.inputs
    assert sliced.inputs
    width = whole.inputs.train.width
    epochs = [epoch.__class__(e, 1, 0, 0, 0, train_s=4.0 * e) for e, epoch in enumerate(sliced.epochs, 1)]
    n_sliced = len(part.train) + 3 * len(part.validation) + len(part.test)
    object.__setattr__(sliced, "epochs", epochs)
    object.__setattr__(sliced, "phases", {"load": 5.0, "train": 8.0, "evaluate": n_sliced * width * 1.0})
    phases = module._scaled(sliced, recipe, whole.inputs, part, data, engine)
    n_evaluated = len(data.train) + (1 + recipe.epochs) * len(data.validation) + len(data.test)
    assert phases["load"] == 5
    assert phases["evaluate"] == pytest.approx(n_evaluated * width)
    # four seconds for the four batches of an epoch of the slice
    assert phases["train"] == pytest.approx(len(data.train) // 2 * recipe.epochs)


def test_positions_of_a_view_that_trims() -> None:
    view = Engine().view(RECIPE.model_copy(update={"position": "last_real"}))
    lengths = torch.tensor([3] * 32 + [9] * 2 + [1] * 32)
    assert module._positions(lengths, 20, view) == 32 * 1 + 32 * 3 + 2 * 9
    assert module._positions(lengths, 20, Engine("plain").view(RECIPE)) == 66 * 20


def test_a_large_model_is_stood_for_by_fewer_blocks(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    xl = REGISTRY["gpt2-xl"].config
    small = module._stand_in(xl, Recipe(model="gpt2-xl"))
    assert (small.n_layer, small.d_model, small.vocab_size) == (2, xl.d_model, xl.vocab_size)
    assert module._stand_in(TOY, RECIPE) == TOY
    phases = {"trunk": 1.0, "train": 1.0, "evaluate": 1.0, "tokenise": 1.0}
    block, everything = RECIPE, RECIPE.model_copy(update={"train": "all"})
    deep, shallow = TOY.model_copy(update={"n_layer": 12}), TOY.model_copy(update={"n_layer": 3})
    fast, plain = Engine("fast"), Engine("plain")
    assert module._deepened(phases, block, shallow, deep, fast) == phases | {"trunk": 11 / 2}
    assert module._deepened(phases, everything, shallow, deep, fast) == phases | {"train": 4, "evaluate": 4}
    head = RECIPE.model_copy(update={"train": "last_layer"})
    assert module._deepened(phases, head, shallow, deep, fast) == phases | {"trunk": 4}
    found = module._deepened(phases, block, shallow, deep, plain)
    assert found == phases | {"train": (12 + 2) / (3 + 2), "evaluate": 4, "trunk": 11 / 2}
    # and through the real thing
    monkeypatch.setattr(module, "STAND_IN_PARAMS", 0)
    whole = probe(RECIPE, data, fast, "cpu")
    assert whole.trunk is not None
    assert whole.trunk.depth == 3


def test_the_trunk_that_two_recipes_share(data: Dataset) -> None:
    def need(**changes: object) -> module.TrunkNeed | None:
        return probe(RECIPE.model_copy(update=changes), data, Engine(), "cpu").trunk

    block, two, features = need(), need(train="last_two_blocks"), need(train="features")
    assert block
    assert two
    assert features
    assert (block.rows, block.depth, two.depth, features.depth) == (two.rows, 3, 2, 4)
    assert features.below == block
    assert need(train="all") is None
    assert need(attention="bidirectional").rows != block.rows  # type: ignore[union-attr]
    assert need(epochs=1, lr=1.0, weights="pretrained") == block  # what tells weights apart is their seed


def test_nothing_is_left_behind(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = Engine()
    probe(RECIPE, data, engine, "cpu")
    assert list(tmp_path.iterdir()) == []
    assert not engine.trunks._in_memory
