"""The fast engine gives the plain one's numbers: every row of the study, and recipes that chance makes up.

Texts are numbers, so that a test says exactly which tokens a model sees.
"""

import random
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.study.matrix import load_matrix
from bench.study.resolve import resolve
from gptcore.backbones.config import REGISTRY, ModelConfig, ModelEntry
from gptcore.backbones.gpt import GPT
from gptcore.data.datasets import Dataset, Split
from gptcore.engine import engine as engine_module
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine, probe_precision
from gptcore.engine.trunk_cache import TrunkStore
from gptcore.engine.trunk_files import TrunkFiles
from gptcore.methods.spelling import Train
from gptcore.recipe import Position, Recipe
from gptcore.result import Fit
from gptcore.training import build as build_module
from gptcore.training import tokenizing as tokenizing_module
from gptcore.training.build import build_backbone, build_classifier
from gptcore.training.evaluate import evaluate
from gptcore.training.fit import fit
from gptcore.training.inputs import prepare_inputs
from gptcore.training.network_predictors import FeaturesPredictor, NetworkPredictor
from gptcore.training.predictors import TfidfPredictor
from tests.gptcore.conftest import in_float64

TOY = {"d_model": 16, "n_layer": 3, "n_head": 2, "context": 24, "vocab_size": 31}
SIZES = {
    "mini": TOY,
    "micro": TOY | {"d_model": 12},
    "nano": TOY | {"d_model": 8},
    "one-block": TOY | {"n_layer": 1},
}
PAD = 30
STUDY = resolve(load_matrix("full"), "mini", {"epochs": 3})
# In float64 rounding makes gradients of about 1e-15 out of 0, of which AdamW, with its epsilon of 1e-8, makes
# at most this part of lr.
ROUNDING_STEPS = 1e-6
ROWS = [row for row in STUDY.rows if row.excluded is None]


class Numbers:
    """A tokenizer of texts such as "3 14 15"."""

    name, fingerprint, pad_id, unk_id, notes = "numbers", "n" * 64, PAD, None, ()
    prefix, suffix = (), ()

    def encode_batch(self, texts: tuple[str, ...]) -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]


@pytest.fixture(scope="module", autouse=True)
def toy_models(toy_gpt: Callable[..., GPT]) -> Iterator[None]:
    """The registry's embedded models at toy size, with weights, and a tokenizer of numbers."""

    def load_toy(name: str) -> GPT:
        return toy_gpt(seed=list(SIZES).index(name), **SIZES[name])

    with pytest.MonkeyPatch.context() as patch:
        for name, shape in SIZES.items():
            config = ModelConfig.model_validate(shape)
            patch.setitem(REGISTRY, name, ModelEntry(config=config, source="bundled", about="a toy"))
        patch.setattr(build_module, "load_gpt", load_toy)
        patch.setattr(tokenizing_module, "checkpoint_tokenizer", lambda _name: Numbers())
        yield


def make_texts(lengths: list[int], seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(str(rng.randrange(PAD + 1)) for _ in range(length)) for length in lengths]


def make_data(train: list[str], validation: list[str], test: list[str]) -> Dataset:
    splits = [Split(tuple(texts), np.arange(len(texts)) % 2) for texts in (train, validation, test)]
    return Dataset("toy", *splits, ("ham", "spam"), "", "", split_seed=0, duplicates=0)


# one token, the whole context, too long for it, and everything between; some texts stand several times
TRAIN = make_texts([1, 24, 40, 2, 7, 5, 12, 9, 3, 1, 17, 6, 4, 11, 8, 2, 13])
DATA = make_data(
    [*TRAIN, TRAIN[0], TRAIN[2], TRAIN[4]],
    [*make_texts([1, 30, 4, 9], seed=1), TRAIN[1]],
    [*make_texts([2, 15, 1, 26, 6], seed=2), TRAIN[3], TRAIN[3]],
)


def network_of(result: Fit) -> Classifier:
    predictor = result.classifier.predictor
    assert isinstance(predictor, NetworkPredictor)
    return predictor.network


