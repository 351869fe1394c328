"""Simulated plans: no makespan below the bound, and a trunk counts once for all runs that share it."""

import sys
from pathlib import Path

import pytest

from bench.records.record import Record
from bench.records.store import save_record
from gptcore.recipe import Recipe
from tests.bench.toys import make_cost, make_record
from tools import simulate_plan
from tools.simulate_plan import START_S, Job, jobs_of, lower_bound_s, simulate

HEAD, BLOCK, ALL = (Recipe(train=train) for train in ("last_layer", "last_block", "all"))


def record(recipe: Recipe, own_s: float, trunk_s: float, computed_s: float, seed_index: int = 0) -> Record:
    """Of a run above a trunk of trunk_s, of which it computed computed_s itself and took the rest from others."""
    marginal_s = own_s + computed_s
    phases = {"train": own_s, "trunk": computed_s}
    cost = make_cost(
        marginal_s, phases=phases, marginal_s=marginal_s, standalone_s=marginal_s + trunk_s - computed_s
    )
    return make_record(recipe, seed_index, cost=cost)


STUDY = [
    record(BLOCK, own_s=3, trunk_s=10, computed_s=10),
    record(HEAD, own_s=1, trunk_s=12, computed_s=2),  # deepens the trunk of the first
    record(ALL, own_s=20, trunk_s=0, computed_s=0),
]


def test_runs_above_one_trunk_are_a_job_that_computes_it_once() -> None:
    above, alone = jobs_of(STUDY)
    assert (above.own_s, above.trunks_s) == ((3, 1), (10, 12))
    assert (above.seconds, above.apart_s) == (3 + 1 + 12, 3 + 10 + 1 + 12)
    assert (alone.seconds, alone.apart_s) == (20, 20)


def test_runs_without_a_cost_are_left_out() -> None:
    assert jobs_of([make_record(HEAD, status="skipped", reason="no memory")]) == []


def test_one_worker_does_one_job_after_the_other() -> None:
    jobs = jobs_of(STUDY)
    found = simulate(jobs, 1, driver_s=0)
    assert found.makespan_s == lower_bound_s(jobs, 1) == START_S + 16 + 20
    assert (found.busy, found.driver) == (pytest.approx(36 / (36 + START_S)), 0)


def test_the_longest_job_bounds_any_number_of_workers() -> None:
    jobs = jobs_of(STUDY)
    assert simulate(jobs, 99, driver_s=0).makespan_s == lower_bound_s(jobs, 99) == START_S + 20


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize("driver_s", [0.0, 0.5])
def test_no_makespan_is_below_the_bound(workers: int, driver_s: float) -> None:
    jobs = [Job((1.0 + i % 3, 0.5), (2.0, float(i % 7))) for i in range(20)]
    for order in (jobs, jobs[::-1]):
        found = simulate(order, workers, driver_s)
        assert found.makespan_s >= lower_bound_s(jobs, workers)
        assert 0 < found.busy <= 1
        assert 0 <= found.driver <= 1


def test_a_slow_driver_saves_one_record_after_the_other() -> None:
    found = simulate([Job((1.0,), (0.0,))] * 50, workers=50, driver_s=2.0)
    assert found.makespan_s == START_S + 1 + 50 * 2
    assert found.driver == pytest.approx(100 / 106)


def test_the_command_says_what_sharing_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in STUDY:
        save_record(tmp_path, one)
    monkeypatch.setattr(
        sys, "argv", ["simulate_plan", str(tmp_path), "--runs", "7", "--workers", "1", "--driver-s", "0"]
    )
    simulate_plan.main()
    plan, compute, bound, *found = capsys.readouterr().out.splitlines()
    assert plan == "9 runs (3 copies of 3), 6 jobs, 1 workers"
    assert compute.endswith("22% saved by sharing trunks")  # 36 s of 46
    assert bound == "lower bound 113 s"
    assert [line.partition(",")[0] for line in found] == [
        f"{order}: 113 s (1.000 of the bound)" for order in ("plan", "longest first")
    ]


def test_a_folder_without_runs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulate_plan", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        simulate_plan.main()
    assert "name the folder of a finished study" in capsys.readouterr().err
