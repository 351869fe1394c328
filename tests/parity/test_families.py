"""Every family of `families.py` at toy size: its states are those of `transformers`, and both engines agree on it."""

import copy
import itertools
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from gptcore.backbones.families import FAMILIES
from gptcore.backbones.hf_blocks import with_states
from gptcore.backbones.huggingface import HFBackbone
from gptcore.data.datasets import Dataset, Split
from gptcore.data.rows import Rows, pad
from gptcore.engine import self_check
from gptcore.engine.attention import RowAttention
from gptcore.engine.engine import Engine
from gptcore.engine.self_check import REWRITES, check_itself, failures
from gptcore.errors import UserError
from gptcore.methods.spelling import Train
from gptcore.methods.targets import is_target, unmatched
from gptcore.methods.wrapped import linear_inputs
from gptcore.recipe import Position, Recipe
from gptcore.training import build as build_module
from gptcore.training import features as features_module
from gptcore.training import tokenizing as tokenizing_module
from gptcore.training.build import build_classifier
from gptcore.training.fit import fit
from gptcore.training.fits import check_fit, fit_obstacle
from gptcore.training.inputs import prepare_inputs
from tests.parity.toys import CONTEXT, VOCAB, toy_backbone, toy_theirs

EVERY = list(FAMILIES)
TOLERANCE = {"rtol": 1e-5, "atol": 1e-4}
SEQUENCES = [
    torch.randint(3, VOCAB, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in (7, 12, 1, 9)
]
PAD = 1
# A softmax does not see what is added to all scores: its gradient is rounding, which AdamW makes whole steps of.
KEYS_BIAS = re.compile(r"(k_proj|key|k_lin|query_key_value|qkv|c_attn|Wqkv).*bias")


@pytest.mark.parametrize("family", EVERY)
@torch.no_grad()
def test_states_are_those_of_transformers(family: str) -> None:
    backbone = toy_backbone(family)
    theirs, causal = toy_theirs(backbone.info, backbone), backbone.info.abilities.causal
    alone = [theirs(torch.tensor([row])).last_hidden_state[0] for row in SEQUENCES]
    assert torch.cat(alone).std() > 0.3  # far above the tolerance
    for row, expected in zip(SEQUENCES, alone, strict=True):
        found = backbone.run(Rows.whole(torch.tensor([row])), RowAttention(causal))[0]
        torch.testing.assert_close(found, expected, **TOLERANCE)
    rows = pad(SEQUENCES, 14, 1)  # token 1 is what they fill up rows with
    expected = theirs(rows.values, attention_mask=rows.real.long()).last_hidden_state
    found = backbone.run(rows, RowAttention(causal, rows.real))
    torch.testing.assert_close(found[rows.real], expected[rows.real], **TOLERANCE)
    torch.testing.assert_close(found[rows.real], torch.cat(alone), **TOLERANCE)


@pytest.mark.parametrize("family", EVERY)
@torch.no_grad()
def test_a_token_that_also_pads_counts_where_it_stands_in_a_text(family: str) -> None:
    """As the end token of SmolLM2 does: lengths say what is padding, as a mask says it to `transformers`."""
    backbone = toy_backbone(family)
    theirs, causal = toy_theirs(backbone.info, backbone), backbone.info.abilities.causal
    sequences = [[5, PAD, 9, 7, 3], [PAD, 8, 4, PAD, 6, 10, PAD], [11, PAD]]
    rows, more = pad(sequences, 9, PAD), {}
    if "roberta" in family:  # counts its positions around such tokens unless it is told them
        more["position_ids"] = torch.arange(9).repeat(len(sequences), 1) + PAD + 1
    expected = theirs(rows.values, attention_mask=rows.real.long(), **more).last_hidden_state
    found = backbone.run(rows, RowAttention(causal, rows.real))
    torch.testing.assert_close(found[rows.real], expected[rows.real], **TOLERANCE)
    for row, length in enumerate(map(len, sequences)):
        alone = backbone.run(Rows.whole(torch.tensor([sequences[row]])), RowAttention(causal))[0]
        torch.testing.assert_close(found[row, :length], alone, **TOLERANCE)


@pytest.mark.parametrize("family", EVERY)
def test_the_self_check_finds_what_the_family_says(family: str) -> None:
    assert failures(toy_backbone(family)) == {}


@pytest.mark.parametrize("family", [name for name in EVERY if FAMILIES[name].abilities.causal])
@torch.no_grad()
def test_both_ways_as_transformers_turns_a_decoder(family: str) -> None:
    backbone = toy_backbone(family)
    if not backbone.info.abilities.turns:
        with pytest.raises(NotImplementedError, match="another mask"):
            backbone.run(Rows.whole(torch.tensor([SEQUENCES[0]])), RowAttention(False))
        return
    theirs = toy_theirs(backbone.info, backbone)
    if family == "opt":  # makes a causal mask whatever its config says
        pytest.skip("transformers turns it by no option")
    for module in theirs.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = False
    theirs.config.is_causal = False
    row = torch.tensor([SEQUENCES[1]])
    found = backbone.run(Rows.whole(row), RowAttention(False))
    torch.testing.assert_close(found, theirs(row).last_hidden_state, **TOLERANCE)


@pytest.mark.parametrize("family", [name for name in EVERY if FAMILIES[name].abilities.turns])
@torch.no_grad()
def test_both_ways_in_the_upper_half_as_two_models_of_transformers(family: str) -> None:
    """A causal one up to the half, and one that is turned from there."""
    backbone = toy_backbone(family)
    if not backbone.info.abilities.causal or family == "opt":
        return
    half, row = len(backbone.blocks) // 2, torch.tensor([SEQUENCES[1]])
    lower, upper = (toy_theirs(backbone.info, backbone) for _ in range(2))
    states = lower(row, output_hidden_states=True).hidden_states[half]
    for module in upper.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = False
    upper.config.is_causal = False
    block = upper.get_submodule(backbone.path)[half]
    block.register_forward_pre_hook(
        lambda _module, args, kwargs: with_states(args, kwargs, states), with_kwargs=True
    )
    found = backbone.run(Rows.whole(row), RowAttention(False, causal_below=half))
    torch.testing.assert_close(found, upper(row).last_hidden_state, **TOLERANCE)


# --- both engines ---------------------------------------------------------------------------------------


class Numbers:
    """A tokenizer of texts such as "3 14 15", with a special token on either side, as of an encoder."""

    name, fingerprint, pad_id, unk_id, notes = "numbers", "n" * 64, PAD, None, ()
    prefix, suffix = (0,), (2,)

    def encode_batch(self, texts: tuple[str, ...]) -> list[list[int]]:
        return [[0, *(int(word) for word in text.split()), 2] for text in texts]


def make_split(lengths: list[int], seed: int) -> Split:
    rng = random.Random(seed)
    texts = [" ".join(str(rng.randrange(3, VOCAB)) for _ in range(length)) for length in lengths]
    return Split((*texts, texts[0]), np.arange(len(texts) + 1) % 2)


# one token, many more than the longest training text, windows shorter and longer than a text
SPLITS = (make_split([1, 14, 2, 7, 5, 9, 3, 1], 0), make_split([1, 17, 4], 1), make_split([2, 15, 6, 30], 2))
DATA = Dataset("toy", *SPLITS, ("ham", "spam"), "", "", split_seed=0, duplicates=0)

LAYOUTS = [
    {"position": position, "padding": padding, "attend_padding": attend, "attention": attention}
    for position in get_args(Position)
    for padding, attend in [
        ("right", True),
        ("right", False),
        ("left", True),
        ("left", False),
        ("none", True),
    ]
    for attention in ("causal", "bidirectional", "bidirectional_upper_half")
]


@cache
def toy(family: str) -> HFBackbone:
    """The toy in float64: what is left of float32 is in norms that always compute in it.

    bloom adds a mask of float64's smallest number to scores that it then takes to float32: in float32 alone.
    """
    torch.set_default_dtype(torch.float32 if family == "bloom" else torch.float64)
    try:
        return toy_backbone(family)
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def toys_only(family: str) -> Iterator[None]:
    """Fits start from the toy of the family, in its precision."""
    torch.set_default_dtype(toy(family).embedding.weight.dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_module, "build_backbone", load_toy)
        for module in (tokenizing_module, features_module):
            patch.setattr(module, "checkpoint_tokenizer", lambda _name: Numbers())
        yield
    torch.set_default_dtype(torch.float32)


def load_toy(recipe: Recipe, _seed: int) -> tuple[HFBackbone, str]:
    backbone = copy.deepcopy(toy(recipe.model))
    check_fit(recipe, backbone.info)
    return backbone, "toy"


def pairwise(possible: list[Recipe]) -> list[Recipe]:
    """A third of the recipes: each position with each padding and mask, and each of these two with each attention."""
    groups: dict[object, list[Recipe]] = {}
    for recipe in possible:
        groups.setdefault((recipe.position, recipe.padding, recipe.attend_padding), []).append(recipe)
    return [group[i % len(group)] for i, group in enumerate(groups.values())]


def recipes(family: str, train: Train) -> list[Recipe]:
    """Everything that can be asked of the family with a method, in rows that are cut or longer than any text."""
    found = []
    for layout, context in zip(LAYOUTS, itertools.cycle(("longest", 40, 40)), strict=False):
        recipe = Recipe(
            **{"model": family, "train": train, "context": context, **layout},
            **{"epochs": 2, "lr": 1e-3, "batch_size": 4, "lora_rank": 2, "lora_targets": ("all-linear",)},
        )
        if fit_obstacle(recipe, toy(family).info) is None:
            found.append(recipe)
    return found


def steps_between(found: np.ndarray, expected: np.ndarray, lr: float) -> float:
    """Largest difference between weights, in steps of AdamW."""
    return float(np.abs(found - expected).max()) / lr


@pytest.mark.parametrize("choose", [pairwise, pytest.param(list, marks=pytest.mark.slow, id="all")])
@pytest.mark.parametrize("family", EVERY)
def test_engines_agree_before_training(family: str, choose: Callable[[list[Recipe]], list[Recipe]]) -> None:
    """Every position with every padding and mask, and each of them with every attention."""
    with toys_only(family):
        possible = choose(recipes(family, "all"))
        backbone, _ = load_toy(possible[0], 0)
        classifier = build_classifier(backbone, 2, possible[0], Engine("plain"), 0).eval()
        for recipe in possible:
            logits = []
            for engine in (Engine("plain"), Engine("fast")):
                classifier.layout = engine.layout(recipe, backbone.info)
                inputs = prepare_inputs(DATA, recipe, classifier.layout, backbone.info)
                with torch.no_grad():
                    logits.append(classifier(inputs.test))
            torch.testing.assert_close(logits[1], logits[0], rtol=1e-5, atol=1e-5, msg=str(recipe))


@pytest.mark.parametrize("family", EVERY)
def test_what_is_compared_before_training_has_every_pair_of_choices(family: str) -> None:
    def pairs(asked: list[Recipe]) -> set[object]:
        chosen = [(r.position, (r.padding, r.attend_padding), r.attention) for r in asked]
        return {pair for each in chosen for pair in itertools.combinations(enumerate(each), 2)}

    possible = recipes(family, "all")
    assert pairs(pairwise(possible)) == pairs(possible)


# Each family learns in all its layers, with LoRA, with one of the two ways whose blocks are frozen in part, and with
# one of the two that freeze them all; every way is that of half of the families at least. The others are slow tests.
ALWAYS = ("all", "lora")
IN_TURN = (("last_two_blocks", "last_layer"), ("last_block", "features"))
TRAINED = [
    pytest.param(family, train, marks=[pytest.mark.slow] if slow else [])
    for i, family in enumerate(EVERY)
    for slow, trains in ((False, ALWAYS + IN_TURN[i % 2]), (True, IN_TURN[(i + 1) % 2]))
    for train in trains
]


@pytest.mark.parametrize(("family", "train"), TRAINED)
def test_engines_agree_on_training(family: str, train: Train) -> None:
    """A layout drawn for each family and method."""
    possible = recipes(family, train)
    if train == "features":  # under the causal mask the first token is the same of every text: nothing to fit
        possible = [r for r in possible if (r.position, r.attention) != ("first", "causal")]
    if not possible or (family, train) == ("gpt2", "lora"):
        return  # refused, see below; its layers are of a class of their own, and this project has its own GPT-2
    with toys_only(family):
        compare_engines(random.Random(f"{family} {train}").choice(possible))


@pytest.mark.parametrize("method", ["dora", "ia3", "ln_tuning", "prompt", "prefix"])
@pytest.mark.parametrize("family", ["llama", "gemma3_text", "bert", "deberta-v2"])
def test_engines_agree_on_other_methods(family: str, method: str) -> None:
    if (family, method) == ("deberta-v2", "prefix"):
        return  # refused, see below
    layout = {"position": "last_real", "attention": "native", "attend_padding": False}
    recipe = Recipe(model=family, train={"method": method}, epochs=2, lr=1e-3, batch_size=4, **layout)
    with toys_only(family):
        compare_engines(recipe)


@pytest.mark.parametrize("train", ["last_layer", "last_block", "all"])
@pytest.mark.parametrize("family", ["llama", "distilbert", "roberta"])
def test_engines_agree_on_a_head_with_a_hidden_layer(family: str, train: Train) -> None:
    layout = {"position": "last_real", "attention": "native", "attend_padding": False}
    recipe = Recipe(model=family, train=train, head="mlp", epochs=2, lr=1e-3, batch_size=4, **layout)
    with toys_only(family):
        compare_engines(recipe)


@pytest.mark.parametrize("train", ["all", "last_block", "lora", "features"])
@pytest.mark.parametrize("family", ["llama", "gemma3_text", "bert", "modernbert"])
@pytest.mark.parametrize("off", REWRITES)
def test_engines_agree_without_a_rewrite_that_a_trial_did_not_confirm(
    off: str, family: str, train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path))
    monkeypatch.setattr(self_check._Trials, off, lambda _trials: "it does not hold")

    def load_and_check(recipe: Recipe, seed: int) -> tuple[HFBackbone, str]:
        backbone, source = load_toy(recipe, seed)
        check_itself(backbone)
        assert backbone.rewrites[off] == "off: it does not hold"
        check_fit(recipe, backbone.info)
        return backbone, source

    layout = {"attention": "native", "attend_padding": False, "context": 40}
    method = {"epochs": 2, "lr": 1e-3, "batch_size": 4, "lora_rank": 2, "lora_targets": ("all-linear",)}
    recipe = Recipe(model=family, train=train, **layout, **method)
    with toys_only(family), monkeypatch.context() as patch:
        patch.setattr(build_module, "build_backbone", load_and_check)
        if (off, train) == ("trunk", "last_block"):
            with pytest.raises(UserError, match="its blocks cannot be computed one by one"):
                compare_engines(recipe)
            return
        for position in ("last", "mean_real"):
            compare_engines(recipe.model_copy(update={"position": position}))