def weights_of(result: Fit) -> dict[str, np.ndarray]:
    if isinstance(result.classifier.predictor, FeaturesPredictor | TfidfPredictor):
        predictor = result.classifier.predictor
        fitted = predictor.logistic if isinstance(predictor, TfidfPredictor) else predictor.fitted
        model = fitted.pipeline[-1]
        return {"coefficients": model.coef_, "intercepts": model.intercept_}
    return {name: tensor.numpy() for name, tensor in network_of(result).state_dict().items()}


def assert_same_outcome(plain: Fit, fast: Fit, rtol: float) -> None:
    """The loss of every step, the epochs, and the probabilities of every text."""
    assert len(fast.losses) == len(plain.losses)
    np.testing.assert_allclose(fast.losses, plain.losses, rtol=rtol, err_msg="losses")
    assert [e.train_accuracy for e in fast.epochs] == [e.train_accuracy for e in plain.epochs]
    assert fast.best_epoch == plain.best_epoch
    for split in ("train", "validation", "test"):
        expected, found = getattr(plain, split), getattr(fast, split)
        assert found.labels.tolist() == expected.labels.tolist()
        np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=rtol, err_msg=split)


def assert_same_weights(plain: Fit, fast: Fit, rtol: float, atol: float, skip: str | None = None) -> None:
    expected, found = weights_of(plain), weights_of(fast)
    assert list(found) == list(expected)
    for name, weight in expected.items():
        if skip is not None and skip in name:
            continue
        np.testing.assert_allclose(found[name], weight, rtol=rtol, atol=atol, err_msg=name)


# --- every row of the study ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared_engine() -> Engine:
    """One engine for all rows, as in a study, so that a wrongly shared trunk shows."""
    return Engine("fast")


def test_the_study_has_its_rows() -> None:
    assert len({row.recipe.id for row in ROWS}) >= 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_of_the_study_float32(row: Any, shared_engine: Engine) -> None:
    plain = fit(row.recipe, DATA, 0, Engine("plain"), "cpu")
    fast = fit(row.recipe, DATA, 0, shared_engine, "cpu")
    # A logistic regression stops at a tolerance, which makes more of rounding than a step of training does.
    rtol = 1e-2 if row.recipe.trainer == "features" else 1e-5
    assert_same_outcome(plain, fast, rtol)
    # AdamW divides a gradient by its own size, so one that is rounding alone makes steps of about lr. That of
    # the keys' bias is exactly 0 in theory (a softmax does not see what is added to all scores), and for the
    # first token, which sees itself only, that of queries and keys: c_attn is compared in float64, below,
    # where rounding is far under AdamW's epsilon. Elsewhere it happens to single weights for single steps.
    assert_same_weights(plain, fast, rtol, atol=0.05 * row.recipe.lr, skip="attn.c_attn")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_of_the_study_float64(row: Any) -> None:
    with in_float64():
        plain = fit(row.recipe, DATA, 0, Engine("plain"), "cpu")
        fast = fit(row.recipe, DATA, 0, Engine("fast"), "cpu")
    assert_same_outcome(plain, fast, rtol=1e-9)
    assert_same_weights(plain, fast, rtol=1e-9, atol=ROUNDING_STEPS * row.recipe.lr)


@pytest.mark.parametrize("train", sorted({*get_args(Train)} - {"features"}))
def test_what_learns_moves(train: Train) -> None:
    """Guards the comparisons: weights that nobody trained would agree as well."""
    recipe = Recipe(model="mini", train=train, epochs=1, lr=1e-3)
    result = fit(recipe, DATA, 0, Engine("fast"), "cpu")
    start = build_classifier(build_backbone(recipe, 0)[0], 2, recipe, Engine("fast"), 0)
    learns = {name for name, parameter in start.named_parameters() if parameter.requires_grad}
    moved = {
        name
        for name, parameter in start.named_parameters()
        if not torch.equal(parameter, network_of(result).get_parameter(name))
    }
    assert moved == learns


# --- recipes and texts by chance -------------------------------------------------------------------------

