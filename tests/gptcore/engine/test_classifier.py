"""The head and what it reads, on rows of known length."""

import pytest
import torch
from torch import nn

from gptcore.backbones.gpt import GPT
from gptcore.data.rows import Rows, pad
from gptcore.engine.attention import RowAttention
from gptcore.engine.classifier import Classifier
from gptcore.engine.layout import plain_layout
from gptcore.recipe import Recipe

SEQUENCES = [[3], [7, 8, 9, 10], [1, 2, 3, 4, 5, 6]]
WIDTH = 6
POSITIONS = ["first", "last", "last_real", "mean", "mean_real"]


def rows(side: str) -> Rows:
    return pad(SEQUENCES, WIDTH, 30, side)


def alone(gpt: GPT, causal: bool = True) -> list[torch.Tensor]:
    """The hidden states (T, d_model) of each sequence without any padding."""
    return [gpt(torch.tensor([sequence]), RowAttention(causal))[0] for sequence in SEQUENCES]


# The columns that are averaged, by side and position.
COLUMNS = {
    ("right", "first"): [[0], [0], [0]],
    ("right", "last"): [[5], [5], [5]],
    ("right", "last_real"): [[0], [3], [5]],
    ("right", "mean"): [range(6)] * 3,
    ("right", "mean_real"): [[0], range(4), range(6)],
    ("left", "first"): [[0], [0], [0]],
    ("left", "last"): [[5], [5], [5]],
    ("left", "last_real"): [[5], [5], [5]],
    ("left", "mean"): [range(6)] * 3,
    ("left", "mean_real"): [[5], range(2, 6), range(6)],
}


@pytest.mark.parametrize(("side", "position"), COLUMNS)
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@torch.no_grad()
def test_each_position_reads_its_columns(toy_classifier, side, position, attention):
    classifier = toy_classifier(Recipe(padding=side, position=position, attention=attention))
    hidden = classifier.backbone(rows(side).values, RowAttention(attention == "causal"))
    expected = torch.stack(
        [hidden[i, list(columns)].mean(dim=0) for i, columns in enumerate(COLUMNS[side, position])]
    )
    torch.testing.assert_close(classifier.features(rows(side)), expected)
    assert torch.equal(classifier(rows(side)), classifier.head(classifier.features(rows(side))))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@torch.no_grad()
def test_hidden_padding_leaves_each_row_as_if_alone(toy_classifier, side, attention):
    for position, read in (("last_real", -1), ("mean_real", slice(None))):
        recipe = Recipe(padding=side, position=position, attention=attention, attend_padding=False)
        classifier = toy_classifier(recipe)
        expected = [
            hidden[read].reshape(-1, 16).mean(dim=0)
            for hidden in alone(classifier.backbone, attention == "causal")
        ]
        torch.testing.assert_close(classifier.features(rows(side)), torch.stack(expected))


@torch.no_grad()
def test_padding_that_can_be_seen_matters(toy_classifier):
    right, left = (toy_classifier(Recipe(padding=side, position="last")) for side in ("right", "left"))
    expected = torch.stack([hidden[-1] for hidden in alone(right.backbone)])
    for classifier, side in ((right, "right"), (left, "left")):
        features = classifier.features(rows(side))
        torch.testing.assert_close(features[2], expected[2])  # a full row has no padding
        assert not torch.allclose(features[:2], expected[:2], atol=1e-2)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("engine", ["plain", "fast"])
@torch.no_grad()
def test_without_padding_each_row_stands_alone(toy_classifier, position, attention, engine):
    recipe = Recipe(padding="none", position=position, attention=attention)
    classifier = toy_classifier(recipe, engine)
    read = {"first": 0, "last": -1, "last_real": -1}.get(position, slice(None))
    expected = [
        hidden[read].reshape(-1, 16).mean(dim=0)
        for hidden in alone(classifier.backbone, attention == "causal")
    ]
    torch.testing.assert_close(classifier.features(rows("right")), torch.stack(expected))


