"""n-gram baselines against sums written out by hand."""

import math

import numpy as np
import pytest

from tools.pretrain.ngrams import bigram_bits, uniform_bits, unigram_bits


def test_uniform_bits_are_the_logarithm_of_the_vocabulary() -> None:
    assert uniform_bits(8192) == 13.0


def test_unigram_adds_one_to_every_count() -> None:
    train, held_out = np.array([0, 0, 1], dtype=np.uint16), np.array([0, 2], dtype=np.uint16)
    # counts + 1 over a vocabulary of 4: 3, 2, 1, 1 of 7
    expected = -(math.log2(3 / 7) + math.log2(1 / 7)) / 2
    assert unigram_bits(train, held_out, 4) == pytest.approx(expected)


def test_bigram_follows_witten_bell_by_hand() -> None:
    train = np.array([0, 1, 0, 1, 0, 2], dtype=np.uint16)
    unigram = np.array([4, 3, 2, 1]) / 10
    # after 0: successors 1 (twice) and 2 (once): c = 3, u = 2
    seen = (2 + 2 * unigram[1]) / 5
    unseen = (0 + 2 * unigram[3]) / 5
    # 3 never precedes anything: the unigram alone
    held_out = (
        np.array([0, 1], dtype=np.uint16),
        np.array([0, 3], dtype=np.uint16),
        np.array([3, 0], dtype=np.uint16),
    )
    assert bigram_bits(train, held_out[0], 4) == pytest.approx(-math.log2(seen))
    assert bigram_bits(train, held_out[1], 4) == pytest.approx(-math.log2(unseen))
    assert bigram_bits(train, held_out[2], 4) == pytest.approx(-math.log2(unigram[0]))


def test_bigram_probabilities_sum_to_one() -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(0, 6, 200).astype(np.uint16)
    for first in range(6):
        bits = [bigram_bits(train, np.array([first, w], dtype=np.uint16), 6) for w in range(6)]
        assert sum(2.0**-b for b in bits) == pytest.approx(1.0)