RECIPES = st.builds(
    Recipe,
    model=st.sampled_from(["mini", "one-block"]),
    train=st.sampled_from(get_args(Train)),
    position=st.sampled_from(get_args(Position)),
    attention=st.sampled_from(["causal", "bidirectional", "bidirectional_upper_half"]),
    padding=st.sampled_from(["right", "left", "none"]),
    attend_padding=st.booleans(),
    context=st.sampled_from(["longest", "model"]) | st.integers(1, TOY["context"]),
    batch_size=st.integers(1, 6),
    accumulation=st.integers(1, 4),
    clip_norm=st.sampled_from([None, 0.5]),
    restore_best=st.booleans(),
    epochs=st.just(2),
    lora_rank=st.just(2),
    lora_alpha=st.just(4.0),
    lr=st.just(1e-3),
    head=st.sampled_from(["linear", "mlp"]),
).map(lambda recipe: recipe.model_copy(update={"head": "linear"}) if recipe.trainer == "features" else recipe)
LENGTHS = st.lists(st.integers(0, 30), min_size=4, max_size=12)


@st.composite
def datasets(draw: Any) -> Dataset:
    """Some texts for every split, of 0 to 30 tokens, and some of the training texts again."""
    train, validation, test = (make_texts(draw(LENGTHS), seed) for seed in range(3))
    again = draw(st.lists(st.sampled_from(train), max_size=4))
    return make_data([*train, *again], validation, [*test, *again])


@settings(max_examples=30)
@given(recipe=RECIPES, data=datasets())
def test_training_by_chance(recipe: Recipe, data: Dataset) -> None:
    with in_float64():
        plain = fit(recipe, data, 0, Engine("plain"), "cpu")
        fast = fit(recipe, data, 0, Engine("fast"), "cpu")
    assert_same_outcome(plain, fast, rtol=1e-8)
    assert_same_weights(plain, fast, rtol=1e-8, atol=ROUNDING_STEPS * recipe.lr)


@settings(max_examples=60)
@given(recipe=RECIPES, data=datasets())
def test_logits_before_training_by_chance(recipe: Recipe, data: Dataset) -> None:
    logits = {}
    for engine in (Engine("plain"), Engine("fast")):
        gpt, _ = build_backbone(recipe, 0)
        classifier = build_classifier(gpt, 2, recipe, engine, 0).eval()
        inputs = prepare_inputs(data, recipe, classifier.layout, gpt.config)
        with torch.no_grad():
            logits[engine.name] = [classifier(rows) for rows in (inputs.train, inputs.test)]
    for plain, fast in zip(logits["plain"], logits["fast"], strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)


@settings(max_examples=30)
@given(recipe=RECIPES, data=datasets())
def test_engines_tell_the_same_of_the_texts(recipe: Recipe, data: Dataset) -> None:
    facts = []
    for engine in (Engine("plain"), Engine("fast")):
        inputs = prepare_inputs(
            data, recipe, engine.layout(recipe, REGISTRY["mini"].config), REGISTRY["mini"].config
        )
        facts.append((inputs.tokens_per_row, inputs.longest_tokens, inputs.mean_tokens, inputs.n_truncated))
    assert facts[0] == facts[1]


@pytest.mark.parametrize("train", ["last_layer", "last_block", "last_two_blocks", "features"])
@pytest.mark.parametrize("model", ["mini", "one-block"])
@pytest.mark.parametrize("position", ["last", "last_real"])
def test_trunks_in_files_give_the_same(tmp_path: Path, model: str, train: Train, position: Position) -> None:
    """A first engine computes what memory has no room for into files, a second one finds it there."""
    recipe = Recipe(model=model, train=train, position=position, epochs=2, lr=1e-3)
    with in_float64():
        plain = fit(recipe, DATA, 0, Engine("plain"), "cpu")
        for _ in range(2):
            engine = Engine("fast", trunks=TrunkStore(1, TrunkFiles(tmp_path)))
            fast = fit(recipe, DATA, 0, engine, "cpu")
            assert_same_outcome(plain, fast, rtol=1e-9)
    made = list(tmp_path.glob("*.json"))
    n_layer = SIZES[model]["n_layer"]
    frozen = {
        "last_layer": n_layer,
        "features": n_layer,
        "last_block": n_layer - 1,
        "last_two_blocks": n_layer - 2,
    }
    assert len(made) == (1 if min(frozen[train], n_layer - 1) > 0 else 0)


# --- what is shared --------------------------------------------------------------------------------------


