"""Verdicts: what is said in cases that are clear, and how often they err where the truth is known."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from bench.evidence.results import Results, collect
from bench.evidence.verdicts import compare_rows, decide, judge, seeds_needed
from bench.records.record import Cost, Metrics, Predictions, Record, SplitMetrics
from bench.records.study import Row, Study
from gptcore.recipe import Recipe, Seeds

MakeRecord = Callable[..., Record]
MakeStudy = Callable[..., Study]
Right = np.ndarray  # (n_seeds, n) 1 where the prediction was right

N = 300


@pytest.fixture
def study_of(toy_record: MakeRecord, toy_study: MakeStudy) -> Callable[..., Results]:
    """A study whose rows have these outcomes: the first is the baseline, the others are against it."""

    def make(outcomes: dict[str, Right], seconds: dict[str, float] | None = None, **changes: Any) -> Results:
        names = list(outcomes)
        rows = [
            Row(name=name, recipe=Recipe(epochs=i + 1), against=names[0] if i else None)
            for i, name in enumerate(names)
        ]
        n_seeds = max(len(right) for right in outcomes.values())
        study = toy_study(rows, seeds=[Seeds(init=123 + i) for i in range(n_seeds)])
        records = [
            toy_record(
                row.recipe,
                index,
                seeds=study.seeds[index],
                **outcome(right, (seconds or {}).get(row.name, 1.0)),
            )
            for row in rows
            for index, right in enumerate(outcomes[row.name])
        ]
        return collect(study, [record.model_copy(update=changes) for record in records])

    return make


def outcome(right: np.ndarray, seconds: float) -> dict[str, Any]:
    n, correct = len(right), int(right.sum())
    split = SplitMetrics(n=n, correct=correct, accuracy=correct / n, log_loss=None)
    cost: dict[str, Any] = dict.fromkeys(["process_mem_bytes", "tokens_processed", "flops"])
    return {
        "test": Predictions(
            labels=[0] * n, predicted=(1 - right).astype(int).tolist(), probabilities=[[0.5, 0.5]] * n
        ),
        "metrics": Metrics(train=split, validation=split, test=split),
        "cost": Cost(phases={}, marginal_s=seconds, standalone_s=seconds, **cost),
    }


def wrong_at(*positions: range, n: int = N) -> Right:
    """One seed a range of wrong predictions."""
    right = np.ones((len(positions), n), dtype=int)
    for line, wrong in zip(right, positions, strict=True):
        line[list(wrong)] = 0
    return right


BASE = wrong_at(range(0, 20), range(2, 22), range(1, 21))


# --- what is called what ---------------------------------------------------------------------------------


def test_a_row_that_is_clearly_worse_and_one_that_is_clearly_better(
    study_of: Callable[..., Results],
) -> None:
    outcomes = {
        "base": wrong_at(range(60), range(2, 61), range(1, 62)),
        "bad": wrong_at(range(130), range(132), range(131)),
        "good": wrong_at(range(4), range(3), range(5)),
    }
    found = judge(study_of(outcomes, seconds={"base": 2.0, "bad": 1.0}))
    assert list(found) == ["bad", "good"]
    assert (found["bad"].call, found["good"].call) == ("worse", "better")
    assert found["bad"].against == "base"
    assert found["bad"].accuracy.mean == pytest.approx((180 - 393) / 3 / N)
    assert found["bad"].accuracy.high < 0 < found["good"].accuracy.low
    assert found["bad"].p_mcnemar < 1e-20
    assert found["bad"].p_holm < 0.01
    assert found["bad"].seeds_needed is None
    assert found["bad"].time is not None
    assert found["bad"].time.ratio == pytest.approx(0.5)


def test_rows_that_agree_are_called_so_only_on_enough_examples(study_of: Callable[..., Results]) -> None:
    """Agreement on 300 examples leaves a difference of a point possible, one of 5 points not."""
    results = study_of({"base": BASE, "same": BASE, "other": BASE[::-1]})
    assert judge(results, margin=0.05)["same"].call == "no difference"
    assert judge(results, margin=0.01)["same"].call == "undecided"
    many = np.tile(BASE, (1, 4))
    assert judge(study_of({"base": many, "same": many}))["same"].call == "no difference"


def test_one_seed_decides_nothing(study_of: Callable[..., Results]) -> None:
    found = judge(study_of({"base": wrong_at(range(9)), "bad": wrong_at(range(200))}))["bad"]
    assert (found.call, found.n_seeds, found.p_holm, found.seeds_needed) == ("undecided", 1, 1.0, None)
    assert found.accuracy.excludes_zero


def test_a_row_is_no_different_from_its_own_recipe(study_of: Callable[..., Results]) -> None:
    results = study_of({"base": BASE, "twin": BASE})
    twin = results.rows[1]
    same = twin.row.model_copy(update={"recipe": results.rows[0].row.recipe})
    study = results.study.model_copy(update={"rows": [results.rows[0].row, same]})
    found = judge(collect(study, results.runs))["twin"]
    assert (found.call, found.p_holm, found.accuracy.mean) == ("no difference", 1.0, 0.0)


def test_rows_without_a_common_seed_get_no_verdict(study_of: Callable[..., Results]) -> None:
    results = study_of({"base": BASE[:0], "row": BASE})
    assert judge(results) == {}
    assert compare_rows(results.rows[1], results.rows[0]) is None


def test_other_test_examples_are_not_compared(study_of: Callable[..., Results]) -> None:
    results = study_of({"base": BASE, "row": BASE})
    other = results.rows[0].done[0].dataset.model_copy(update={"fingerprint": "0" * 64})
    runs = [r.model_copy(update={"dataset": other}) if r.seed_index == 1 else r for r in results.rows[1].done]
    found = judge(collect(results.study, [*results.rows[0].done, *runs]))["row"]
    assert found.n_seeds == 2


def test_p_values_are_steadied_and_holm_adjusted_over_the_study(study_of: Callable[..., Results]) -> None:
    outcomes = {
        "base": np.roll(BASE, 7, axis=1),
        **{f"row {k}": wrong_at(range(22 + k), range(23), range(24 + 2 * k)) for k in range(0, 60, 15)},
    }
    results = study_of(outcomes)
    compared = [compare_rows(row, results.rows[0]) for row in results.rows[1:]]
    spread = [c.paired.seed_variance for c in compared if c]
    p_values = [
        max(c.paired.at_least(np.quantile(spread[:i] + spread[i + 1 :], 2 / 3)).p_difference(), c.p_mcnemar)
        for i, c in enumerate(compared)
        if c
    ]
    found = [verdict.p_holm for verdict in judge(results).values()]
    assert found == pytest.approx(multipletests(p_values, method="holm")[1])
    assert len(set(found)) > 1
    assert max(found) < 1


def test_a_row_that_looks_steady_by_chance_is_not_trusted(study_of: Callable[..., Results]) -> None:
    """Alone, three seeds that agree to the message are convincing; among restless rows they are luck."""
    base = wrong_at(*[range(0, 30)] * 3)
    steady = wrong_at(*[range(15, 60)] * 3)
    restless = wrong_at(range(5), range(30), range(75))
    alone = judge(study_of({"base": base, "steady": steady}))["steady"]
    among = judge(study_of({"base": base, "steady": steady, "restless": restless}))["steady"]
    assert alone.call == "worse"
    assert among.call == "undecided"
    assert among.accuracy == alone.accuracy


# --- seeds that would decide -----------------------------------------------------------------------------


def test_seeds_needed_is_the_fewest_that_would_decide(study_of: Callable[..., Results]) -> None:
    random = np.random.default_rng(5)
    base = (random.random((4, N)) < 0.9).astype(int)
    row = (random.random((4, N)) < 0.93).astype(int)
    results = study_of({"base": base, "row": row})
    verdict = judge(results)["row"]
    assert verdict.call == "undecided"
    assert verdict.seeds_needed is not None
    assert verdict.seeds_needed > 4
    comparison = compare_rows(results.rows[1], results.rows[0])
    assert comparison is not None
    # The same difference with as many seeds is decided, with one less it would not be with this power.
    assert comparison.paired.with_seeds(verdict.seeds_needed).p_difference() < 0.05
    assert seeds_needed(comparison.paired.with_seeds(verdict.seeds_needed - 1), 0.01, 0.05) == (
        verdict.seeds_needed
    )


def test_no_number_of_seeds_helps_where_the_examples_leave_it_open(study_of: Callable[..., Results]) -> None:
    """All seeds agree, so what is uncertain is the examples alone."""
    base, row = wrong_at(*[range(0, 12)] * 3), wrong_at(*[range(8, 22)] * 3)
    found = judge(study_of({"base": base, "row": row}))["row"]
    assert (found.call, found.seeds_needed) == ("undecided", None)


# --- how often it errs -----------------------------------------------------------------------------------


def errors_and_coverage(
    simulation: ModuleType, truth: Any, n_seeds: int, own_splits: bool, n_studies: int, n_rows: int = 18
) -> tuple[float, float]:
    """Share of null studies in which some row is called better or worse, and of intervals that hold zero."""
    random = np.random.default_rng(20 + n_seeds + own_splits)
    n_wrong, n_covered = 0, 0
    for _ in range(n_studies):
        compared = simulation.compare(*simulation.simulate(random, truth, n_rows, n_seeds, N, own_splits))
        n_wrong += any(call in ("better", "worse") for _, call in decide(compared).values())
        intervals = [comparison.paired.interval() for comparison in compared.values()]
        n_covered += sum(interval.low <= 0 <= interval.high for interval in intervals)
    return n_wrong / n_studies, n_covered / (n_studies * n_rows)


def monte_carlo(share: float, n: int) -> float:
    """Three standard errors of a share seen n times."""
    return 3 * float(np.sqrt(share * (1 - share) / n))


@pytest.mark.usefixtures("quick_holm")
@pytest.mark.parametrize("own_splits", [False, True], ids=["one split", "own splits"])
def test_a_family_of_18_nulls_errs_in_5_percent_of_studies_at_most(
    simulation: ModuleType, own_splits: bool
) -> None:
    truth = simulation.Truth(seed=0.15, liking=0.4, noise=0.3)
    wrong, covered = errors_and_coverage(simulation, truth, 3, own_splits, 150)
    assert wrong <= 0.05 + monte_carlo(0.05, 150)
    # 18 rows share a baseline, so their intervals count as about three independent ones.
    assert 0.93 - monte_carlo(0.05, 450) <= covered <= 0.97 + monte_carlo(0.05, 450)


@pytest.mark.usefixtures("quick_holm")
def test_mcnemar_alone_would_err_far_more_often(simulation: ModuleType) -> None:
    """Why the rule does not rest on it: pooled, each example counts once a seed, and seeds do not count."""
    random = np.random.default_rng(0)
    truth = simulation.Truth(seed=0.15, liking=0.4, noise=0.3)
    wrong = 0
    for _ in range(40):
        compared = simulation.compare(*simulation.simulate(random, truth, 18, 3, N, False))
        wrong += bool(
            (multipletests([c.p_mcnemar for c in compared.values()], method="holm")[1] <= 0.05).any()
        )
    assert wrong > 20


@pytest.mark.usefixtures("quick_holm")
def test_differences_of_the_margin_are_rarely_called_none(simulation: ModuleType) -> None:
    """Rows that truly differ by the margin, 6 points here, on enough examples that equivalence can be shown."""
    random = np.random.default_rng(1)
    truth = simulation.Truth(seed=0.05, liking=0.2, noise=0.2, shift=-0.28)
    margin = -simulation.true_difference(truth)
    assert 0.04 < margin < 0.07
    called = [
        call == "no difference"
        for _ in range(100)
        for call in _calls(simulation, random, truth, margin, n_rows=6)
    ]
    assert np.mean(np.reshape(called, (100, 6)).any(axis=1)) <= 0.05 + monte_carlo(0.05, 100)
    null = simulation.Truth(seed=0.05, liking=0.2, noise=0.2)
    assert np.mean(_calls(simulation, random, null, margin, n_rows=6)) > 0.5


def _calls(simulation: ModuleType, random: Any, truth: Any, margin: float, n_rows: int) -> list[bool]:
    compared = simulation.compare(*simulation.simulate(random, truth, n_rows, 5, N, True))
    return [call == "no difference" for _, call in decide(compared, margin).values()]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_holm")
@pytest.mark.parametrize("own_splits", [False, True], ids=["one split", "own splits"])
@pytest.mark.parametrize("n_seeds", [3, 5, 10])
@pytest.mark.parametrize("kind", ["examples", "both", "seeds", "noise", "one row", "four rows", "half"])
def test_verdicts_and_intervals_keep_their_level(
    simulation: ModuleType, kind: str, n_seeds: int, own_splits: bool
) -> None:
    """The table of docs/evidence.md: what is uncertain is the examples, the seeds, both, or neither; or some
    rows' seeds only."""

    def seeds_of(n_restless: int) -> list[float]:
        return [0.08] + [0.4] * n_restless + [0.08] * (18 - n_restless)

    seed, liking, noise = {
        "examples": (0.02, 0.5, 0.1),
        "both": (0.15, 0.3, 0.3),
        "seeds": (0.4, 0.2, 0.3),
        "noise": (0.05, 0.05, 0.6),
        "one row": (seeds_of(1), 0.3, 0.2),
        "four rows": (seeds_of(4), 0.3, 0.2),
        "half": (seeds_of(9), 0.3, 0.2),
    }[kind]
    truth = simulation.Truth(seed=seed, liking=liking, noise=noise)
    wrong, covered = errors_and_coverage(simulation, truth, n_seeds, own_splits, 1000)
    assert wrong <= 0.05 + monte_carlo(0.05, 1000)
    assert 0.93 - monte_carlo(0.05, 3000) <= covered <= 0.97 + monte_carlo(0.05, 3000)
