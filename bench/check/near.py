"""Near duplicates: pairs of texts whose character n-grams overlap, found without comparing all pairs.

A pair with Jaccard similarity t or more shares an n-gram among the rarest |A| - ceil(t |A|) + 1 of each (prefix
filtering; Chaudhuri et al. 2006). Only such pairs are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

N_GRAM = 5
THRESHOLD = 0.8
FEWEST = 10  # n-grams of a text that is compared: of a shorter one, a single letter is too much
MOST = 200  # n-grams kept of a longer text, chosen by their hash, so that the same ones of two texts are kept
MOST_SHARED = 30  # texts with the same n-gram, beyond which only neighbours in the file are compared
_PAIRS_AT_A_TIME = 50_000
_TEXTS_AT_A_TIME = 1024  # whose n-grams are hashed together


def near_pairs(texts: Sequence[str], threshold: float = THRESHOLD) -> np.ndarray:
    """Pairs (P, 2) int64 of indices, the lower first, of texts with that similarity. Equal texts are a pair too.

    Similarity: Jaccard of the sets of N_GRAM characters; for a text with more than MOST of them, of a sample. Where
    more than MOST_SHARED texts share an n-gram, it leads to pairs of neighbours only.
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    sets = shingles(texts)
    used = np.array([at for at, found in enumerate(sets) if len(found) >= FEWEST], dtype=np.int64)
    if len(used) < 2:
        return np.empty((0, 2), dtype=np.int64)
    sizes = np.array([len(sets[at]) for at in used])
    owners = np.repeat(np.arange(len(used)), sizes)
    _, ids, counts = np.unique(
        np.concatenate([sets[at] for at in used]), return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    keys = np.sort(owners * len(counts) + rank[ids])  # within a text the rarest first, the same order in all
    place = np.arange(len(keys)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    in_prefix = place < np.repeat(sizes - np.ceil(threshold * sizes - 1e-9).astype(int) + 1, sizes)
    chosen, ranks = np.divmod(keys[in_prefix], len(counts))
    shared = np.sort(counts)[ranks] > 1
    candidates = _sharing(ranks[shared], chosen[shared], len(used))
    a, b = sizes[candidates].T
    candidates = candidates[np.minimum(a, b) >= threshold * np.maximum(a, b) - 1e-9]
    matrix = csr_matrix((np.ones(len(ids), dtype=np.int32), (owners, ids)), shape=(len(used), len(counts)))
    pairs = []
    for begin in range(0, len(candidates), _PAIRS_AT_A_TIME):
        a, b = candidates[begin : begin + _PAIRS_AT_A_TIME].T
        shared = np.asarray(matrix[a].multiply(matrix[b]).sum(axis=1)).ravel()
        similar = shared >= threshold * (sizes[a] + sizes[b] - shared) - 1e-9
        pairs.append(np.stack([used[a[similar]], used[b[similar]]], axis=1))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def shingles(texts: Sequence[str]) -> list[np.ndarray]:
    """Of each text the hashes of its different n-grams in ascending order, uint64, at most MOST of them."""

    sets = []
    for begin in range(0, len(texts), _TEXTS_AT_A_TIME):
        some = texts[begin : begin + _TEXTS_AT_A_TIME]
        hashes, start = _hashes("".join(some)), 0
        for text in some:
            own = hashes[start : start + max(0, len(text) - N_GRAM + 1)]
            own.sort()
            sets.append(own[_is_new(own)][:MOST])
            start += len(text)
    return sets


def _hashes(text: str) -> np.ndarray:
    """Of every n-gram of a text, in its order, uint64."""
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    mixed = np.zeros(max(0, len(codes) - N_GRAM + 1), dtype=np.uint64)
    for i in range(N_GRAM):
        mixed = (mixed ^ codes[i : i + len(mixed)]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _sharing(ids: np.ndarray, owners: np.ndarray, n: int) -> np.ndarray:
    """Pairs (P, 2) of owners that share an id, each once, the lower first."""
    import numpy as np

    ids, owners = np.divmod(np.sort(ids * n + owners), n)
    starts = np.flatnonzero(_is_new(ids))
    group = np.diff(np.append(starts, len(ids)))
    sizes = np.repeat(group, group)
    found = []
    for distance in range(1, int(min(sizes.max(initial=1), MOST_SHARED))):
        same = ids[distance:] == ids[:-distance]
        if distance > 1:
            same &= sizes[distance:] <= MOST_SHARED
        found.append(_distinct(owners[:-distance][same] * n + owners[distance:][same]))
    codes = _distinct(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
    return np.stack([codes // n, codes % n], axis=1)


def _distinct(codes: np.ndarray) -> np.ndarray:
    """The different ones of (N,) int64, ascending. By sorting: numpy's own takes several times as long on millions."""
    import numpy as np

    codes = np.sort(codes)
    return np.asarray(codes[_is_new(codes)])


def _is_new(values: np.ndarray) -> np.ndarray:
    """(N,) whether each of the sorted values (N,) differs from the one before it."""
    import numpy as np

    found = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=found[1:])
    return found
