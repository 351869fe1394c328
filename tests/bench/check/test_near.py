"""Near duplicates are those that a comparison of all pairs finds."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.neighbors import NearestNeighbors

from bench.check import near
from bench.check.near import near_pairs, shingles

WORDS = [f"word{chr(97 + i)}{i}" for i in range(60)]


def some_texts(n: int, seed: int) -> list[str]:
    """Random texts, half of them a little changed copies of others."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(3, 25))) for _ in range(n)]
    for at in range(n // 2, n):
        words = texts[at - n // 2].split()
        for _ in range(rng.integers(0, 4)):
            words[rng.integers(len(words))] = str(rng.choice(WORDS))
        texts[at] = " ".join(words)
    return texts


def all_pairs(texts: list[str], threshold: float) -> set[tuple[int, int]]:
    """By scikit-learn: character n-grams, Jaccard distance, every pair."""
    present = CountVectorizer(analyzer="char", ngram_range=(near.N_GRAM,) * 2, binary=True, lowercase=False)
    matrix = present.fit_transform(texts).toarray().astype(bool)
    enough = matrix.sum(axis=1) >= near.FEWEST
    neighbours = NearestNeighbors(radius=1 - threshold + 1e-9, metric="jaccard", algorithm="brute").fit(
        matrix
    )
    found = neighbours.radius_neighbors(matrix, return_distance=False)
    return {
        (a, int(b)) for a, others in enumerate(found) for b in others if a < b and enough[a] and enough[b]
    }


def test_they_are_those_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "MOST_SHARED", 1000)
    for seed, threshold in ((0, 0.8), (1, 0.6), (2, 0.95)):
        texts = some_texts(200, seed)
        found = {tuple(pair) for pair in near_pairs(texts, threshold).tolist()}
        expected = all_pairs(texts, threshold)
        assert found == expected
        assert len(expected) > 10


def test_long_texts_are_compared_by_the_same_sample() -> None:
    rng = np.random.default_rng(0)
    long = " ".join(rng.choice(WORDS, size=2000)) + " ".join(map(str, range(3000)))
    other = long[:5000] + "XYZ" + long[5003:]
    assert len(shingles([long])[0]) == near.MOST
    assert near_pairs([long, other, long[::-1]]).tolist() == [[0, 1]]


def test_many_copies_of_a_template_stay_one_group() -> None:
    texts = [
        f"dear customer number {i:04}, your parcel waits for you at the station, please call"
        for i in range(300)
    ]
    pairs = near_pairs(texts)
    assert len(pairs) < 300 * 299 / 2
    assert set(np.unique(pairs).tolist()) == set(range(300))


def test_nothing_to_compare() -> None:
    assert near_pairs([]).shape == (0, 2)
    assert near_pairs(["short", "short", ""]).shape == (0, 2)
    assert near_pairs(["a text that is unlike the other one", "0123456789 0123456789 and more"]).shape == (
        0,
        2,
    )
