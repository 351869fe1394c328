"""The frozen part: right, computed once, shared by those it is the same for and by no other."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gptcore.backbones.base import CAUSAL
from gptcore.data import rows as batching
from gptcore.data.rows import READ, Rows, pad
from gptcore.engine.classifier import Classifier
from gptcore.engine.trunk import compute_trunk
from gptcore.recipe import Recipe

N_LAYER, WIDTH, D_MODEL = 3, 8, 16  # of the toy
PAD = 30
SEQUENCES = [[3, 1, 4], [1, 5, 9, 2, 6, 5, 3, 5], [8], [9, 7, 9, 3, 2]]

Make = Callable[..., Classifier]


def padded(sequences: list[list[int]], width: int = WIDTH) -> Rows:
    return pad(sequences, width, PAD)


@pytest.fixture
def trimming(toy_classifier: Make) -> Classifier:
    return toy_classifier(Recipe(position="last_real"), "fast")


@pytest.fixture
def full_width(toy_classifier: Make) -> Classifier:
    return toy_classifier(Recipe(position="last"), "fast")


def of(found: Rows) -> Tensor:
    assert not found.are_tokens
    return found.values


def count_calls(module: torch.nn.Module) -> list[int]:
    """Rows of every batch that goes through a module from now on."""
    calls: list[int] = []
    module.register_forward_hook(lambda _module, inputs, _out: calls.append(len(inputs[0])))
    return calls


# --- what is computed ------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("depth", [1, 2])
def test_states_are_those_of_each_text_alone(trimming: Classifier, depth: int) -> None:
    rows = padded(SEQUENCES)
    states = compute_trunk(trimming, rows, depth).rows
    assert (states.depth, states.side, states.width, len(states)) == (depth, "right", WIDTH, len(SEQUENCES))
    assert torch.equal(states.lengths, rows.lengths)
    for state, sequence in zip(states.values, SEQUENCES, strict=True):
        alone = trimming.backbone.run(Rows.whole(torch.tensor([sequence])), CAUSAL, stop=depth)[0]
        torch.testing.assert_close(state[: len(sequence)], alone, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_features_are_what_the_head_reads(trimming: Classifier) -> None:
    features = compute_trunk(trimming, padded(SEQUENCES), N_LAYER).rows
    assert (features.depth, features.width) == (READ, 0)
    for feature, sequence in zip(features.values, SEQUENCES, strict=True):
        torch.testing.assert_close(feature, trimming.backbone(torch.tensor([sequence]))[0, -1])


@torch.no_grad()
def test_classifying_from_states_is_classifying_from_tokens(
    trimming: Classifier, full_width: Classifier
) -> None:
    rows = padded(SEQUENCES)
    for classifier in (trimming.eval(), full_width.eval()):
        whole = classifier(rows)
        for depth in (1, 2, N_LAYER):
            torch.testing.assert_close(classifier(compute_trunk(classifier, rows, depth).rows), whole)


def test_deeper_from_shallower_is_from_scratch(trimming: Classifier, full_width: Classifier) -> None:
    rows = padded([*SEQUENCES, SEQUENCES[1]])
    for classifier in (trimming, full_width):
        base = compute_trunk(classifier, rows, 1)
        calls = count_calls(classifier.backbone.h[0])
        for depth in (2, N_LAYER):
            built_on = compute_trunk(classifier, rows, depth, base)
            assert calls == []
            assert built_on.seconds > base.seconds
            torch.testing.assert_close(of(built_on.rows), of(compute_trunk(classifier, rows, depth).rows))
            assert calls
            calls.clear()


def test_rows_of_equal_tokens_but_other_lengths_are_not_equal(toy_classifier: Make) -> None:
    """A text may end in the token that pads: where padding is masked, that makes a difference."""
    recipe = Recipe(position="mean_real", attention="bidirectional", attend_padding=False)
    rows = padded([[5, 6], [5, 6, PAD]])
    assert torch.equal(rows.values[0], rows.values[1])
    found = of(compute_trunk(toy_classifier(recipe, "fast"), rows, 1).rows)
    assert not torch.allclose(found[0, :2], found[1, :2])


def test_rows_of_like_length_go_together(trimming: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "POSITIONS_AT_A_TIME", WIDTH)
    begin, shapes = trimming.embed_or_resume, []

    def noted(rows: Rows) -> Rows:
        batch = begin(rows)
        shapes.append((len(batch), batch.width))
        return batch

    monkeypatch.setattr(trimming, "embed_or_resume", noted)
    compute_trunk(trimming, padded(SEQUENCES), 1)
    assert shapes == [(2, 3), (1, 5), (1, 8)]
    assert trimming.positions_processed == 1 + 3 + 5 + 8  # the padding that is left is not computed


def test_full_width_batches_keep_to_the_limit(
    full_width: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "POSITIONS_AT_A_TIME", 3 * WIDTH)
    calls = count_calls(full_width.backbone.h[0])
    rows = padded([[token] for token in range(8)])
    whole = of(compute_trunk(full_width, rows, 1).rows)
    assert calls == [3, 3, 2]
    monkeypatch.setattr(batching, "POSITIONS_AT_A_TIME", 1)  # less than one row: a row at a time
    torch.testing.assert_close(of(compute_trunk(full_width, rows, 1).rows), whole)
    assert calls[3:] == [1] * 8


def test_dropout_is_off_and_the_mode_put_back(toy_classifier: Make) -> None:
    classifier = toy_classifier(Recipe(train="lora", lora_dropout=0.5, lora_rank=2), "fast").train()
    with torch.no_grad():
        for name, parameter in classifier.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
    rows = padded(SEQUENCES)
    first, second = (of(compute_trunk(classifier, rows, 1).rows) for _ in range(2))
    assert torch.equal(first, second)
    assert classifier.training
    assert not first.requires_grad


# --- rows as states --------------------------------------------------------------------------------------


def test_state_rows_are_picked_and_cut() -> None:
    states = torch.arange(2 * 4 * 3, dtype=torch.float32).view(2, 4, 3)
    rows = Rows(states, torch.tensor([4, 2]), "right", depth=1)
    assert rows.real.tolist() == [[True] * 4, [True, True, False, False]]
    picked = rows.take(torch.tensor([1, 0, 1]))
    assert torch.equal(picked.values, states[[1, 0, 1]])
    assert picked.lengths.tolist() == [2, 4, 2]
    cut = rows.columns(3)
    assert torch.equal(cut.values, states[:, :3])
    assert cut.lengths.tolist() == [3, 2]
    assert (cut.side, cut.depth) == ("right", 1)


def test_feature_rows_are_picked() -> None:
    features = torch.arange(6, dtype=torch.float32).view(2, 3)
    rows = Rows(features, torch.tensor([4, 2]), depth=READ)
    assert len(rows) == 2
    picked = rows.take(torch.tensor([1, 1]))
    assert torch.equal(picked.values, features[[1, 1]])
    assert picked.lengths.tolist() == [2, 2]
