"""Verdicts on texts with groups: what records say of them, few groups, and how often words are false.

docs/error-rates.md has the figures of many more simulated studies.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.evidence.accuracy import accuracy_interval
from bench.evidence.between import compare_studies
from bench.evidence.comparison import compare_answers, compare_rows
from bench.evidence.decide import Decision, decide
from bench.evidence.metric import METRICS
from bench.evidence.results import RowResult
from bench.evidence.stats import wilson
from bench.evidence.unsteady import unsteady
from bench.evidence.verdicts import judge
from bench.evidence.within import within_margin

MARGIN = 0.02
GROUPS = np.repeat(np.arange(20), 15)  # of the 300 test texts of rows.py


@pytest.fixture(scope="module")
def simulated() -> ModuleType:
    spec = importlib.util.spec_from_file_location("groups", Path(__file__).with_name("simulate_groups.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def studies(
    simulated: Any, truth: Any, n: int, n_seeds: int, n_rows: int = 4, **options: Any
) -> Iterator[dict[int, Decision]]:
    random = np.random.default_rng([n_seeds, truth.n_groups, truth.own_splits])
    for _ in range(n):
        made = simulated.simulate(random, truth, n_rows, n_seeds)
        yield decide(simulated.compare(*made, **options), MARGIN)


def share_wrong(found: Iterator[dict[int, Decision]]) -> float:
    said = ("better", "worse", "model better", "model worse")
    return float(np.mean([any(one.call in said for one in study.values()) for study in found]))


# --- what records say ------------------------------------------------------------------------------------


def with_groups(row: RowResult, groups: Sequence[np.ndarray | None]) -> RowResult:
    """The row with the groups of each seed's test texts."""
    runs = []
    for run, of in zip(row.done, groups, strict=True):
        assert run.test is not None
        test = run.test.model_copy(update={"groups": None if of is None else of.tolist()})
        runs.append(run.model_copy(update={"test": test}))
    return RowResult(row.row, row.recipe_id, tuple(runs), row.claimed, row.published)


def lucky_with_groups(rows: ModuleType, name: str, n_groups: int, n_seeds: int = 3) -> RowResult:
    """Wrong on all texts of so many groups with every seed, and on few others."""
    wrong = [[*range(15 * n_groups), 290 + seed] for seed in range(n_seeds)]
    return rows.make_row(name, wrong)


@pytest.mark.parametrize("metric", ["accuracy", "macro-f1", "balanced-accuracy"])
def test_rows_are_compared_by_the_groups_of_their_records(rows: ModuleType, metric: Any) -> None:
    ours, theirs = lucky_with_groups(rows, "a", 4), lucky_with_groups(rows, "b", 1)
    alone = compare_rows(ours, theirs, None, METRICS[metric])
    grouped = compare_rows(
        with_groups(ours, [GROUPS] * 3), with_groups(theirs, [GROUPS] * 3), None, METRICS[metric]
    )
    assert alone
    assert grouped
    assert grouped.paired.n_groups == 20
    assert grouped.paired.example_dof == pytest.approx(19)
    assert grouped.paired.mean == pytest.approx(alone.paired.mean)
    assert grouped.paired.example_variance > 10 * alone.paired.example_variance
    if metric == "accuracy":
        values = [compare_answers(*answers, groups=[GROUPS] * 3) for answers in [_answers(ours, theirs)]]
        assert grouped.paired.example_variance == pytest.approx(values[0].paired.example_variance)


