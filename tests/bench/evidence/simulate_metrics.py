"""Studies with a known truth and classes of unequal size: the values that each metric has of each prediction.

As in simulate.py a row is right where level + its seed's luck + its seed's bias towards a class + ease of the
text + its own liking for it + noise > 0; the probability of the right class is the logistic function of that sum.
All rows of a study have the same true score: the level of each is found for the metric.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from bench.evidence.comparison import Comparison
from bench.evidence.metric import METRICS, size_of
from bench.evidence.overdispersion import text_estimate
from bench.evidence.paired import Moments, Paired
from gptcore.metric_names import MetricName

POOL, N_ROWS, N_TEST = 1494, 18, 300
QUIET = 0.08
SLOPE = 2.0  # of the logit of a probability
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(60)


@dataclass(frozen=True)
class Truth:
    """Standard deviations on the latent scale: luck and bias of a seed, liking of a row, noise of a prediction.

    luck, bias: of the baseline and each row where there are several; level: of all rows, or of each.
    """

    luck: float | Sequence[float]
    bias: float | Sequence[float]
    liking: float
    noise: float
    level: float | Sequence[float] = 1.6


def _restless(n: int, luck: float) -> list[float]:
    return [QUIET] + [luck] * n + [QUIET] * (N_ROWS - n)


TRUTHS = {
    "the texts": Truth(0.02, 0.02, 0.5, 0.1),
    "both": Truth(0.15, 0.15, 0.3, 0.3),
    "the seeds": Truth(0.3, 0.3, 0.2, 0.3),
    "single predictions": Truth(0.05, 0.05, 0.05, 0.6),
    "the seeds of four rows": Truth(_restless(4, 0.4), _restless(4, 0.3), 0.3, 0.2),
    "a third of the rows fails at random": Truth(_restless(6, 0.8), _restless(6, 0.3), 0.3, 0.2),
}


def true_score(truth: Truth, row: int, metric: MetricName, share: float) -> float:
    """Mean over seeds of a row's score on endless texts, of which `share` have the second class."""
    luck, bias, level = (float(_of(value)[row]) for value in (truth.luck, truth.bias, truth.level))
    spread = float(np.sqrt(1 + truth.liking**2 + truth.noise**2))
    if metric == "log-loss":
        total = float(np.sqrt(spread**2 + luck**2 + bias**2))
        return -float((_WEIGHTS * np.logaddexp(0, -SLOPE * (level + total * _NODES))).sum() / _WEIGHTS.sum())
    lucky, biased = level + luck * _NODES[:, None], bias * _NODES[None, :]
    weight = _WEIGHTS[:, None] * _WEIGHTS[None, :] / _WEIGHTS.sum() ** 2
    recalls = ndtr((lucky - biased) / spread), ndtr((lucky + biased) / spread)
    if metric == "accuracy":
        score = (1 - share) * recalls[0] + share * recalls[1]
    elif metric == "balanced-accuracy":
        score = (recalls[0] + recalls[1]) / 2
    else:
        right = (1 - share) * recalls[0], share * recalls[1]
        wrong = (1 - share) * (1 - recalls[0]) + share * (1 - recalls[1])
        score = sum(2 * hits / (2 * hits + wrong) for hits in right) / 2
    return float((weight * score).sum())


def levelled(truth: Truth, metric: MetricName, share: float) -> Truth:
    """With the level of each row at which its true score is the baseline's."""
    n = N_ROWS + 1
    wanted = true_score(truth, 0, metric, share)
    found: dict[tuple[float, float], float] = {}
    levels = []
    for row in range(n):
        kind = float(_of(truth.luck)[row]), float(_of(truth.bias)[row])
        if kind not in found:
            low, high = 0.0, 5.0
            for _ in range(40):
                middle = (low + high) / 2
                of_row = replace(truth, level=middle)
                low, high = (
                    (middle, high) if true_score(of_row, row, metric, share) < wanted else (low, middle)
                )
            found[kind] = low
        levels.append(found[kind])
    return replace(truth, level=levels)