def compare_engines(recipe: Recipe) -> None:
    """Losses step by step, probabilities and final weights."""
    plain, fast = (fit(recipe, DATA, 0, Engine(name), "cpu") for name in ("plain", "fast"))
    np.testing.assert_allclose(fast.losses, plain.losses, rtol=1e-4, err_msg=str(recipe))
    for split in ("train", "validation", "test"):
        expected, found = (getattr(each, split).probabilities for each in (plain, fast))
        atol = 2e-2 if recipe.trainer == "features" else 1e-4
        np.testing.assert_allclose(found, expected, atol=atol, err_msg=str(recipe))
    if recipe.trainer == "network":
        states = [each.classifier.predictor.network.state_dict() for each in (plain, fast)]
        assert states[0].keys() == states[1].keys()
        for name, weight in states[0].items():
            if KEYS_BIAS.search(name):
                continue
            assert steps_between(states[1][name].numpy(), weight.numpy(), recipe.lr) < 0.1, (
                name,
                recipe,
            )


# --- what an architecture cannot do ---------------------------------------------------------------------


@pytest.mark.parametrize("family", EVERY)
def test_half_a_mask_is_taken_away_from_decoders_with_the_engines_attention(family: str) -> None:
    abilities = FAMILIES[family].abilities
    recipe = Recipe(model=family, attention="bidirectional_upper_half", position="last_real")
    obstacle = fit_obstacle(recipe, toy(family).info)
    if abilities.causal and abilities.turns:
        assert obstacle is None
    else:
        assert obstacle is not None
        said = "has one mask (causal)" if abilities.causal else "has no causal mask to take away"
        assert said in obstacle