def test_a_second_seed_borrows_the_trunk() -> None:
    engine, recipe = Engine("fast"), Recipe(model="mini", epochs=1)
    first, second = (fit(recipe, DATA, seed, engine, "cpu") for seed in (0, 1))
    assert first.borrowed_s == 0
    assert 0 < second.borrowed_s <= first.phases["trunk"]
    assert second.positions_processed < first.positions_processed
    assert second.losses != first.losses


@pytest.mark.parametrize("position", ["last", "last_real"])
@pytest.mark.parametrize("train", ["last_block", "features"])
def test_another_split_of_the_same_texts_borrows_the_trunk(train: Train, position: Position) -> None:
    parts = [DATA.train.texts, DATA.validation.texts, DATA.test.texts]
    longest = max(chain(*parts), key=lambda text: len(text.split()))
    rest = sorted(text for text in chain(*parts) if text != longest)
    one, other = (
        make_data([longest, *order[:14]], list(order[14:20]), list(order[20:]))
        for order in (rest, rest[::-1])
    )
    engine, recipe = Engine("fast"), Recipe(model="mini", train=train, position=position, epochs=1)
    first = fit(recipe, one, 0, engine, "cpu")
    second = fit(recipe, other, 0, engine, "cpu")
    assert (first.borrowed_s, second.borrowed_s > 0) == (0, True)
    assert second.positions_processed < first.positions_processed
    with in_float64():
        plain = fit(recipe, other, 0, Engine("plain"), "cpu")
        shared = Engine("fast")
        fit(recipe, one, 0, shared, "cpu")
        assert_same_outcome(plain, fit(recipe, other, 0, shared, "cpu"), rtol=1e-9)


def test_rows_with_other_training_texts_borrow_what_validates_and_tests() -> None:
    engine = Engine("fast")
    recipe = Recipe(model="mini", position="last_real", context=24, epochs=1)
    whole = fit(recipe.model_copy(update={"train_size": 8}), DATA, 0, engine, "cpu")
    part = fit(recipe.model_copy(update={"train_size": 4}), DATA, 0, engine, "cpu")
    assert (whole.borrowed_s, part.borrowed_s > 0) == (0, True)
    alone = fit(recipe.model_copy(update={"train_size": 4}), DATA, 0, Engine("fast"), "cpu")
    np.testing.assert_allclose(part.losses, alone.losses, rtol=1e-5)


def test_a_deeper_row_borrows_from_a_shallower_one_and_owns_up_to_it() -> None:
    engine = Engine("fast")
    two_blocks = fit(Recipe(model="mini", train="last_two_blocks", epochs=1), DATA, 0, engine, "cpu")
    last_block = fit(Recipe(model="mini", train="last_block", epochs=1), DATA, 0, engine, "cpu")
    again = fit(Recipe(model="mini", train="last_block", epochs=1), DATA, 1, engine, "cpu")
    assert two_blocks.borrowed_s == 0
    assert 0 < last_block.borrowed_s <= two_blocks.phases["trunk"]
    # alone it would have computed both parts
    assert last_block.borrowed_s < again.borrowed_s <= last_block.borrowed_s + last_block.phases["trunk"]


@pytest.mark.parametrize(
    ("train", "attend_padding"),
    [
        ("last_block", True),
        ("last_block", False),
        ("last_two_blocks", False),
        ("all", False),
        ("lora", False),
    ],
)
def test_an_upper_half_both_ways_is_trained_alike(train: Train, attend_padding: bool) -> None:
    recipe = Recipe(
        **{"model": "mini", "train": train, "attention": "bidirectional_upper_half", "lr": 1e-3, "epochs": 2},
        **{"position": "mean_real", "attend_padding": attend_padding, "lora_rank": 2},
    )
    with in_float64():
        plain, fast = (fit(recipe, DATA, 0, Engine(name), "cpu") for name in ("plain", "fast"))
        assert_same_outcome(plain, fast, rtol=1e-8)
        others = [recipe.model_copy(update={"attention": each}) for each in ("causal", "bidirectional")]
        found = [fit(other, DATA, 0, Engine("plain"), "cpu").test.probabilities for other in others]
    assert all(np.abs(each - plain.test.probabilities).max() > 1e-6 for each in found)