def simulate(
    random: np.random.Generator,
    truth: Truth,
    n_seeds: int,
    share: float,
    own_splits: bool,
    n_test: int = N_TEST,
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Latent sums (rows + 1, seeds, texts), above 0 where right; labels (seeds, texts); each seed's texts.

    Every split has the classes in the same proportion, as the project's splits have.
    """
    n_second = round(share * n_test)
    pool = POOL if own_splits else n_test
    labels = (np.arange(pool) < round(share * pool)).astype(np.int64)
    of_class = [np.flatnonzero(labels == k) for k in (0, 1)]

    def draw() -> np.ndarray:
        parts = zip(of_class, (n_test - n_second, n_second), strict=True)
        return np.concatenate([random.choice(texts, n, replace=False) for texts, n in parts])

    one = draw()
    shown = [draw() if own_splits else one for _ in range(n_seeds)]
    luck, bias, level = (_of(value) for value in (truth.luck, truth.bias, truth.level))
    n_rows = N_ROWS + 1
    ease = random.normal(0, 1, pool)
    liking = random.normal(0, truth.liking, (n_rows, pool))
    lucky = level[:, None] + random.normal(0, 1, (n_rows, n_seeds)) * luck[:, None]
    biased = random.normal(0, 1, (n_rows, n_seeds)) * bias[:, None]
    of_text = np.stack([labels[texts] for texts in shown])
    latent = random.normal(0, truth.noise, (n_rows, n_seeds, n_test))
    latent += lucky[:, :, None] + biased[:, :, None] * (2 * of_text - 1)
    for s, texts in enumerate(shown):
        latent[:, s] += ease[texts] + liking[:, texts]
    return latent, of_text, shown


def values_of(latent: np.ndarray, labels: np.ndarray, metric: MetricName) -> np.ndarray:
    """(rows + 1, seeds, texts) values of a metric, as `Answers` has them."""
    if metric == "log-loss":
        return np.asarray(-np.logaddexp(0, -SLOPE * latent))
    right = latent > 0
    if metric == "accuracy":
        return right.astype(float)
    # Of each row and seed: right and wrong answers of both classes, and the metric without one of either kind.
    hits, misses = (
        np.stack([(kind & (labels == k)).sum(axis=2) for k in (0, 1)]).astype(float)
        for kind in (right, ~right)
    )
    score = _macro_f1 if metric == "macro-f1" else _balanced_accuracy
    whole, changes = score(hits, misses), np.zeros(latent.shape)
    for k in (0, 1):
        one = np.zeros((2, 1, 1))
        one[k] = 1
        for kind, less in ((right, (one, 0 * one)), (~right, (0 * one, one))):
            without = score(hits - less[0], misses - less[1]) - whole
            changes += np.where(kind & (labels == k), without[:, :, None], 0.0)
    n = latent.shape[2]
    return np.asarray(whole[:, :, None] + (n - 1) * (changes.mean(axis=2, keepdims=True) - changes))


def _macro_f1(hits: np.ndarray, misses: np.ndarray) -> np.ndarray:
    return np.asarray((2 * hits / np.maximum(2 * hits + misses.sum(axis=0), 1)).mean(axis=0))


def _balanced_accuracy(hits: np.ndarray, misses: np.ndarray) -> np.ndarray:
    return np.asarray((hits / np.maximum(hits + misses, 1)).mean(axis=0))


def compare(
    values: np.ndarray, labels: np.ndarray, shown: list[np.ndarray], metric: MetricName
) -> dict[int, Comparison]:
    """Each row against the baseline, as `compare_answers`, which a test holds, but all rows at once."""
    scale = METRICS[metric].scale
    size = size_of(np.bincount(labels[0])) if METRICS[metric].weighs_classes else float(labels.shape[1])
    theirs, ours = values[0], values[1:]
    n_rows, n_seeds, n = ours.shape
    p, q = ours.mean(axis=2), np.broadcast_to(theirs.mean(axis=1), (n_rows, n_seeds))
    a, b = ours - p[:, :, None], np.broadcast_to(theirs - q[0][:, None], ours.shape)
    within = np.stack([(a * a).mean(2), (a * b).mean(2), (b * b).mean(2)], axis=1).mean(axis=2) / (n - 1)
    c, d = p - p.mean(axis=1, keepdims=True), q - q.mean(axis=1, keepdims=True)
    between = np.stack([c * c, c * d, d * d], axis=1).sum(axis=2) / max(1, n_seeds - 1)
    residuals = (a - b) / np.sqrt((n - 1) * n)
    width = 1 + max(int(texts.max()) for texts in shown)
    sums, seen = np.zeros((n_rows, width)), np.zeros(width)
    for s, texts in enumerate(shown):
        sums[:, texts] += residuals[:, s]
        seen[texts] += 1 / n
    together, apart = (sums**2).sum(axis=1), (residuals**2).sum(axis=(1, 2))
    n_pairs = max(1, n_seeds * (n_seeds - 1))
    covariance = np.maximum(0.0, (together - apart) / n_pairs) if n_seeds > 1 else apart
    overlap = max(0.0, float((seen**2).sum() - n_seeds / n) / n_pairs) * n / size
    found = {}
    for row in range(n_rows):
        paired = Paired(
            n_seeds=n_seeds,
            n_examples=size,
            n_answers=n_seeds * size,
            ours=float(p[row].mean()),
            theirs=float(q[row].mean()),
            between=Moments(*map(float, between[row])),
            within=Moments(*map(float, within[row])),
            example_variance=float(covariance[row]),
            text_variance=float(together[row]) / n_seeds**2,
            overlap=overlap,
            scale=scale,
        )
        of_models = text_estimate(paired)
        found[row] = Comparison(paired, of_models.p_zero(), of_models.value)
    return found


def _of(value: float | Sequence[float]) -> np.ndarray:
    return np.broadcast_to(np.asarray(value, dtype=float), (N_ROWS + 1,))
