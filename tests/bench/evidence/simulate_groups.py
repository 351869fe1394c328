"""Studies whose texts have groups: rows of equal true accuracy that each like and dislike groups.

As in simulate.py a row is right where ease of the text + its own liking for the text and for its group + its seed's
luck + noise > 0, all normal. Every seed tests whole groups: its own, or the same as all seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bench.evidence.comparison import Comparison, compare_answers


@dataclass(frozen=True)
class Truth:
    """Standard deviations on the latent scale, and the size of the study.

    group: liking of a row for a group; shift: of each row's level from the baseline's; spread: standard deviation of
    the logarithms of the groups' sizes; n_groups: of the source, n_tested: of each seed's test part.
    """

    group: float
    n_groups: int = 20
    n_tested: int = 20
    size: int = 50
    own_splits: bool = False
    spread: float = 0.0
    seed: float = 0.15
    liking: float = 0.3
    noise: float = 0.3
    accuracy: float = 0.9
    shift: float = 0.0


def simulate(
    random: np.random.Generator, truth: Truth, n_rows: int, n_seeds: int
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """For each seed right answers (n_rows + 1, n), the baseline's first; its texts (n,); and their groups (n,)."""
    drawn = random.normal(0, truth.spread, truth.n_groups) - truth.spread**2 / 2
    sizes = np.maximum(1, np.round(truth.size * np.exp(drawn))).astype(int)
    group_of = np.repeat(np.arange(truth.n_groups), sizes)
    n = len(group_of)
    parts = (truth.liking, truth.noise, truth.seed, truth.group)
    level = float(np.sqrt(1 + sum(each**2 for each in parts)) * ndtri(truth.accuracy))
    levels = level + np.concatenate([[0.0], np.full(n_rows, truth.shift)])[:, None]
    ease = random.normal(0, 1, n)
    liking = random.normal(0, truth.liking, (n_rows + 1, n))
    liking += random.normal(0, truth.group, (n_rows + 1, truth.n_groups))[:, group_of]

    def draw() -> np.ndarray:
        return random.choice(truth.n_groups, truth.n_tested, replace=False)

    one = draw()
    right, shown, groups = [], [], []
    for _ in range(n_seeds):
        texts = np.flatnonzero(np.isin(group_of, draw() if truth.own_splits else one))
        luck = random.normal(0, truth.seed, (n_rows + 1, 1))
        noise = random.normal(0, truth.noise, (n_rows + 1, len(texts)))
        right.append((levels + luck + ease[texts] + liking[:, texts] + noise > 0).astype(np.int64))
        shown.append(texts)
        groups.append(group_of[texts])
    return right, shown, groups


def compare(
    right: Sequence[np.ndarray],
    shown: Sequence[np.ndarray],
    groups: Sequence[np.ndarray],
    *,
    by_group: bool = True,
) -> dict[int, Comparison]:
    """Each row against the baseline; by_group: False: as if texts of one group were independent."""
    theirs = [each[0] for each in right]
    return {
        row: compare_answers(
            [each[row] for each in right], theirs, shown, groups=groups if by_group else None
        )
        for row in range(1, len(right[0]))
    }