def test_a_causal_lower_half_is_borrowed_from_a_causal_row() -> None:
    engine = Engine("fast")
    fields: dict[str, Any] = {"model": "mini", "epochs": 1, "position": "last_real", "attend_padding": False}
    causal = fit(Recipe(**fields, train="last_two_blocks"), DATA, 0, engine, "cpu")
    half = Recipe(**fields, attention="bidirectional_upper_half", train="last_two_blocks")
    assert causal.borrowed_s == 0
    borrowing, own = (fit(half, DATA, 0, each, "cpu") for each in (engine, Engine("fast")))
    assert 0 < borrowing.borrowed_s <= causal.phases["trunk"]
    assert own.borrowed_s == 0
    of_trunk = causal.positions_processed - borrowing.positions_processed
    assert of_trunk > 0
    assert own.positions_processed == borrowing.positions_processed + of_trunk
    deeper = fit(half.model_copy(update={"train": "last_block"}), DATA, 0, engine, "cpu")
    alone = fit(half.model_copy(update={"train": "last_block"}), DATA, 0, Engine("fast"), "cpu")
    assert deeper.borrowed_s > 0
    np.testing.assert_allclose(deeper.losses, alone.losses, rtol=1e-5)


@pytest.mark.parametrize("train", ["last_block", "features"])
def test_the_plain_engine_shares_nothing(train: Train) -> None:
    engine, recipe = Engine("plain"), Recipe(model="mini", train=train, epochs=1)
    first, second = (fit(recipe, DATA, seed, engine, "cpu") for seed in (0, 1))
    assert second.borrowed_s == 0
    assert second.positions_processed == first.positions_processed


def test_random_weights_of_two_seeds_share_nothing() -> None:
    engine = Engine("fast")
    recipe = Recipe(model="mini", weights="random", train="last_layer", epochs=1)
    first, second = (fit(recipe, DATA, seed, engine, "cpu") for seed in (0, 1))
    assert first.borrowed_s == second.borrowed_s == 0
    assert first.weights_fingerprint != second.weights_fingerprint


def test_fast_computes_less() -> None:
    def positions(engine: str, **changes: Any) -> int:
        recipe = Recipe(model="mini", epochs=2, **changes)
        found = fit(recipe, DATA, 0, Engine(engine), "cpu").positions_processed  # type: ignore[arg-type]
        assert found is not None
        return found

    n_texts = len(DATA.train) + len(DATA.validation) + len(DATA.test)
    # the first token alone, equal ones once: through the lower blocks, then through the last one
    assert positions("fast", train="last_layer", position="first") <= 2 * n_texts
    assert positions("plain", train="last_layer", position="first") > 20 * n_texts
    for train in ("all", "lora"):
        assert positions("fast", train=train, position="last_real") < positions(
            "plain", train=train, position="last_real"
        )
    # of padding that nobody sees only the token that is read
    masked = positions("fast", train="all", batch_size=1, attend_padding=False)
    assert masked < 0.8 * positions("fast", train="all", batch_size=1, attend_padding=True)


# --- bfloat16 --------------------------------------------------------------------------------------------


class SpyAdamW(torch.optim.AdamW):
    """Remembers every optimiser that was made."""

    made: list["SpyAdamW"] = []  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made.append(self)


@pytest.mark.parametrize("train", ["last_layer", "last_block", "all", "lora"])
def test_bfloat16_rounds_products_only(monkeypatch: pytest.MonkeyPatch, train: Train) -> None:
    """Weights, what the optimiser keeps and the residual stream stay float32."""
    monkeypatch.setattr(SpyAdamW, "made", [])
    monkeypatch.setattr(torch.optim, "AdamW", SpyAdamW)
    recipe = Recipe(model="mini", train=train, epochs=1)
    result = fit(recipe, DATA, 0, Engine("fast", "bfloat16"), "cpu")
    assert {p.dtype for p in network_of(result).parameters()} == {torch.float32}
    (optimiser,) = SpyAdamW.made
    kept = [value for state in optimiser.state.values() for value in state.values()]
    assert len(kept) == 3 * len([p for p in network_of(result).parameters() if p.requires_grad])
    assert {value.dtype for value in kept} == {torch.float32}

    outputs: dict[str, list[torch.dtype]] = {"block": [], "product": []}
    for block in network_of(result).backbone.h:
        block.register_forward_hook(lambda *call: outputs["block"].append(call[2].dtype))
        block.mlp.register_forward_hook(lambda *call: outputs["product"].append(call[2].dtype))
    inputs = prepare_inputs(DATA, recipe, network_of(result).layout, network_of(result).backbone.config)
    logits = network_of(result)(inputs.test)
    assert logits.dtype == torch.float32
    assert set(outputs["block"]) == {torch.float32}
    *lower, last = outputs["product"]
    assert last == torch.float32  # one position a row: rounding the weights would cost more than it saves
    assert train == "lora" or set(lower) == {torch.bfloat16}


