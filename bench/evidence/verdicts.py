"""What a study allows to be said of each row against the row it is compared with. See docs/evidence.md."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.evidence.paired import Difference, PairedMean, Ratio, p_mcnemar, paired_mean, paired_ratio
from bench.evidence.variance import independent

if TYPE_CHECKING:
    from bench.evidence.results import Results, RowResult
    from bench.records.record import Record

Call = Literal["better", "worse", "no difference", "undecided"]

ALPHA = 0.05  # share of studies that may err, for each of the two kinds of statement
POWER = 0.8  # with which `seeds_needed` would decide
MARGIN = 0.01  # accuracy; a smaller difference is called none
MOST_SEEDS = 1000
USUAL = 2 / 3  # quantile of the seed variances of a study's comparisons


@dataclass(frozen=True)
class Comparison:
    """Two rows on the seeds that both have finished, nothing adjusted for other comparisons.

    p_mcnemar: exact McNemar test on the predictions of all seeds pooled; identical: both are the same recipe;
    independent: no two seeds share what others do not, as they do where they vary one thing at a time.
    """

    n_seeds: int
    paired: PairedMean
    p_mcnemar: float
    time: Ratio | None
    identical: bool
    independent: bool = True

    @property
    def accuracy(self) -> Difference:
        """Mean difference in test accuracy with its 95% interval over seeds and examples."""
        return self.paired.interval()


@dataclass(frozen=True)
class Verdict:
    """What the study says of `row` against the row `against`.

    accuracy: ours less theirs, 95% interval of this comparison alone; p_mcnemar: as in Comparison;
    p_holm: p of no difference, adjusted for all comparisons of the study, by which better and worse are called;
    margin: the difference (share) that "no difference" rules out; seeds_needed: seeds in all that would
    probably decide, None where it is decided or no number of seeds would; time: ours / theirs, a run alone.
    """

    row: str
    against: str
    n_seeds: int
    accuracy: Difference
    p_mcnemar: float
    p_holm: float
    call: Call
    margin: float
    seeds_needed: int | None
    time: Ratio | None


def judge(results: Results, margin: float | None = None) -> dict[str, Verdict]:
    """Row name -> verdict, for every row that has a seed in common with the row it is compared with.

    A row is better or worse where both tests reject no difference, the paired one over seeds and examples and
    McNemar's, after Holm's correction over the study; there is no difference where the two one-sided tests
    reject one of `margin` (that of the results unless given), Holm-corrected likewise; all else is undecided,
    as is everything with one seed, or with seeds that are not independent.
    """
    margin = results.margin if margin is None else margin
    compared = {
        result.name: comparison
        for result in results.rows
        if (other := results.against(result)) and (comparison := compare_rows(result, other))
    }
    decided = decide(compared, margin)
    steadied = _steadied({name: c.paired for name, c in compared.items() if _is_tested(c)})
    open_family = [name for name, c in compared.items() if _is_tested(c) and decided[name][1] == "undecided"]
    return {
        name: Verdict(
            row=name,
            against=results.study.row(name).against or results.study.baseline,
            n_seeds=c.n_seeds,
            accuracy=c.accuracy,
            p_mcnemar=c.p_mcnemar,
            p_holm=decided[name][0],
            call=decided[name][1],
            margin=margin,
            seeds_needed=(
                seeds_needed(steadied[name], margin, ALPHA / len(open_family))
                if name in open_family
                else None
            ),
            time=c.time,
        )
        for name, c in compared.items()
    }


def decide(compared: Mapping[str, Comparison], margin: float = MARGIN) -> dict[str, tuple[float, Call]]:
    """Name -> Holm-adjusted p of no difference, and what may be said, for all comparisons of a study."""
    tested = {name: c for name, c in compared.items() if _is_tested(c)}
    means = _steadied({name: c.paired for name, c in tested.items()})
    p_holm = _holm({name: max(means[name].p_difference(), c.p_mcnemar) for name, c in tested.items()})
    p_same = _holm({name: paired.p_equivalence(margin) for name, paired in means.items()})
    return {
        name: (p_holm.get(name, 1.0), _call(c, p_holm.get(name, 1.0), p_same.get(name, 1.0)))
        for name, c in compared.items()
    }


def compare_rows(ours: RowResult, theirs: RowResult) -> Comparison | None:
    """Ours less theirs on every seed that both have finished on the same test examples; None without one."""
    pairs = [
        (mine, other)
        for index, mine in ours.by_seed.items()
        if (other := theirs.by_seed.get(index)) and _same_test(mine, other)
    ]
    if not pairs:
        return None
    differences = [_correct(mine) - _correct(other) for mine, other in pairs]
    times = [
        (mine.cost.standalone_s, other.cost.standalone_s) for mine, other in pairs if mine.cost and other.cost
    ]
    return Comparison(
        n_seeds=len(pairs),
        paired=paired_mean(differences, _examples([mine for mine, _ in pairs])),
        p_mcnemar=p_mcnemar(differences),
        time=paired_ratio([mine for mine, _ in times], [other for _, other in times]),
        identical=ours.recipe_id == theirs.recipe_id,
        independent=independent([mine.seeds for mine, _ in pairs]),
    )


def seeds_needed(paired: PairedMean, margin: float, alpha: float) -> int | None:
    """The number of seeds, more than now, that would decide at `alpha` with a chance of POWER; None: no number.

    If the true difference and variances are as estimated: what has been seen of few seeds may mislead.
    """
    more = range(paired.n_seeds + 1, MOST_SEEDS + 1)
    found = bisect_left(more, True, key=lambda n: _would_decide(paired.with_seeds(n), margin, alpha))
    return more[found] if found < len(more) else None


def _would_decide(future: PairedMean, margin: float, alpha: float) -> bool:
    from scipy.special import stdtrit

    def reaches(distance: float, variance: float, dof: float, tail: float) -> bool:
        return distance > sqrt(variance) * float(stdtrit(dof, 1 - tail) + stdtrit(dof, POWER))

    return reaches(abs(future.mean), future.variance(), future.dof(), alpha / 2) or reaches(
        margin - abs(future.mean), future.variance(margin), future.dof(margin), alpha
    )


def _steadied(means: Mapping[str, PairedMean]) -> dict[str, PairedMean]:
    """Each with a seed variance that counts as no smaller than what two thirds of the others stay below.

    Of three seeds some row always looks steady by chance, and among many rows that is the one which would be
    called different. docs/evidence.md has the simulation that chose this.
    """
    if len(means) < 2:
        return dict(means)
    variances = np.array([mean.seed_variance for mean in means.values()])
    return {
        name: mean.at_least(float(np.quantile(np.delete(variances, i), USUAL)))
        for i, (name, mean) in enumerate(means.items())
    }


def _is_tested(comparison: Comparison) -> bool:
    """One seed shows no spread to test against, and a row is no different from its own recipe by construction."""
    return comparison.n_seeds > 1 and comparison.independent and not comparison.identical


def _call(comparison: Comparison, p_holm: float, p_same: float) -> Call:
    if comparison.identical:
        return "no difference"
    if p_holm <= ALPHA:
        return "better" if comparison.paired.mean > 0 else "worse"
    return "no difference" if p_same <= ALPHA else "undecided"


def _holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted for their number (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return {}
    adjusted = multipletests(list(p_values.values()), method="holm")[1]
    return dict(zip(p_values, map(float, adjusted), strict=True))


def _same_test(mine: Record, other: Record) -> bool:
    return (
        mine.seeds == other.seeds
        and mine.dataset.fingerprint == other.dataset.fingerprint
        and mine.test is not None
        and other.test is not None
    )


def _correct(record: Record) -> np.ndarray:
    """(n,) 1 where the prediction was right, else 0."""
    assert record.test is not None
    return np.equal(record.test.labels, record.test.predicted).astype(np.int64)


def _examples(records: list[Record]) -> list[np.ndarray]:
    """For each record (n,) numbers of its test examples, equal where two records saw the same one.

    Records that do not say which rows of the source they saw share their examples where they share the split.
    """
    numbered = []
    splits: dict[str, int] = {}
    for record in records:
        assert record.test is not None
        n = len(record.test.labels)
        if record.test.examples is not None:
            numbered.append(np.array(record.test.examples))
            continue
        start = splits.setdefault(record.dataset.fingerprint, sum(map(len, numbered)))
        numbered.append(-1 - start - np.arange(n))  # below zero, so that none is mistaken for a row
    return numbered