@pytest.mark.parametrize("position", ["mean", "mean_real"])
@torch.no_grad()
def test_the_mean_before_the_head_is_the_mean_of_the_logits(toy_classifier, position):
    classifier = toy_classifier(Recipe(position=position), n_classes=3)
    logits = classifier.head(classifier.backbone(rows("right").values))  # (B, T, 3)
    columns = COLUMNS["right", position]
    expected = torch.stack([logits[i, list(columns[i])].mean(dim=0) for i in range(3)])
    torch.testing.assert_close(classifier(rows("right")), expected)


@pytest.mark.parametrize("tie_output", [True, False])
@pytest.mark.parametrize("train", ["last_layer", "last_block", "all", "lora"])
def test_there_is_exactly_one_head(toy_classifier, toy_gpt, tie_output, train):
    """Counted, as the well-known mistake of wrapped models is a second one."""
    recipe = Recipe(train=train, lora_rank=4)
    classifier = toy_classifier(recipe, n_classes=3, tie_output=tie_output)
    body = toy_gpt().config.n_params  # the tied model's: without an output layer
    adapters = 3 * 4 * ((16 + 48) + (16 + 16) + (16 + 64) + (64 + 16)) if train == "lora" else 0
    assert sum(p.numel() for p in classifier.parameters()) == body + adapters + 16 * 3 + 3
    wide = [m for m in classifier.modules() if isinstance(m, nn.Linear) and m.out_features in (3, 31)]
    assert wide == [classifier.head]
    assert classifier(rows("right")).shape == (3, 3)


def test_the_head_starts_as_a_linear_layer_does_from_its_seed(toy_classifier):
    heads = [toy_classifier(Recipe(), n_classes=50, init_seed=seed).head for seed in (1, 1, 2)]
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert torch.equal(heads[0].bias, heads[1].bias)
    assert not torch.equal(heads[0].weight, heads[2].weight)
    bound = 1 / 16**0.5  # uniform between minus and plus that
    for parameter in (heads[0].weight, heads[0].bias):
        assert 0.9 * bound < parameter.abs().max() <= bound
        assert parameter.detach().std() == pytest.approx(bound / 3**0.5, rel=0.2)


def test_positions_that_go_through_blocks_are_counted(toy_classifier):
    padded, single = (toy_classifier(Recipe(padding=padding)) for padding in ("right", "none"))
    padded(rows("right"))
    single(rows("right"))
    assert padded.positions_processed == 3 * WIDTH
    assert single.positions_processed == 1 + 4 + 6
    padded(rows("right"))
    assert padded.positions_processed == 2 * 3 * WIDTH


@pytest.mark.parametrize("train", ["last_layer", "all", "lora"])
@pytest.mark.parametrize("position", ["last_real", "mean_real"])
def test_no_padding_goes_through_blocks_where_it_is_hidden(toy_classifier, train, position):
    recipe = Recipe(train=train, position=position, lora_rank=4)
    classifier = toy_classifier(recipe, engine="fast")
    classifier(rows("right"))
    assert classifier.positions_processed == 1 + 4 + 6


def test_the_gpt_is_taken_over(toy_gpt):
    gpt = toy_gpt(tie_output=False)
    classifier = Classifier(gpt, 2, plain_layout(Recipe()), torch.Generator().manual_seed(0))
    assert classifier.backbone is gpt
    assert gpt.lm_head is None


def test_a_head_without_a_bias_draws_the_same_weights_and_learns_none(toy_classifier):
    with_bias, without = (toy_classifier(Recipe(head=head)) for head in ("linear", "no_bias"))
    assert torch.equal(with_bias.head.weight, without.head.weight)
    assert not without.head.bias.any()
    assert all(parameter is not without.head.bias for parameter in without.trained_parameters())
    assert any(parameter is with_bias.head.bias for parameter in with_bias.trained_parameters())
