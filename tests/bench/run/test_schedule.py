"""A study that goes on until it is decided: what comes next, where it stops, and that being stopped changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from bench.evidence.family import judge_family
from bench.evidence.results import Results, collect
from bench.evidence.scheme import with_looks
from bench.records.record import Record
from bench.records.study import Row, Study
from bench.run.schedule import FixedSeeds, UntilDecided
from bench.run.seeds import TOGETHER, make_seeds
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun, make_plan
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from tests.bench.toys import make_outcome

N = 300
LOOKS = (3, 6, 12)
# row -> accuracy, seconds of a run
ROWS = {
    "baseline": (0.90, 4.0),
    "far-worse": (0.60, 2.0),
    "worse": (0.86, 3.0),
    "same": (0.90, 5.0),
    "costly": (0.905, 50.0),
}


class Lab:
    """A study whose runs take no time: the same records whoever asks, and whenever."""

    def __init__(self, toy_study: Callable[..., Study], toy_record: Callable[..., Record]) -> None:
        seeds = make_seeds(LOOKS[-1], TOGETHER)
        recipes = {name: Recipe(lr=1e-5 * (1 + i)) for i, name in enumerate(ROWS)}
        rows = [
            Row(name=name, recipe=recipe, against=None if name == "baseline" else "baseline")
            for name, recipe in recipes.items()
        ]
        self.study = toy_study(rows, seeds=seeds, scheme=with_looks([], LOOKS))
        self.toy_record = toy_record
        self.plan = make_plan(self.study, {}, reachable=lambda _model: True)
        self.names = {recipe.id: name for name, recipe in recipes.items()}
        easy = np.random.default_rng(0).normal(0, 1, N)
        self.hard = np.argsort(easy)

    def record(self, run: PlannedRun, **changes: Any) -> Record:
        accuracy, seconds = ROWS[self.names[run.recipe.id]]
        random = np.random.default_rng([run.seed_index, *map(ord, run.recipe.id)])
        n_wrong = round(N * (1 - accuracy) + random.normal(0, 1.5))
        wrong = set(random.permutation(self.hard[: n_wrong + 6])[:n_wrong].tolist())
        figures = {"seeds": run.seeds} | make_outcome(wrong, N, seconds)
        return self.toy_record(run.recipe, run.seed_index, **(figures | changes))

    def schedule(self, records: dict[str, Record], budget_s: float | None = None) -> UntilDecided:
        """As a new call makes it, which finds these records in the folder."""
        plan = make_plan(self.study, records, reachable=lambda _model: True)
        predictions = {
            run.run_id: Prediction(ROWS[self.names[run.recipe.id]][1], 0)
            for run in plan
            if run.seed_index < LOOKS[0]
        }
        return UntilDecided(plan, self.study.scheme or [], dict(records), predictions, budget_s)

    def results(self, records: dict[str, Record]) -> Results:
        return collect(self.study, list(records.values()), 0.02)

    def go(
        self, records: dict[str, Record], budget_s: float | None = None, stop: Iterator[bool] = iter(())
    ) -> list[list[PlannedRun]]:
        """Follow the schedule; `stop` says before each run whether the call is killed there."""
        schedule = self.schedule(records, budget_s)
        batches: list[list[PlannedRun]] = []
        while batch := list(schedule.next(self.results(records))):
            batches.append(batch)
            for run in batch:
                if next(stop, False):
                    return batches
                records[run.run_id] = self.record(run)
        return batches


@pytest.fixture
def lab(toy_study: Callable[..., Study], toy_record: Callable[..., Record]) -> Lab:
    return Lab(toy_study, toy_record)


def seeds_of(records: dict[str, Record], lab: Lab) -> dict[str, int]:
    return {name: sum(r.recipe_id == recipe for r in records.values()) for recipe, name in lab.names.items()}


def test_rows_run_until_they_are_decided(lab: Lab) -> None:
    records: dict[str, Record] = {}
    batches = lab.go(records)
    assert [run.seed_index for batch in batches[:3] for run in batch] == [0] * 5 + [1] * 5 + [2] * 5
    counts = seeds_of(records, lab)
    assert set(counts.values()) <= set(LOOKS)
    assert counts["far-worse"] < counts["costly"]
    family = judge_family(lab.results(records))
    decision = family.of("far-worse", "baseline")
    assert decision
    assert decision.call == "worse"
    assert decision.decided_at == counts["far-worse"]
    text = lab.schedule(records).ended(lab.results(records))
    assert text == "every row is decided" or text.endswith("no look is left after 12 seeds")


def test_a_study_that_is_killed_anywhere_ends_as_an_undisturbed_one(lab: Lab) -> None:
    undisturbed: dict[str, Record] = {}
    lab.go(undisturbed, 1500.0)
    random = np.random.default_rng(5)
    for _ in range(5):
        killed: dict[str, Record] = {}
        while True:
            before = len(killed)
            if not lab.go(killed, 1500.0, iter(random.random(100) < 0.15)) and len(killed) == before:
                break
        assert killed.keys() == undisturbed.keys()
        assert judge_family(lab.results(killed)).decisions == judge_family(lab.results(undisturbed)).decisions


@pytest.mark.parametrize("budget_s", [30.0, 80.0, 200.0, 500.0])
def test_a_budget_is_kept(lab: Lab, budget_s: float) -> None:
    records: dict[str, Record] = {}
    lab.go(records, budget_s)
    assert records
    spent = sum(run.cost.marginal_s for run in records.values() if run.cost)
    assert spent <= budget_s
    assert "more than the" in lab.schedule(records, budget_s).ended(lab.results(records))
    assert lab.go(dict(records), budget_s) == []  # the same command again finds nothing to do
    if budget_s < 100:
        assert not seeds_of(records, lab)["costly"]


def test_a_budget_under_one_look_is_refused_before_anything_runs(lab: Lab) -> None:
    with pytest.raises(
        UserError, match=r"budget of 10 s: 3 seeds of the cheapest row, far-worse, and of its reference"
    ):
        lab.go({}, 10.0)


def test_a_failed_run_does_not_stop_its_row(lab: Lab) -> None:
    records: dict[str, Record] = {}
    schedule = lab.schedule(records)
    while batch := schedule.next(lab.results(records)):
        for run in batch:
            fails = run.seed_index == 4 and run.rows == ("same",)
            records[run.run_id] = lab.record(run, **(NOTHING if fails else {}))
    family = judge_family(lab.results(records)).of("same", "baseline")
    assert family
    assert [look.seeds for look in family.looks][:2] == [3, 6]


NOTHING = {"status": "failed", "metrics": None, "test": None, "cost": None}


def test_a_row_that_fails_slowly_uses_the_budget(lab: Lab) -> None:
    budget_s, failed_s = 190.0, 60.0
    records: dict[str, Record] = {}
    schedule = lab.schedule(records, budget_s)  # which expects 5 s of each run of the row
    while batch := schedule.next(lab.results(records)):
        for run in batch:
            fails = run.rows == ("same",)
            records[run.run_id] = lab.record(run, **(NOTHING | {"failed_s": failed_s} if fails else {}))
    counts = seeds_of(records, lab)
    assert counts["same"] == 1  # after which its look would take 120 s more
    assert counts["worse"] >= LOOKS[0]
    spent = sum(run.cost.marginal_s if run.cost else failed_s for run in records.values())
    assert spent <= budget_s
    results = lab.results(records)
    assert schedule.left_s(results) == pytest.approx(budget_s - spent)
    assert f"the {budget_s - spent:.0f} s left of the budget" in schedule.ended(results)
    assert list(lab.schedule(records, budget_s).next(results)) == []  # the same command again


def test_a_study_whose_every_run_fails_ends_by_its_budget_without_an_error(lab: Lab) -> None:
    records: dict[str, Record] = {}
    schedule = lab.schedule(records, 60.0)
    while batch := schedule.next(lab.results(records)):
        records |= {run.run_id: lab.record(run, **NOTHING, failed_s=20.0) for run in batch}
    assert {record.seed_index for record in records.values()} == {0}


def test_a_row_that_cannot_be_compared_is_not_called_decided(lab: Lab) -> None:
    def go(failing: str, budget_s: float | None) -> str:
        records: dict[str, Record] = {}
        schedule = lab.schedule(records, budget_s)
        while batch := schedule.next(lab.results(records)):
            for run in batch:
                records[run.run_id] = lab.record(run, **(NOTHING if run.rows == (failing,) else {}))
        return schedule.ended(lab.results(records))

    assert "1 row could not be compared (same): runs failed" in go("same", None)
    of_all = "4 rows could not be compared (far-worse, worse, same, costly): runs failed"
    assert go("baseline", None) == go("baseline", 1e6) == of_all


def test_why_a_row_cannot_run_is_recorded_once_and_the_others_go_on(lab: Lab) -> None:
    from dataclasses import replace

    plan: Sequence[PlannedRun] = [
        replace(run, state="blocked", reason="too large") if run.rows == ("costly",) else run
        for run in lab.plan
    ]
    schedule = UntilDecided(plan, lab.study.scheme or [], {}, {}, None)
    first = schedule.next(lab.results({}))
    blocked = [run for run in first if run.state == "blocked"]
    assert [run.seed_index for run in blocked] == [0, 1, 2]
    again = schedule.next(lab.results({run.run_id: lab.record(run) for run in first if run.state == "todo"}))
    assert {run.state for run in again} == {"todo"}
    assert {run.seed_index for run in again} == {1}


def test_a_row_whose_reference_cannot_run_has_not_failed(lab: Lab) -> None:
    from dataclasses import replace

    plan = [
        replace(run, state="blocked", reason="too large") if "baseline" in run.rows else run
        for run in lab.plan
    ]
    schedule, records = UntilDecided(plan, lab.study.scheme or [], {}, {}, None), {}
    while batch := schedule.next(lab.results(records)):
        for run in batch:
            outcome = {"status": "skipped", "reason": "too large"} if run.state == "blocked" else {}
            records[run.run_id] = lab.record(run, **outcome)
    rows = "far-worse, worse, same, costly"
    assert schedule.ended(lab.results(records)) == (
        f"4 rows could not be compared ({rows}): their reference cannot run here"
    )


def test_fixed_seeds_are_the_whole_plan_once(lab: Lab) -> None:
    schedule = FixedSeeds(lab.plan)
    assert schedule.next(lab.results({})) == lab.plan
    assert not schedule.next(lab.results({}))
    assert schedule.ended(lab.results({})) == ""
