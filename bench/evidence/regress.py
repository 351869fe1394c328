"""Is this code worse than the code before? The judgement of the regression gate, from figures alone.

Accuracy: the test predictions of both, message by message, with the same seeds. A row fails where it lost more
than ACCURACY_MARGIN and a one-sided sign test over messages (seeds averaged, so that messages are the
independent units) says that this is not chance: p below ALPHA, shared among the rows (Bonferroni).

Speed: ratios of times that were taken in turn on one machine, so that its speed cancels out. How far the median
of such ratios strays where nothing differs is learned from rounds of the same code against itself, by
resampling them. A case fails where its median, less the margin, is beyond what that noise gives but once in 500
gates. Medians, as a round that another process disturbed should count for no more than any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, log, log1p, log2

import numpy as np
from tabulate import tabulate

from bench.evidence.models import p_more

ALPHA = 0.01  # chance of a false alarm in accuracy, of all rows together
SPEED_ALPHA = 0.002  # and in speed, of one case
ACCURACY_MARGIN = 0.01  # share of test messages that a row may lose
BASE_MARGIN = 0.05  # slowdown that is let pass on one machine, against another commit
FILE_MARGIN = 0.25  # and against the baseline's file, whose ratios are of another machine
POWER = 0.8  # "could have seen": in four of five gates
ALL_ROWS = "all rows together"
N_RESAMPLES = 10_000


@dataclass(frozen=True)
class Check:
    """One line of the gate's table. Shares and ratios are texts already; `failed` decides the exit code."""

    kind: str
    name: str
    before: str
    now: str
    change: str
    evidence: str
    smallest: str
    failed: bool


@dataclass(frozen=True)
class Rounds:
    """Seconds of one case, a value a round: this code, the same code again, and what it is compared with."""

    name: str
    ours: Sequence[float]
    again: Sequence[float]
    theirs: Sequence[float]


def judge_accuracy(
    labels: np.ndarray, before: Mapping[str, np.ndarray], now: Mapping[str, np.ndarray]
) -> list[Check]:
    """A check for each row of `before`, and one for all together.

    labels: (n,); before, now: row -> predicted classes (n_seeds, n), with the same seeds. A row that `now` lacks
    has failed.
    """
    right = {name: (before[name] == labels).astype(float) for name in before}
    right_now = {name: (now[name] == labels).astype(float) for name in before if name in now}
    n_checks = len(before) + 1
    checks = [
        _accuracy_check(name, right[name], right_now[name], n_checks) if name in right_now else _no_run(name)
        for name in before
    ]
    if right_now:
        both = [np.concatenate([part[name] for name in right_now]) for part in (right, right_now)]
        checks.append(_accuracy_check(ALL_ROWS, both[0], both[1], n_checks))
    return checks


def _accuracy_check(name: str, before: np.ndarray, now: np.ndarray, n_checks: int) -> Check:
    """before, now: (runs, n), 1 where the prediction was right."""
    change = (now - before).mean(axis=0)  # of each message
    lost, gained = int((change < 0).sum()), int((change > 0).sum())
    p = p_more(lost, gained)
    loss = -float(change.mean())
    least, most = smallest_loss(n_checks, *now.shape)
    return Check(
        kind="accuracy",
        name=name,
        before=f"{100 * before.mean():.2f}%",
        now=f"{100 * now.mean():.2f}%",
        change=f"{-100 * loss:+.2f} points",
        evidence=f"{lost} messages lost, {gained} gained, p = {p:.2g}",
        smallest=f"{100 * least:.1f} to {100 * most:.1f} points",
        failed=loss > ACCURACY_MARGIN and p < ALPHA / n_checks,
    )


def smallest_loss(n_checks: int, n_runs: int, n: int) -> tuple[float, float]:
    """The smallest loss that can fail, where none is gained: other messages in every run, or the same in all.

    A sign test among `n_checks` needs k lost messages with 2^-k below its level.
    """
    share = ceil(log2(n_checks / ALPHA)) / n
    return max(ACCURACY_MARGIN, share / n_runs), max(ACCURACY_MARGIN, share)


def _no_run(name: str) -> Check:
    return Check("accuracy", name, "a result", "none", "", "its runs failed or are gone", "", failed=True)


def judge_speed(rounds: Rounds, against: str, margin: float, expected_ratio: float = 1.0) -> Check:
    """Whether ours / theirs is above `expected_ratio` by more than `margin` and the noise of this machine."""
    ratios = np.log(np.divide(rounds.ours, rounds.theirs)) - log(expected_ratio)
    null = null_medians(np.log(np.divide(rounds.ours, rounds.again)), len(ratios))
    noise = float(np.quantile(null, 1 - SPEED_ALPHA))
    median = float(np.median(ratios))
    p = float(np.mean(null >= median - log1p(margin)))
    smallest = log1p(margin) + noise + float(np.quantile(null, POWER))
    return Check(
        kind=f"time against {against}",
        name=rounds.name,
        before=f"{expected_ratio:.3f}",
        now=f"{expected_ratio * exp(median):.3f}",
        change=f"{100 * (exp(median) - 1):+.1f}%",
        evidence=f"noise ±{100 * (exp(noise) - 1):.1f}%, {len(ratios)} rounds, p = {p:.2g}",
        smallest=f"{100 * (exp(smallest) - 1):.0f}%",
        failed=p < SPEED_ALPHA,
    )


def median_ratio(rounds: Rounds) -> float:
    """ours / theirs, the median over the rounds."""
    return float(np.median(np.divide(rounds.ours, rounds.theirs)))


def null_medians(log_ratios: np.ndarray, n_rounds: int) -> np.ndarray:
    """Medians of `n_rounds` log ratios between equals, resampled (N_RESAMPLES,).

    log_ratios: (m,), of the same code against itself; its sign is an accident of which came first, so each
    counts with both.
    """
    random = np.random.default_rng(0)
    both = np.concatenate([log_ratios, -log_ratios])
    return np.asarray(np.median(random.choice(both, size=(N_RESAMPLES, n_rounds)), axis=1))


def verdict(checks: Sequence[Check]) -> str:
    """One line: passed, or which rows failed."""
    failed = [f"{check.name} ({check.kind})" for check in checks if check.failed]
    return f"FAILED: {', '.join(failed)}" if failed else f"passed: {len(checks)} checks"


def as_markdown(checks: Sequence[Check], notes: Sequence[str] = ()) -> str:
    """The gate's table, its verdict and how to read it."""
    headers = ["check", "row", "before", "now", "change", "evidence", "could have seen", "verdict"]
    rows = [
        [c.kind, c.name, c.before, c.now, c.change, c.evidence, c.smallest, "FAILED" if c.failed else "ok"]
        for c in checks
    ]
    table = tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)
    how = (
        f"A row fails where more than {100 * ACCURACY_MARGIN:g} points of accuracy are lost, or more time than "
        f"{100 * BASE_MARGIN:g}% against a commit ({100 * FILE_MARGIN:g}% against the baseline's ratio) and the noise "
        "are needed, and a test says that it is not chance. *Could have seen*: the smallest loss that this gate "
        f"would tell (of time: in {100 * POWER:g}% of cases)."
    )
    return "\n\n".join(["## Regression gate", f"**{verdict(checks)}**", table, how, *notes]) + "\n"