@pytest.mark.parametrize("train", ["last_block", "last_two_blocks", "all", "lora"])
def test_bfloat16_losses_follow_the_weights(train: Train) -> None:
    """Within one autocast context torch keeps the rounded weights: every step would see those of the first."""
    recipe = Recipe(
        model="mini",
        train=train,
        position="last_real",
        lr=3e-3,
        epochs=5,
        batch_size=20,
        lora_scaling="alpha/rank",
    )
    exact = fit(recipe, DATA, 0, Engine("fast"), "cpu")
    rounded = fit(recipe, DATA, 0, Engine("fast", "bfloat16"), "cpu")
    fell = exact.losses[0] - exact.losses[-1]
    assert fell > 0.05, "the losses must move for the comparison to say anything"
    assert rounded.losses != exact.losses
    # with the stale copies they are more than half of `fell` apart in the end
    np.testing.assert_allclose(rounded.losses, exact.losses, rtol=0, atol=0.05 * fell)
    np.testing.assert_allclose(rounded.test.probabilities, exact.test.probabilities, rtol=0, atol=0.05)


def test_precisions_share_no_trunk() -> None:
    engine, recipe = Engine("fast", "bfloat16"), Recipe(model="mini", train="last_layer", epochs=1)
    fit(recipe, DATA, 0, engine, "cpu")
    exact = fit(recipe, DATA, 0, Engine("fast", trunks=engine.trunks), "cpu")
    assert exact.borrowed_s == 0
    assert_same_outcome(fit(recipe, DATA, 0, Engine("plain"), "cpu"), exact, rtol=1e-5)


def test_evaluation_does_not_depend_on_the_order_of_rows() -> None:
    result = fit(Recipe(model="mini", position="last_real", epochs=1), DATA, 0, Engine("fast"), "cpu")
    inputs = prepare_inputs(
        DATA, result.recipe, network_of(result).layout, network_of(result).backbone.config
    )
    order = torch.randperm(len(DATA.train), generator=torch.Generator().manual_seed(0))
    shuffled = evaluate(network_of(result), inputs.train.take(order), DATA.train.labels[order])
    np.testing.assert_allclose(shuffled.probabilities, result.train.probabilities[order], rtol=1e-4)


# --- choosing the precision ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bfloat16_s", "chosen"), [(0.5, "bfloat16"), (1 / 1.3, "bfloat16"), (0.8, "float32"), (2, "float32")]
)
def test_auto_takes_bfloat16_where_it_pays(
    monkeypatch: pytest.MonkeyPatch, bfloat16_s: float, chosen: str
) -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: bfloat16_s}
    monkeypatch.setattr(engine_module, "product_seconds", lambda dtype, *_: seconds[dtype])
    assert probe_precision(torch.device("cpu")) == chosen


def test_no_large_product_is_timed_where_bfloat16_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = []

    def product_seconds(dtype: torch.dtype, _device: torch.device, rows: int, _budget_s: float) -> float:
        timed.append(rows)
        return 1.0 if dtype == torch.float32 else 90.0

    monkeypatch.setattr(engine_module, "product_seconds", product_seconds)
    assert probe_precision(torch.device("cpu")) == "float32"
    assert set(timed) == {engine_module.FEW_ROWS}


def test_the_probe_measures() -> None:
    assert 0 < engine_module.product_seconds(torch.float32, torch.device("cpu"), budget_s=0.001) < 60
