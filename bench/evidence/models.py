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


def p_texts(wins: int, losses: int) -> float:
    """Two-sided p of the exact sign test over examples, which is McNemar's (1947) with one seed."""
    return min(1.0, 2 * p_more(max(wins, losses), min(wins, losses)))


def p_more(wins: int, losses: int) -> float:
    """One-sided p of the same: of so many wins or more where wins and losses are equally likely."""
    from scipy.special import bdtr

    return float(bdtr(losses, wins + losses, 0.5))
