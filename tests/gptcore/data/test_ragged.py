"""Sequences of any length, as they were, and equal whatever their order."""

import pytest

from gptcore.data.ragged import Ragged


@pytest.mark.parametrize("sequences", [[], [[]], [[1, 2], [], [3], []], [[50_000] * 3]])
def test_sequences_come_back(sequences: list[list[int]]) -> None:
    found = Ragged.of(sequences)
    assert found.lists() == sequences
    assert found.lengths.tolist() == [len(sequence) for sequence in sequences]


def test_a_digest_is_of_the_distinct_sequences() -> None:
    whole = Ragged.digest([Ragged.of([[1, 2], [3]]), Ragged.of([[1, 2], []])])
    assert whole == Ragged.digest([Ragged.of([[], [3], [1, 2]])])
    others = [[[1, 2, 3], []], [[1], [2, 3], []], [[1, 2], [3]], [[2, 1], [3], []]]
    assert len({whole, *(Ragged.digest([Ragged.of(each)]) for each in others)}) == 1 + len(others)
