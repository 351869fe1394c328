"""Padding and batches, for any sequences."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gptcore.data.rows import Rows, epoch_batches, pad, pooled, real_positions

PAD = 99
sequences_of_tokens = st.lists(st.lists(st.integers(0, 9), max_size=9), min_size=1, max_size=6)
sides = st.sampled_from(["right", "left"])


@given(sequences=sequences_of_tokens, length=st.integers(1, 11), side=sides)
def test_rows_hold_their_tokens_and_padding_beside_them(sequences, length, side):
    rows = pad(sequences, length, PAD, side)
    assert rows.values.shape == (len(rows), rows.width) == (len(sequences), length)
    assert rows.values.dtype == rows.lengths.dtype == torch.int64
    for row, sequence in zip(rows.values.tolist(), sequences, strict=True):
        kept = sequence[:length]
        padding = [PAD] * (length - len(kept))
        assert row == (kept + padding if side == "right" else padding + kept)
    # A text without tokens keeps one padding token to be read.
    assert rows.lengths.tolist() == [max(1, min(len(sequence), length)) for sequence in sequences]


@given(sequences=sequences_of_tokens, length=st.integers(1, 11), side=sides)
def test_real_positions_are_the_tokens(sequences, length, side):
    rows = pad(sequences, length, PAD, side)
    assert torch.equal(rows.real.sum(dim=1), rows.lengths)
    assert torch.equal(rows.real, real_positions(rows.lengths, length, side))
    for row, real, sequence in zip(rows.values, rows.real, sequences, strict=True):
        assert row[real].tolist() == (sequence[:length] or [PAD])
        assert set(row[~real].tolist()) <= {PAD}


@given(sequences=sequences_of_tokens, length=st.integers(1, 11), side=sides)
def test_unpadded_rows_stand_alone(sequences, length, side):
    alone = list(pad(sequences, length, PAD, side).unpadded())
    assert [row.values[0].tolist() for row in alone] == [sequence[:length] or [PAD] for sequence in sequences]
    assert all(row.real.all() and len(row) == 1 for row in alone)


@given(sequences=sequences_of_tokens, side=sides, data=st.data())
def test_rows_are_picked_in_the_order_asked_for(sequences, side, data):
    rows = pad(sequences, 9, PAD, side)
    index = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1))
    picked, expected = rows.take(torch.tensor(index)), pad([sequences[i] for i in index], 9, PAD, side)
    assert torch.equal(picked.values, expected.values)
    assert torch.equal(picked.real, expected.real)


@given(sequences=sequences_of_tokens, side=sides, data=st.data())
def test_a_pool_has_every_row_once_however_they_are_divided(sequences, side, data):
    def divided(order: list[int]) -> list[Rows]:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), min_size=2, max_size=2)))
        parts = (order[: cuts[0]], order[cuts[0] : cuts[1]], order[cuts[1] :])
        return [pad([sequences[i] for i in part], 9, PAD, side) for part in parts]

    pool, places = pooled(parts := divided(list(range(len(sequences)))))
    assert len(pool) == len({tuple(sequence) or (PAD,) for sequence in sequences})
    for part, of_part in zip(parts, places, strict=True):
        shared = replace(pool, lengths=part.lengths, places=of_part)
        assert len(shared) == len(part)
        index = torch.arange(len(part)).flip(0)
        assert torch.equal(shared.take(index).values, part.take(index).values)
        assert torch.equal(shared.take(index).lengths, part.take(index).lengths)
        assert [row.values.tolist() for row in shared.unpadded()] == [
            row.values.tolist() for row in part.unpadded()
        ]
    other, _ = pooled(divided(data.draw(st.permutations(range(len(sequences))))))
    assert torch.equal(pool.values, other.values)
    assert torch.equal(pool.lengths, other.lengths)


@given(sequences=sequences_of_tokens, n=st.integers(1, 9))
def test_fewer_columns_are_rows_cut_shorter(sequences, n):
    cut, expected = pad(sequences, 9, PAD).columns(n), pad(sequences, n, PAD)
    assert torch.equal(cut.values, expected.values)
    assert torch.equal(cut.lengths, expected.lengths)


def test_rows_move_with_all_they_have():
    rows = replace(pad([[1, 2]], 3, PAD, "left"), places=torch.tensor([0])).to(torch.device("meta"))
    assert rows.places is not None
    assert {each.device.type for each in (rows.values, rows.lengths, rows.places)} == {"meta"}
    assert rows.side == "left"


@given(n=st.integers(1, 60), batch_size=st.integers(1, 20), seed=st.integers(0, 9))
def test_an_epoch_sees_rows_at_most_once_and_drops_a_partial_batch(n, batch_size, seed):
    batches = epoch_batches(n, batch_size, torch.Generator().manual_seed(seed))
    rows = torch.cat(batches).tolist()
    assert {len(batch) for batch in batches} == {min(n, batch_size)}  # one batch of all where there are few
    assert len(rows) == len(set(rows)) > n - batch_size
    assert set(rows) <= set(range(n))


def test_the_order_is_the_generators():
    generator = torch.Generator().manual_seed(3)
    first, second = (torch.cat(epoch_batches(40, 8, generator)) for _ in range(2))
    assert not torch.equal(first, second)
    generator.manual_seed(3)
    assert torch.equal(torch.cat(epoch_batches(40, 8, generator)), first)
    # The seed alone says which row is seen when: a batch size cuts the same order otherwise.
    assert torch.equal(torch.cat(epoch_batches(40, 4, generator.manual_seed(3))), first)
    assert first.tolist() == torch.randperm(40, generator=torch.Generator().manual_seed(3)).tolist()


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_hand_made_example(side):
    rows = pad([[7], [], [1, 2, 3, 4]], 3, PAD, side)
    if side == "right":
        assert rows.values.tolist() == [[7, PAD, PAD], [PAD, PAD, PAD], [1, 2, 3]]
        assert rows.real.tolist() == [[True, False, False], [True, False, False], [True] * 3]
    else:
        assert rows.values.tolist() == [[PAD, PAD, 7], [PAD, PAD, PAD], [1, 2, 3]]
        assert rows.real.tolist() == [[False, False, True], [False, False, True], [True] * 3]
    assert rows.lengths.tolist() == [1, 1, 3]
