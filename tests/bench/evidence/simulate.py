"""Studies with a known truth: which examples a baseline and its rows get right, seed by seed.

A row is right where ease of the example + its own liking for the example + its seed's luck + noise > 0, all
normal. Every row has the baseline's true accuracy, shifted by `shift` on the latent scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from bench.evidence.paired import p_mcnemar, paired_mean
from bench.evidence.verdicts import Comparison

POOL = 1494  # rows of the source, as in the published data set


@dataclass(frozen=True)
class Truth:
    """Standard deviations on the latent scale, of each of the rows where there are several."""

    seed: float | Sequence[float]  # luck of a seed
    liking: float  # of a row for an example, whatever the seed
    noise: float  # of a row, a seed and an example
    accuracy: float = 0.9
    shift: float = 0.0


def simulate(
    random: np.random.Generator, truth: Truth, n_rows: int, n_seeds: int, n_test: int, own_splits: bool
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Differences (n_rows, n_seeds, n_test) of -1, 0, 1 from a common baseline, and each seed's examples."""
    pool = POOL if own_splits else n_test
    everyone = np.arange(n_test)
    examples = [
        random.choice(pool, n_test, replace=False) if own_splits else everyone for _ in range(n_seeds)
    ]
    seed = np.broadcast_to(np.asarray(truth.seed, dtype=float), (n_rows + 1,))
    spread = np.sqrt(1 + truth.liking**2 + truth.noise**2 + seed**2)
    level = spread * _quantile(truth.accuracy) + truth.shift * (np.arange(n_rows + 1) > 0)
    ease = random.normal(0, 1, pool)
    liking = random.normal(0, truth.liking, (n_rows + 1, pool))
    luck = random.normal(0, 1, (n_rows + 1, n_seeds)) * seed[:, None]
    right = np.empty((n_rows + 1, n_seeds, n_test))
    for s, shown in enumerate(examples):
        noise = random.normal(0, truth.noise, (n_rows + 1, n_test))
        right[:, s] = ((level + luck[:, s])[:, None] + ease[shown] + liking[:, shown] + noise) > 0
    return right[1:] - right[0], examples


def true_difference(truth: Truth) -> float:
    """Of every row from the baseline, where all have the same spread."""
    assert isinstance(truth.seed, float)
    spread = np.sqrt(1 + truth.liking**2 + truth.noise**2 + truth.seed**2)
    return float(ndtr(_quantile(truth.accuracy) + truth.shift / spread) - truth.accuracy)


def compare(differences: np.ndarray, examples: list[np.ndarray]) -> dict[str, Comparison]:
    """What `judge` would see of a simulated study."""
    return {
        str(row): Comparison(len(examples), paired_mean(list(d), examples), p_mcnemar(list(d)), None, False)
        for row, d in enumerate(differences)
    }


def _quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))
