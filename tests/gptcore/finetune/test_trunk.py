"""The frozen part: right, computed once, shared by those it is the same for and by no other."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gptcore.data.batching import TokenRows, pad
from gptcore.finetune import trunk as trunk_module
from gptcore.finetune.classifier import Classifier
from gptcore.finetune.recipe import Recipe
from gptcore.finetune.trunk import FeatureRows, Rows, StateRows, TrunkStore, compute_trunk

N_LAYER, WIDTH, D_MODEL = 3, 8, 16  # of the toy
PAD = 30
SEQUENCES = [[3, 1, 4], [1, 5, 9, 2, 6, 5, 3, 5], [8], [9, 7, 9, 3, 2]]

Make = Callable[..., Classifier]


def padded(sequences: list[list[int]], width: int = WIDTH) -> TokenRows:
    return pad(sequences, width, PAD)


@pytest.fixture
def trimming(toy_classifier: Make) -> Classifier:
    return toy_classifier(Recipe(position="last_real"), "fast")


@pytest.fixture
def full_width(toy_classifier: Make) -> Classifier:
    return toy_classifier(Recipe(position="last"), "fast")


def of(found: Rows) -> Tensor:
    assert not isinstance(found, TokenRows)
    return found.states if isinstance(found, StateRows) else found.features


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
    assert isinstance(states, StateRows)
    assert (states.depth, states.side, states.width, len(states)) == (depth, "right", WIDTH, len(SEQUENCES))
    assert torch.equal(states.lengths, rows.lengths)
    for state, sequence in zip(states.states, SEQUENCES, strict=True):
        alone = trimming.gpt.run_blocks(trimming.gpt.embed(torch.tensor([sequence])), stop=depth)[0]
        torch.testing.assert_close(state[: len(sequence)], alone, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_features_are_what_the_head_reads(trimming: Classifier) -> None:
    features = compute_trunk(trimming, padded(SEQUENCES), N_LAYER).rows
    assert isinstance(features, FeatureRows)
    for feature, sequence in zip(features.features, SEQUENCES, strict=True):
        torch.testing.assert_close(feature, trimming.gpt(torch.tensor([sequence]))[0, -1])


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
        calls = count_calls(classifier.gpt.h[0])
        for depth in (2, N_LAYER):
            built_on = compute_trunk(classifier, rows, depth, base)
            assert calls == []
            assert built_on.seconds > base.seconds
            torch.testing.assert_close(of(built_on.rows), of(compute_trunk(classifier, rows, depth).rows))
            assert calls
            calls.clear()


def test_equal_rows_are_computed_once(trimming: Classifier, full_width: Classifier) -> None:
    rows = padded([*SEQUENCES, SEQUENCES[0], SEQUENCES[2], SEQUENCES[2]])
    for classifier in (trimming, full_width):
        calls = count_calls(classifier.gpt.h[0])
        states = of(compute_trunk(classifier, rows, 2).rows)
        assert calls == [len(SEQUENCES)]
        assert classifier.positions_processed == len(SEQUENCES) * WIDTH
        assert torch.equal(states[4:], states[[0, 2, 2]])


def test_rows_of_equal_tokens_but_other_lengths_are_not_equal(toy_classifier: Make) -> None:
    """A text may end in the token that pads: where padding is masked, that makes a difference."""
    recipe = Recipe(position="mean_real", attention="bidirectional", attend_padding=False)
    rows = padded([[5, 6], [5, 6, PAD]])
    assert torch.equal(rows.tokens[0], rows.tokens[1])
    found = of(compute_trunk(toy_classifier(recipe, "fast"), rows, 1).rows)
    assert not torch.allclose(found[0, :2], found[1, :2])


def test_rows_of_like_length_go_together(trimming: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunk_module, "TRUNK_BATCH_TOKENS", WIDTH)
    compute_trunk(trimming, padded(SEQUENCES), 1)
    # 1 and 3 tokens together (2 x 3), 5 and 8 alone: the padding is one row's two tokens
    assert trimming.positions_processed == 2 * 3 + 5 + 8


def test_full_width_batches_keep_to_the_limit(
    full_width: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trunk_module, "TRUNK_BATCH_TOKENS", 3 * WIDTH)
    calls = count_calls(full_width.gpt.h[0])
    rows = padded([[token] for token in range(8)])
    whole = of(compute_trunk(full_width, rows, 1).rows)
    assert calls == [3, 3, 2]
    monkeypatch.setattr(trunk_module, "TRUNK_BATCH_TOKENS", 1)  # less than one row: a row at a time
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


# --- who shares it ---------------------------------------------------------------------------------------


def is_shared(store: TrunkStore, classifier: Classifier, rows: TokenRows, weights: str, depth: int) -> bool:
    before = classifier.positions_processed
    _, spent_before = store.get(classifier, weights, rows, depth)
    assert (spent_before > 0) == (classifier.positions_processed == before)
    return spent_before > 0


SAME_STATES = [
    (Recipe(position="last_real"), Recipe(position="mean_real", batch_size=3, epochs=9)),
    (Recipe(position="last_real"), Recipe(position="last_real", train="last_two_blocks")),
    (Recipe(position="last_real"), Recipe(position="last", padding="none")),
    (Recipe(position="last_real"), Recipe(position="last", padding="left", attend_padding=False)),
    (Recipe(position="last"), Recipe(position="mean")),
]
OTHER_STATES = [
    (Recipe(position="last"), Recipe(position="last", attention="bidirectional")),
    (Recipe(position="last"), Recipe(position="last", attend_padding=False)),
    (
        Recipe(position="mean", attention="bidirectional"),
        Recipe(position="mean", attention="bidirectional", attend_padding=False),
    ),
    (Recipe(position="last"), Recipe(position="last_real")),
]


@pytest.mark.parametrize(("one", "other"), SAME_STATES)
def test_recipes_with_the_same_states_share_them(toy_classifier: Make, one: Recipe, other: Recipe) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    assert not is_shared(store, toy_classifier(one, "fast"), rows, "w", 2)
    assert is_shared(store, toy_classifier(other, "fast"), rows, "w", 2)


@pytest.mark.parametrize(("one", "other"), OTHER_STATES)
def test_recipes_with_other_states_do_not(toy_classifier: Make, one: Recipe, other: Recipe) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    assert not is_shared(store, toy_classifier(one, "fast"), rows, "w", 2)
    assert not is_shared(store, toy_classifier(other, "fast"), rows, "w", 2)


def test_other_weights_tokens_lengths_and_sides_share_nothing(full_width: Classifier) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    others = [
        padded([[3, 1, 5], *SEQUENCES[1:]]),
        padded(SEQUENCES[::-1]),
        padded(SEQUENCES[:-1]),
        padded(SEQUENCES, WIDTH + 1),
        TokenRows(rows.tokens, rows.lengths.clamp(max=4), rows.side),
        TokenRows(rows.tokens, rows.lengths, "left"),
    ]
    assert not is_shared(store, full_width, rows, "w", 2)
    assert not is_shared(store, full_width, rows, "v", 2)
    for other in others:
        assert not is_shared(store, full_width, other, "w", 2)
    assert is_shared(store, full_width, rows, "w", 2)


def test_other_precisions_share_nothing(full_width: Classifier) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    exact, _ = store.get(full_width, "w", rows, 2)
    full_width.precision = "bfloat16"
    assert not is_shared(store, full_width, rows, "w", 2)
    rounded, _ = store.get(full_width, "w", rows, 2)
    assert of(rounded.rows).dtype == torch.float32
    assert not torch.equal(of(rounded.rows), of(exact.rows))
    torch.testing.assert_close(of(rounded.rows), of(exact.rows), rtol=0.05, atol=0.05)


def test_features_are_shared_by_those_who_read_the_same_position(toy_classifier: Make) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    read_last = toy_classifier(Recipe(position="last_real"), "fast")
    assert not is_shared(store, read_last, rows, "w", N_LAYER)
    assert not is_shared(store, toy_classifier(Recipe(position="mean_real"), "fast"), rows, "w", N_LAYER)
    assert is_shared(store, read_last, rows, "w", N_LAYER)
    assert is_shared(
        store, toy_classifier(Recipe(position="last", padding="none"), "fast"), rows, "w", N_LAYER
    )


def test_rows_that_stand_alone_share_nothing_with_padded_ones(toy_classifier: Make) -> None:
    """Laid out alike, but in the plain view one is read at its own end, the other at the end of its padding."""
    store, rows = TrunkStore(), padded(SEQUENCES)
    trunks = [
        store.get(toy_classifier(Recipe(train="features", padding=padding), "plain"), "w", rows, N_LAYER)[0]
        for padding in ("right", "none")
    ]
    assert not torch.allclose(of(trunks[0].rows), of(trunks[1].rows))


def test_a_deeper_trunk_starts_from_the_deepest_that_is_there(trimming: Classifier) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    calls = [count_calls(block) for block in trimming.gpt.h]
    shallow, spent = store.get(trimming, "w", rows, 1)
    assert spent == 0
    middle, spent = store.get(trimming, "w", rows, 2)
    assert spent == shallow.seconds < middle.seconds
    deep, spent = store.get(trimming, "w", rows, N_LAYER)
    assert spent == middle.seconds < deep.seconds
    assert [len(each) for each in calls] == [1, 1, 1]
    _, spent = store.get(trimming, "w", rows, N_LAYER)
    assert spent == deep.seconds
    # what lies shallower than all that is stored has to be computed anew
    fresh = TrunkStore()
    fresh.get(trimming, "w", rows, 2)
    assert fresh.get(trimming, "w", rows, 1)[1] == 0


# --- the budget ------------------------------------------------------------------------------------------


def rows_number(number: int) -> TokenRows:
    return padded([[number, number + 1]])


def test_the_least_recently_used_goes_first(full_width: Classifier) -> None:
    one = WIDTH * D_MODEL * 4
    store = TrunkStore(budget_bytes=2 * one)
    a, b, c = (rows_number(number) for number in range(3))
    for rows in (a, b, a, c):  # c pushes out b, as a was used since
        found, _ = store.get(full_width, "w", rows, 1)
        assert found.rows.n_bytes == one
    assert is_shared(store, full_width, a, "w", 1)
    assert is_shared(store, full_width, c, "w", 1)
    assert not is_shared(store, full_width, b, "w", 1)


def test_the_budget_holds_and_the_newest_stays(full_width: Classifier) -> None:
    one = WIDTH * D_MODEL * 4
    store = TrunkStore(budget_bytes=3 * one)
    for number in range(8):
        store.get(full_width, "w", rows_number(number), 1)
        assert sum(trunk.rows.n_bytes for trunk in store._trunks.values()) <= store.budget_bytes
    large = padded([[number] for number in range(4)])  # more than the budget: kept, as it is in use anyway
    store.get(full_width, "w", large, 1)
    assert list(store._trunks.values())[-1].rows.n_bytes == 4 * one
    assert len(store._trunks) == 1


def test_the_budget_is_a_share_of_the_free_memory() -> None:
    assert 0 < TrunkStore().budget_bytes < 2**50
    assert TrunkStore(budget_bytes=7).budget_bytes == 7


# --- rows as states --------------------------------------------------------------------------------------


def test_state_rows_are_picked_and_cut() -> None:
    states = torch.arange(2 * 4 * 3, dtype=torch.float32).view(2, 4, 3)
    rows = StateRows(states, torch.tensor([4, 2]), "right", depth=1)
    assert rows.real.tolist() == [[True] * 4, [True, True, False, False]]
    assert rows.n_bytes == 2 * 4 * 3 * 4
    picked = rows.rows(torch.tensor([1, 0, 1]))
    assert torch.equal(picked.states, states[[1, 0, 1]])
    assert picked.lengths.tolist() == [2, 4, 2]
    cut = rows.columns(3)
    assert torch.equal(cut.states, states[:, :3])
    assert cut.lengths.tolist() == [3, 2]
    assert (cut.side, cut.depth) == ("right", 1)


def test_feature_rows_are_picked() -> None:
    features = torch.arange(6, dtype=torch.float32).view(2, 3)
    rows = FeatureRows(features, torch.tensor([4, 2]))
    assert len(rows) == 2
    assert rows.n_bytes == 24
    picked = rows.rows(torch.tensor([1, 1]))
    assert torch.equal(picked.features, features[[1, 1]])
    assert picked.lengths.tolist() == [2, 2]
