"""What predictions say of the trained models themselves: one or two seeds tell nothing of other seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MIN_SEEDS = 3  # with fewer, words are about the models that were trained, not about the recipes


def wins_and_losses(differences: Sequence[np.ndarray], examples: Sequence[np.ndarray]) -> tuple[int, int]:
    """How many examples ours gets right more often than theirs, and how many less often.

    differences: for each seed (n,) values of -1, 0, 1; examples: for each seed (n,) their numbers. Each example
    counts once, however many seeds were tested on it.
    """
    ids = np.unique(np.concatenate(examples), return_inverse=True)[1]
    totals = np.bincount(ids, np.concatenate(differences))
    return int((totals > 0.5).sum()), int((totals < -0.5).sum())


def p_groups(sums: np.ndarray) -> float:
    """Two-sided p of the exact sign-flip test over groups: each group is as likely to speak for ours as for theirs.

    sums: (G,) texts that ours gets right more often than theirs, as whole numbers. Of groups of one text it is the sign
    test. The distribution of the total is the Fourier inverse of the product of cosines, one of each group.
    """
    differing = abs(sums[sums != 0]).astype(np.int64)
    values, counts = np.unique(differing, return_counts=True)
    most, at = int(differing.sum()), int(abs(sums.sum()))
    if at == 0:
        return 1.0
    angles = 2 * np.pi * np.arange(2 * most + 1) / (2 * most + 1)
    product = np.ones(2 * most + 1)
    for value, count in zip(values, counts, strict=True):
        product *= np.cos(value * angles) ** count
    chances = np.fft.fft(product).real / len(product)  # of 0, 1, ... most, -most, ... -1
    least = 2.0 ** (1 - min(len(differing), 1000))  # all groups on one side
    return float(min(1.0, max(least, chances[at : len(chances) - at + 1].sum())))


def p_texts(wins: int, losses: int) -> float:
    """Two-sided p of the exact sign test over examples, which is McNemar's (1947) with one seed."""
    return min(1.0, 2 * p_more(max(wins, losses), min(wins, losses)))


def p_more(wins: int, losses: int) -> float:
    """One-sided p of the same: of so many wins or more where wins and losses are equally likely."""
    from scipy.special import bdtr

    return float(bdtr(losses, wins + losses, 0.5))