@pytest.mark.parametrize(
    ("family", "why"),
    [("albert", "has one block that serves as all of them"), ("bloom", "attends in code of its own")]
    + [(family, "attends in code of its own") for family in ("gpt_neo", "deberta-v2")],
)
def test_prefixes_are_refused_where_no_attention_would_see_them(family: str, why: str) -> None:
    recipe = Recipe(model=family, attention="native", position="last_real", train="prefix")
    obstacle = fit_obstacle(recipe, toy(family).info)
    assert obstacle is not None
    assert f"train = prefix: {family} {why}, which takes no keys and values beside its own" in obstacle


@pytest.mark.parametrize(
    "family", [name for name in EVERY if name != "gpt2"]
)  # whose layers are of another class
def test_attention_and_mlp_name_the_layers_of_each_family(family: str) -> None:
    """Those within a module of a class that is called attention, and all others."""
    blocks = toy(family).blocks
    inside = [f"{name}." for name, module in blocks.named_modules() if "Attention" in type(module).__name__]
    for name in linear_inputs(blocks):
        parts = [part for part in ("attention", "mlp") if is_target(name, (part,))]
        assert parts == ["attention" if name.startswith(tuple(inside)) else "mlp"], name
    assert unmatched(("attention", "mlp"), list(linear_inputs(blocks))) is None