def _answers(
    ours: RowResult, theirs: RowResult
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    right = [
        [np.equal(run.test.labels, run.test.predicted).astype(int) for run in row.done if run.test]
        for row in (ours, theirs)
    ]
    return right[0], right[1], [np.arange(300)] * len(right[0])


def test_a_difference_in_one_group_is_a_word_only_without_groups(rows: ModuleType) -> None:
    """One user of twenty makes it: of other users it says little."""
    ours, theirs = lucky_with_groups(rows, "a", 2), lucky_with_groups(rows, "b", 1)
    assert judge(rows.make_results(theirs, against(ours, "b")))["a"].call == "worse"
    grouped = [with_groups(row, [GROUPS] * 3) for row in (theirs, against(ours, "b"))]
    verdict = judge(rows.make_results(*grouped))["a"]
    assert verdict.call == "undecided"
    assert verdict.n_groups == 20
    assert verdict.difference.low < -0.05 < 0 < verdict.difference.high


def against(row: RowResult, name: str) -> RowResult:
    return RowResult(
        row.row.model_copy(update={"against": name}), row.recipe_id, row.runs, row.claimed, row.published
    )


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_fewer_than_five_groups_give_no_word(rows: ModuleType, n_seeds: int) -> None:
    few = np.repeat(np.arange(4), 75)
    for groups, called in ((few, False), (GROUPS, True)):
        base = with_groups(rows.make_row("b", [range(3)] * n_seeds), [groups] * n_seeds)
        half = with_groups(against(rows.make_row("a", [range(0, 300, 2)] * n_seeds), "b"), [groups] * n_seeds)
        results = rows.make_results(base, half)
        verdict = judge(results)["a"]
        assert verdict.call == (("model worse" if n_seeds == 1 else "worse") if called else "undecided")
        assert verdict.p_holm < 0.001 if called else verdict.p_holm == 1.0
        if n_seeds > 1:
            assert within_margin(results)["b"].is_shown == called


def test_seeds_that_do_not_all_know_their_groups_are_not_compared(rows: ModuleType) -> None:
    ours, theirs = lucky_with_groups(rows, "a", 2), lucky_with_groups(rows, "b", 1)
    mixed = [GROUPS, None, GROUPS]
    assert compare_rows(with_groups(ours, mixed), with_groups(theirs, mixed)) is None
    assert compare_rows(with_groups(ours, [GROUPS] * 3), theirs) is None  # by other columns, or none


def test_studies_with_groups_are_compared_by_them(rows: ModuleType) -> None:
    ours, theirs = (
        rows.make_results(with_groups(lucky_with_groups(rows, "a", n), [GROUPS] * 3)) for n in (2, 1)
    )
    (found,) = compare_studies(ours, theirs)
    assert found.paired
    assert found.paired.comparison.paired.n_groups == 20
    assert found.paired.call == "undecided"
    plain = rows.make_results(lucky_with_groups(rows, "a", 1))
    (unpaired,) = compare_studies(ours, plain)
    assert unpaired.paired is None
    assert unpaired.unpaired
    assert not unpaired.unpaired.excludes_zero


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_the_interval_of_an_accuracy_is_wider_where_errors_gather_in_groups(
    rows: ModuleType, n_seeds: int
) -> None:
    row = lucky_with_groups(rows, "a", 2, n_seeds)
    low, high = accuracy_interval(row.done)
    assert n_seeds > 1 or (low, high) == wilson(row.accuracy() or 0.0, 300)
    wide = accuracy_interval(with_groups(row, [GROUPS] * n_seeds).done)
    assert wide[0] < low - 0.05
    assert wide[1] > high
    assert 0.5 < wide[0] < (row.accuracy() or 0.0) < wide[1] < 1


def test_seeds_that_test_hard_groups_are_not_unsteady(rows: ModuleType) -> None:
    """Each seed has groups of its own, one of which is hard by chance."""
    row = rows.make_row("a", [range(0), range(45), range(0), range(15)])
    assert unsteady(row, MARGIN) is not None
    groups = [GROUPS + 100 * seed for seed in range(4)]
    assert unsteady(with_groups(row, groups), MARGIN) is None


# --- how often it errs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("own_splits", [False, True])
def test_rows_that_are_lucky_by_group_are_seldom_called(simulated: Any, own_splits: bool) -> None:
    truth = simulated.Truth(group=0.8, n_tested=4 if own_splits else 20, own_splits=own_splits)
    assert share_wrong(studies(simulated, truth, 60, 5)) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


def test_as_if_independent_they_would_be_called_often(simulated: Any) -> None:
    assert share_wrong(studies(simulated, simulated.Truth(group=0.8), 40, 5, by_group=False)) > 0.2


def test_one_seed_errs_seldom_of_its_models(simulated: Any) -> None:
    truth = simulated.Truth(group=0.8, seed=0.0)
    assert share_wrong(studies(simulated, truth, 60, 1)) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    assert share_wrong(studies(simulated, truth, 20, 1, by_group=False)) > 0.2


def test_large_differences_are_seen(simulated: Any) -> None:
    truth = simulated.Truth(group=0.2, shift=-0.8)
    calls = [one.call for study in studies(simulated, truth, 8, 5) for one in study.values()]
    assert calls.count("worse") > 0.9 * len(calls)


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [1, 3, 5, 10])
@pytest.mark.parametrize("group", [0.0, 0.4, 0.8])
@pytest.mark.parametrize(
    "parts", [(5, 5, 60), (10, 10, 30), (20, 20, 15), (50, 50, 6), (20, 4, 50), (50, 10, 20)], ids=str
)
def test_verdicts_and_intervals_keep_their_level(
    simulated: Any, parts: tuple[int, int, int], group: float, n_seeds: int
) -> None:
    n_groups, n_tested, size = parts
    truth = simulated.Truth(
        group, n_groups, n_tested, size, n_tested < n_groups, seed=0.15 if n_seeds > 2 else 0.0
    )
    found = list(studies(simulated, truth, 400, n_seeds))
    level = 0.065  # what docs/error-rates.md states
    assert share_wrong(iter(found)) <= level + 3 * np.sqrt(level * (1 - level) / 400)
    held = [one.estimate.interval() for study in found for one in study.values()]
    assert np.mean([one.low <= 0 <= one.high for one in held]) >= 0.93
