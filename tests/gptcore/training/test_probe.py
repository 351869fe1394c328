"""Probes: which recipes share one, that they stand for the whole data and model, and leave nothing behind."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from gptcore.backbones.config import REGISTRY, ModelConfig, ModelEntry
from gptcore.backbones.weights import hf_config
from gptcore.data import rows as batching
from gptcore.data.datasets import Dataset, Split, load_dataset
from gptcore.engine.attention import Packing
from gptcore.engine.engine import Engine
from gptcore.engine.layout import EngineName
from gptcore.recipe import Recipe
from gptcore.result import CutTexts, Fit
from gptcore.training import probe as module
from gptcore.training import sample as sample_module
from gptcore.training import stand_in
from gptcore.training.build import build_backbone, build_classifier
from gptcore.training.costs import estimate_memory
from gptcore.training.evaluate import evaluate
from gptcore.training.fit import fit
from gptcore.training.inputs import prepare_inputs
from gptcore.training.padding import other_paddings
from gptcore.training.probe import cost_id, probe, take_sample
from gptcore.training.stand_in import FORECAST_SIZE, SliceSize
from gptcore.training.trunk_need import TrunkNeed, n_positions

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
    part = stand_in.slice_of(data, 8, 4, 10**6)
    assert (len(part.train), len(part.validation), len(part.test)) == (8, 4, len(data.test))
    lengths = [len(text) for text in part.train.texts]
    everyone = sorted(len(text) for text in data.train.texts)
    assert lengths == sorted(lengths)
    assert lengths[0] <= everyone[len(everyone) // 8]
    assert lengths[-1] >= everyone[-len(everyone) // 8]
    by_text = dict(zip(data.train.texts, data.train.labels, strict=True))
    assert [by_text[text] for text in part.train.texts] == part.train.labels.tolist()


@pytest.mark.parametrize(
    ("positions_per_row", "fewest_batches", "expected"),
    [
        (120, 1, (8, 4, 32)),  # the published study: 8 rows to a batch, 4 batches, 32 texts evaluated
        (1024, 1, (4, 4, 16)),
        (8192, 1, (1, 2, 2)),
        (100_000, 1, (1, 1, 1)),
        (100_000, 8, (1, 8, 1)),  # gradients are accumulated over 8 batches: a step has no fewer
    ],
)
def test_a_slice_of_long_rows_has_fewer(
    positions_per_row: float, fewest_batches: int, expected: tuple[int, int, int]
) -> None:
    assert FORECAST_SIZE.rows(8, fewest_batches, positions_per_row) == expected
    assert SliceSize().rows(8, fewest_batches, positions_per_row) == (
        8,
        max(4, fewest_batches),
        32,
    )


def test_smaller_batches_are_scaled_to_the_recipes_own(data: Dataset) -> None:
    recipe = RECIPE.model_copy(update={"batch_size": 8, "context": "model", "train": "all"})
    sample = take_sample(recipe, data, Engine("plain"), "cpu", SliceSize(positions=4 * 32))
    assert sample is not None
    assert sample.n_train == 4  # rows of 32 columns, one to a batch
    assert sample.of(data).phases["train"] == pytest.approx(
        sample.batch_s * (len(data.train) // 8) * recipe.epochs
    )


def test_a_checkpoints_own_tokenizer_is_used(data: Dataset, tmp_path: Path) -> None:
    words = sorted({word for text in data.train.texts for word in text.split()})
    vocab = {word: i for i, word in enumerate(["[UNK]", "[PAD]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": "[PAD]"}')
    config = hf_config(TOY.model_copy(update={"vocab_size": 500}))
    (tmp_path / "config.json").write_text(json.dumps(config))
    recipe = RECIPE.model_copy(update={"model": str(tmp_path)})
    sample = take_sample(recipe, data, Engine(), "cpu")
    result = fit(recipe, data, 0, Engine(), "cpu")
    assert sample is not None
    assert sample.inputs is not None
    assert result.inputs is not None
    assert sample.inputs.tokenizer_fingerprint == result.inputs.tokenizer_fingerprint
    assert (result.inputs.train.values[~result.inputs.train.real] == 1).all()
    longest = max(len(text.split()) for text in data.train.texts)
    assert result.inputs.tokens_per_row == sample.inputs.tokens_per_row == longest


@pytest.mark.parametrize("train", ["last_layer", "last_block", "all", "lora", "features"])
def test_every_phase_of_the_run_is_forecast(data: Dataset, train: str) -> None:
    recipe = RECIPE.model_copy(update={"train": train})
    found = probe(recipe, data, Engine(), "cpu")
    assert found.phases.keys() == fit(recipe, data, 0, Engine(), "cpu").phases.keys()
    assert all(seconds >= 0 for seconds in found.phases.values())


def sample_of(recipe: Recipe, engine: Engine, part: Dataset, n_evaluations: int) -> sample_module.Sample:
    """As taken by a clock that counts: positions for phases, and 4 for a batch."""
    inputs = prepare_inputs(part, recipe.model_copy(update={"context": 32}), engine.layout(recipe, TOY), TOY)
    n_texts = len(part.train) + len(part.test) + max(1, n_evaluations) * len(part.validation)
    phases = {"load": 5.0, "train": 8.0, "evaluate": n_texts * 32.0}
    return sample_module.Sample(recipe, engine, TOY, TOY, phases, inputs, len(part.train), 4.0, n_evaluations)


@pytest.mark.parametrize("train", ["all", "features"])
def test_phases_are_scaled_to_the_whole_data(data: Dataset, train: str) -> None:
    recipe = RECIPE.model_copy(update={"train": train, "context": 32, "padding": "right"})
    engine, part = Engine("plain"), stand_in.slice_of(data, 8, 32, 32)
    epochs = 0 if train == "features" else recipe.epochs
    sample = sample_of(recipe, engine, part, 2 if epochs else 0)
    phases = sample_module._scaled(sample, prepare_inputs(data, recipe, engine.layout(recipe, TOY), TOY))
    n_evaluated = len(data.train) + max(1, epochs) * len(data.validation) + len(data.test)
    assert phases["load"] == 5
    assert phases["evaluate"] == pytest.approx(n_evaluated * 32)
    if epochs:
        assert phases["train"] == pytest.approx(4 * (len(data.train) // 2) * recipe.epochs)
    else:
        assert phases["train"] == pytest.approx(8 * len(data.train) / 8)


@pytest.mark.parametrize("train", ["all", "last_block"])
def test_test_texts_under_other_paddings_cost_what_their_positions_do(data: Dataset, train: str) -> None:
    recipe = RECIPE.model_copy(update={"train": train, "context": 16, "padding": "right"})
    engine, part = Engine("fast"), stand_in.slice_of(data, 8, 32, 32)
    layout = engine.layout(recipe, TOY)
    sample = sample_of(recipe, engine, part, 2)  # a second for a position above the frozen blocks
    n_rows = sum(map(len, (part.train, part.validation, part.test)))
    width = sample.inputs.train.width  # type: ignore[union-attr]
    sample = replace(sample, phases=sample.phases | {"trunk": 3.0 * n_rows * width}, n_ways=2)
    found = sample.of(data)
    inputs = prepare_inputs(data, recipe, layout, TOY)
    positions = [len(data.test) * 16, len(data.test) * 32, int(inputs.cut["test"].lengths.sum())]
    assert found.paddings is not None
    assert [each.need.n_positions for each in found.paddings] == positions  # left, twice as long, none
    assert [each.above_s for each in found.paddings] == pytest.approx([1.0 * n for n in positions])
    assert [each.frozen_s for each in found.paddings] == pytest.approx([3.0 * n for n in positions])
    assert found.text_s == pytest.approx(4 * 16)
    assert found.n_ways == 2
    assert [each.need.of_all is None for each in found.paddings] == [train == "all"] * 3


@pytest.mark.parametrize(
    ("train", "position", "engine", "wider"),
    [
        ("all", "last", "fast", 2.0),
        ("last_two_blocks", "last", "fast", 2.0),
        ("last_block", "last", "fast", 1.0),  # from its trunk, at one position
        ("last_block", "last", "plain", 2.0),
        ("all", "last_real", "fast", 1.0),  # trimmed to their own length
    ],
)
def test_rows_that_are_wider_in_another_split_take_longer(
    data: Dataset, train: str, position: str, engine: str, wider: float
) -> None:
    changes = {"train": train, "position": position, "padding": "right"}
    recipe, kind = RECIPE.model_copy(update=changes), Engine(engine)  # type: ignore[arg-type]
    layout = kind.layout(recipe, TOY)
    part = stand_in.slice_of(data, 8, 32, 32)
    sample = sample_of(recipe, kind, part, 2)
    inputs, wide = (
        replace(found, train=replace(found.train, values=torch.zeros(len(data.train), width)))
        for width in (16, 32)
        for found in [prepare_inputs(data, recipe, layout, TOY)]
    )
    narrow = replace(sample, inputs=inputs)
    steps = 4 * (len(data.train) // 2) * recipe.epochs
    assert sample_module._scaled(narrow, wide)["train"] == pytest.approx(steps * wider)


def test_a_recipe_that_needs_more_memory_than_is_free_is_not_fitted(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = take_sample(RECIPE, data, Engine(), "cpu")
    assert timed is not None
    needed = timed.of(data).own_bytes
    monkeypatch.setattr(module, "fit", lambda *_: pytest.fail("it was fitted"))
    untimed = take_sample(RECIPE, data, Engine(), "cpu", free_bytes=needed - 1)
    assert untimed is not None
    found = untimed.of(data)
    assert found.phases.keys() == {"tokenise"}
    assert found.own_bytes == needed
    short = tuple(text[:8] for text in data.train.texts)
    shorter = replace(data, train=Split(short, data.train.labels))
    assert untimed.of(shorter).phases == {}, "a split on which it fits would be forecast to take no time"


def test_a_sample_tells_of_every_split(data: Dataset) -> None:
    sample = take_sample(RECIPE, data, Engine(), "cpu")
    assert sample is not None
    other = data.with_split(7)
    found = sample.of(other)
    assert found.trunk is not None
    assert found.trunk.rows == sample.of(data).trunk.rows  # type: ignore[union-attr]
    inputs = prepare_inputs(other, RECIPE, Engine().layout(RECIPE, TOY), TOY)
    assert found.tokens_per_row == inputs.train.width
    rows = (inputs.train.values, inputs.validation.values, inputs.test.values)
    n_used = len({token for part in rows for token in part.flatten().tolist()})
    assert found.own_bytes == estimate_memory(TOY, RECIPE, inputs.train.width, 2, n_used, len(other.train))
    assert found.phases["train"] == sample.of(data).phases["train"]
    n_texts = sum(map(len, (other.train, other.validation, other.test)))
    assert found.cut == CutTexts(inputs.n_truncated, n_texts, inputs.tokens_per_row or 0)


def test_only_the_fast_engine_steps_no_more_than_the_tokens_in_use(data: Dataset) -> None:
    recipe = RECIPE.model_copy(update={"train": "all"})
    fast, plain = (take_sample(recipe, data, Engine(name), "cpu") for name in ("fast", "plain"))
    assert fast is not None
    assert plain is not None
    unused = (TOY.vocab_size - 100) * TOY.d_model
    assert plain.of(data).own_bytes - fast.of(data).own_bytes > 12 * unused


def test_short_epochs_are_timed_again_with_their_texts_repeated(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[Dataset] = []

    def counting(recipe: Recipe, part: Dataset, *args: Any) -> Fit:
        fitted.append(part)
        return fit(recipe, part, *args)

    monkeypatch.setattr(module, "fit", counting)
    probe(RECIPE, data, Engine(), "cpu")  # an epoch of four steps of a toy: a few ms
    once, again = (part.train for part in fitted)
    assert 1 < len(again) / len(once) <= module.MOST_TIMES
    times = len(again) // len(once)
    assert again.texts == once.texts * times
    assert again.labels.tolist() == once.labels.tolist() * times
    monkeypatch.setattr(module, "SHORT_S", 0.0)
    fitted.clear()
    probe(RECIPE, data, Engine(), "cpu")
    assert len(fitted) == 1


def test_positions_of_a_view_that_trims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "POSITIONS_AT_A_TIME", 97)
    layout = Engine().layout(RECIPE.model_copy(update={"position": "last_real"}), TOY)
    lengths = torch.tensor([3] * 32 + [9] * 2 + [1] * 32)
    assert n_positions(lengths, 20, layout) == 32 * 1 + 32 * 3 + 2 * 9
    assert n_positions(lengths, 20, Engine("plain").layout(RECIPE, TOY)) == 66 * 20


def test_a_large_model_is_stood_for_by_fewer_blocks(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    xl = REGISTRY["gpt2-xl"].config
    small = stand_in.stand_in(xl, Recipe(model="gpt2-xl"))
    assert (small.n_layer, small.d_model, small.vocab_size) == (2, xl.d_model, xl.vocab_size)
    assert stand_in.stand_in(TOY, RECIPE) == TOY
    phases = {"trunk": 1.0, "train": 1.0, "evaluate": 1.0, "tokenise": 1.0}
    block, everything = RECIPE, RECIPE.model_copy(update={"train": "all"})
    deep, shallow = TOY.model_copy(update={"n_layer": 12}), TOY.model_copy(update={"n_layer": 3})
    fast, plain = Engine("fast"), Engine("plain")
    assert sample_module._deepened(phases, block, shallow, deep, fast) == phases | {"trunk": 11 / 2}
    assert sample_module._deepened(phases, everything, shallow, deep, fast) == phases | {
        "train": 4,
        "evaluate": 4,
    }
    head = RECIPE.model_copy(update={"train": "last_layer"})
    assert sample_module._deepened(phases, head, shallow, deep, fast) == phases | {"trunk": 4}
    found = sample_module._deepened(phases, block, shallow, deep, plain)
    assert found == phases | {"train": (12 + 2) / (3 + 2), "evaluate": 4, "trunk": 11 / 2}
    # and through the real thing
    monkeypatch.setattr(stand_in, "STAND_IN_PARAMS", 0)
    whole = probe(RECIPE, data, fast, "cpu")
    assert whole.trunk is not None
    assert whole.trunk.depth == 3


def test_the_trunk_that_two_recipes_share(data: Dataset) -> None:
    def need(**changes: object) -> TrunkNeed | None:
        return probe(RECIPE.model_copy(update=changes), data, Engine(), "cpu").trunk

    block, two, features = need(), need(train="last_two_blocks"), need(train="features")
    assert block
    assert two
    assert features
    assert (block.rows, block.depth, two.depth, features.depth) == (two.rows, 3, 2, 4)
    assert features.below is not None
    assert (features.below.rows, features.below.depth) == (block.rows, block.depth)
    assert need(train="all") is None
    assert need(attention="bidirectional").rows != block.rows  # type: ignore[union-attr]
    assert need(epochs=1, lr=1.0, weights="pretrained") == block  # what tells weights apart is their seed


@pytest.mark.parametrize(
    "changes", [{}, {"position": "last_real"}, {"padding": "left"}, {"train": "features"}]
)
def test_the_states_that_are_kept_are_forecast(
    data: Dataset, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the run and of its test texts under other paddings; what is never written takes no memory."""
    # Without packing all that is written can be told from what is not: it is not zero.
    monkeypatch.setattr(Packing, "of", lambda *_: None)
    recipe, engine = RECIPE.model_copy(update=changes), Engine()
    need = probe(recipe, data, engine, "cpu").trunk
    assert need is not None
    need = need.below or need
    other_paddings(fit(recipe, data, 0, engine, "cpu"), data.test.labels, engine)
    trunks = [trunk.rows for trunk in engine.trunks._in_memory.values()]
    states = [rows.values for rows in trunks if rows.width]
    assert len(states) == len(need.parts)
    n_positions = sum(int((part != 0).any(dim=2).sum()) for part in states)
    assert sum(need.parts.values()) == 4 * TOY.d_model * n_positions


@pytest.mark.parametrize(
    "changes", [{}, {"position": "last_real"}, {"position": "first"}, {"padding": "none"}]
)
@pytest.mark.parametrize("kind", ["fast", "plain"])
def test_scaled_by_the_positions_that_are_computed(
    data: Dataset, changes: dict[str, Any], kind: EngineName
) -> None:
    recipe, engine = RECIPE.model_copy(update={"train": "all"} | changes), Engine(kind)
    classifier = build_classifier(build_backbone(recipe, 0)[0], 2, recipe, engine, 0)
    rows = prepare_inputs(data, recipe, classifier.layout, TOY).test
    evaluate(classifier, rows, data.test.labels)
    assert classifier.positions_processed == n_positions(rows.lengths, rows.width, classifier.layout)


def test_nothing_is_left_behind(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = Engine()
    probe(RECIPE, data, engine, "cpu")
    assert list(tmp_path.iterdir()) == []
    assert not engine.trunks._in_memory