@pytest.mark.parametrize("train", ["last_block", "last_two_blocks"])
def test_albert_has_no_upper_blocks(train: Train) -> None:
    with pytest.raises(UserError, match=rf"train = {train}: albert has no upper blocks to train alone"):
        check_fit(Recipe(model="albert", train=train, attention="native"), toy("albert").info)


@pytest.mark.parametrize(
    ("family", "attention"),
    [("gpt_neo", "bidirectional"), ("bloom", "bidirectional"), ("deberta-v2", "causal")],
)
def test_attention_in_own_code_has_one_mask(family: str, attention: Any) -> None:
    with pytest.raises(UserError, match=rf"attention = '{attention}': {family} attends in code of its own"):
        check_fit(Recipe(model=family, attention=attention), toy(family).info)


@pytest.mark.parametrize("family", ["bloom", "gpt_neo", "deberta-v2"])
def test_hidden_padding_is_not_read_from_attention_in_own_code(family: str) -> None:
    recipe = Recipe(model=family, attention="native", position="last", attend_padding=False)
    with pytest.raises(UserError, match="position = 'last' with attend_padding = false"):
        check_fit(recipe, toy(family).info)


@pytest.mark.parametrize("family", [name for name in EVERY if FAMILIES[name].abilities.turns])
def test_a_pad_right_after_the_text_stands_for_the_last_column(family: str) -> None:
    recipe = Recipe(model=family, attention="causal", position="last", attend_padding=False)
    assert Engine("fast").layout(recipe, toy(family).info).keep_one_pad


def test_what_does_not_fit_is_refused_before_anything_runs() -> None:
    with toys_only("albert"), pytest.raises(UserError, match="albert has no upper blocks"):
        fit(Recipe(model="albert", train="last_block", attention="native"), DATA, 0, Engine(), "cpu")


def test_rows_are_no_longer_than_the_context() -> None:
    assert {toy(family).info.context for family in EVERY} == {CONTEXT}
