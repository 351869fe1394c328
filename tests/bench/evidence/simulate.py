"""Studies with a known truth: which examples a baseline and its rows get right, seed by seed.

A row is right where ease of the example + its own liking for the example + its seed's luck + noise > 0, all
normal. Every row has the baseline's true accuracy, shifted by `shift` on the latent scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from bench.evidence.comparison import Comparison
from bench.evidence.models import p_texts
from bench.evidence.paired import Moments, Paired

POOL = 1494  # rows of the source, as in the published data set
N_ROWS = 18
QUIET = 0.08  # luck of the rows that do not fail


@dataclass(frozen=True)
class Truth:
    """Standard deviations on the latent scale, of the baseline and each row where there are several."""

    seed: float | Sequence[float]  # luck of a seed
    liking: float  # of a row for an example, whatever the seed
    noise: float  # of a row, a seed and an example
    accuracy: float = 0.9
    shift: float | Sequence[float] = 0.0  # of each row, after the baseline


def _restless(n: int, luck: float) -> list[float]:
    return [QUIET] + [luck] * n + [QUIET] * (N_ROWS - n)


# The lines of the table in docs/error-rates.md: what is uncertain.
TRUTHS = {
    "the texts": Truth(0.02, 0.5, 0.1),
    "both": Truth(0.15, 0.3, 0.3),
    "the seeds": Truth(0.4, 0.2, 0.3),
    "single predictions": Truth(0.05, 0.05, 0.6),
    "the seeds of one row": Truth(_restless(1, 0.4), 0.3, 0.2),
    "the seeds of four rows": Truth(_restless(4, 0.4), 0.3, 0.2),
    "the seeds of nine rows": Truth(_restless(9, 0.4), 0.3, 0.2),
    "a third of the rows fails at random": Truth(_restless(6, 0.8), 0.3, 0.2),
    "half of the rows fails at random": Truth(_restless(9, 0.8), 0.3, 0.2),
}

LIKE_RECORDS = Truth(0.08, 0.12, 0.2, accuracy=0.95)  # rows of results/embedded: 3% of the predictions differ


def simulate(
    random: np.random.Generator,
    truth: Truth,
    n_rows: int,
    n_seeds: int,
    n_test: int,
    own_splits: bool,
    folds: bool = False,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Right answers (n_rows + 1, n_seeds, n_test), the baseline's first, and each seed's examples.

    folds: of own splits, no two seeds test the same example.
    """
    pool = POOL if own_splits else n_test
    everyone = np.arange(n_test)
    if folds:
        examples = list(random.permutation(pool)[: n_seeds * n_test].reshape(n_seeds, n_test))
    else:
        examples = [
            random.choice(pool, n_test, replace=False) if own_splits else everyone for _ in range(n_seeds)
        ]
    seed = np.broadcast_to(np.asarray(truth.seed, dtype=float), (n_rows + 1,))
    shift = np.concatenate([[0.0], np.broadcast_to(np.asarray(truth.shift, dtype=float), (n_rows,))])
    spread = np.sqrt(1 + truth.liking**2 + truth.noise**2 + seed**2)
    level = spread * float(ndtri(truth.accuracy)) + shift
    ease = random.normal(0, 1, pool)
    liking = random.normal(0, truth.liking, (n_rows + 1, pool))
    luck = random.normal(0, 1, (n_rows + 1, n_seeds)) * seed[:, None]
    right = np.empty((n_rows + 1, n_seeds, n_test), dtype=np.int8)
    for s, shown in enumerate(examples):
        noise = random.normal(0, truth.noise, (n_rows + 1, n_test))
        right[:, s] = ((level + luck[:, s])[:, None] + ease[shown] + liking[:, shown] + noise) > 0
    return right, examples


def true_differences(truth: Truth, n_rows: int) -> np.ndarray:
    """(n_rows,) of each row from the baseline."""
    seed = np.broadcast_to(np.asarray(truth.seed, dtype=float), (n_rows + 1,))[1:]
    spread = np.sqrt(1 + truth.liking**2 + truth.noise**2 + seed**2)
    shift = np.broadcast_to(np.asarray(truth.shift, dtype=float), (n_rows,))
    return np.asarray(ndtr(float(ndtri(truth.accuracy)) + shift / spread) - truth.accuracy)


def compare(right: np.ndarray, examples: list[np.ndarray]) -> dict[int, Comparison]:
    """What `judge` would see of a simulated study: each row against the baseline.

    As `compare_answers` row by row, which a test holds, but all rows at once: most of a simulation's time.
    """
    theirs, ours = right[0], right[1:]
    n_rows, n_seeds, n = ours.shape
    p, q = ours.mean(axis=2), np.broadcast_to(theirs.mean(axis=1), (n_rows, n_seeds))
    both = (ours & theirs).mean(axis=2)
    within = np.stack([p * (1 - p), both - p * q, q * (1 - q)], axis=1).mean(axis=2) / (n - 1)  # (rows, 3)
    a, b = p - p.mean(axis=1, keepdims=True), q - q.mean(axis=1, keepdims=True)
    between = np.stack([a * a, a * b, b * b], axis=1).sum(axis=2) / max(1, n_seeds - 1)
    differences = ours - theirs
    residuals = (differences - (p - q)[:, :, None]) / np.sqrt((n - 1) * n)
    size = 1 + max(int(shown.max()) for shown in examples)
    sums, wins, seen = np.zeros((n_rows, size)), np.zeros((n_rows, size)), np.zeros(size)
    for s, shown in enumerate(examples):
        sums[:, shown] += residuals[:, s]
        wins[:, shown] += differences[:, s]
        seen[shown] += 1 / n
    together, apart = (sums**2).sum(axis=1), (residuals**2).sum(axis=(1, 2))
    n_pairs = max(1, n_seeds * (n_seeds - 1))
    covariance = np.maximum(0.0, (together - apart) / n_pairs) if n_seeds > 1 else apart
    overlap = max(0.0, float((seen**2).sum() - n_seeds / n) / n_pairs)
    return {
        row: Comparison(
            Paired(
                n_seeds=n_seeds,
                n_examples=n,
                n_answers=n_seeds * n,
                ours=float(p[row].mean()),
                theirs=float(q[row].mean()),
                between=Moments(*map(float, between[row])),
                within=Moments(*map(float, within[row])),
                example_variance=float(covariance[row]),
                text_variance=float(together[row]) / n_seeds**2,
                overlap=overlap,
            ),
            p_models=p_texts(int((wins[row] > 0).sum()), int((wins[row] < 0).sum())),
            side_of_models=float((wins[row] > 0).sum() - (wins[row] < 0).sum()),
        )
        for row in range(n_rows)
    }
