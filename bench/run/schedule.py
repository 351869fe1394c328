"""Which runs of a study come next, from the results so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Protocol

from bench.evidence.family import Key, judge_family
from bench.evidence.next_look import next_looks, together
from bench.evidence.results import Results
from bench.records.record import Record
from bench.records.study import PlannedLook
from bench.run.costs import Costs, spent_s
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.errors import UserError
from gptcore.wording import pluralise

# What is said of one row that a study ends without, and of several.
UNDECIDED = "row is undecided", "rows are undecided"
NOT_COMPARED = "row could not be compared", "rows could not be compared"


class Schedule(Protocol):
    """Decides what to run. Error rates hold whatever it decides (bench/evidence/scheme.py)."""

    def next(self, results: Results) -> Sequence[PlannedRun]:
        """The next runs, in the order to do them; none: finished. results: of all records so far."""

    def ended(self, results: Results) -> str:
        """Why it is finished, in a line; empty where that needs no words."""


class FixedSeeds:
    """All of a plan at once."""

    def __init__(self, plan: Sequence[PlannedRun]) -> None:
        self._plan = plan

    def next(self, results: Results) -> Sequence[PlannedRun]:  # noqa: ARG002 (the protocol's)
        """The whole plan, once."""
        plan, self._plan = self._plan, ()
        return plan

    def ended(self, results: Results) -> str:  # noqa: ARG002 (the protocol's)
        """Nothing: all that was asked for is done."""
        return ""


class UntilDecided:
    """Rows get seeds, look by look, until each is decided, no look is left or the budget is spent.

    First all rows get their first look. Then the row comes next whose decision is forecast soonest per second,
    with rows that go as far and can share its work. No look begins that does not fit into the budget, which
    counts the recorded time of all runs of the study, shared among those that went at a time. What comes next
    depends on complete looks alone, and on what the runs of the first look took: a study that was stopped goes
    on as if it had not been.

    seen: run id -> record, as the plan knew them; budget_s: seconds, None for no limit; jobs: runs at a time.
    """

    def __init__(
        self,
        plan: Sequence[PlannedRun],
        scheme: Sequence[PlannedLook],
        seen: Mapping[str, Record],
        predictions: Mapping[str, Prediction],
        budget_s: float | None = None,
        jobs: int = 1,
    ) -> None:
        self.scheme, self.budget_s, self._jobs = scheme, budget_s, jobs
        self._seen, self._predictions = seen, predictions
        self._todo = [run for run in plan if run.state == "todo"]
        blocked = [run for run in plan if run.state == "blocked"]
        self._cannot = {name for run in blocked for name in run.rows}
        # Why they cannot run is said once a study, not for every seed that they might have had.
        self._to_skip = [run for run in blocked if run.seed_index < scheme[0].seeds]

    def next(self, results: Results) -> Sequence[PlannedRun]:
        """The next look, of the first one seed. Raises UserError where the budget is too small for any row."""
        there = {run.run_id: run for run in results.runs}
        todo = [run for run in self._todo if there.get(run.run_id) == self._seen.get(run.run_id)]
        first = self.scheme[0].seeds
        costs = Costs((run for run in results.runs if run.seed_index < first), self._predictions, self._jobs)
        chosen = self._first(results, todo, costs) or self._later(results, todo, costs)
        skipped, self._to_skip = self._to_skip, []
        return [*chosen, *skipped]

    def ended(self, results: Results) -> str:
        """Which rows are left undecided or could not be compared, and why."""
        family = judge_family(results)
        last = self.scheme[-1].seeds
        reasons: dict[tuple[tuple[str, str], str], list[str]] = {}
        for result in results.rows:
            other = results.against(result)
            pair = [result] if other is None else [result, other]
            if not result.can_run or result.name in self._cannot or (other is None and len(results.rows) > 1):
                continue
            found = other and family.of(result.name, other.name)
            state, reason = UNDECIDED, "their next looks cannot be taken here"
            if other and (not other.can_run or other.name in self._cannot):
                state, reason = NOT_COMPARED, "their reference cannot run here"
            elif any(not row.done and row.has_reached(self.scheme[0].seeds) for row in pair):
                state, reason = NOT_COMPARED, "runs failed"
            elif found and (found.call != "undecided" or not found.comparison.is_tested):
                continue
            elif all(row.has_reached(last) for row in pair):
                reason = f"no look is left after {last} seeds"
            elif self.budget_s is not None:
                left_s = max(0.0, self.left_s(results))
                reason = f"their next looks need more than the {left_s:.0f} s left of the budget"
            reasons.setdefault((state, reason), []).append(result.name)
        return (
            "; ".join(
                f"{pluralise(len(names), *state)} ({', '.join(names)}): {reason}"
                for (state, reason), names in reasons.items()
            )
            or "every row is decided"
        )

    def left_s(self, results: Results) -> float:
        """Seconds of the budget that are left."""
        return inf if self.budget_s is None else self.budget_s - spent_s(results.runs)

    def _first(self, results: Results, todo: Sequence[PlannedRun], costs: Costs) -> list[PlannedRun]:
        """The first look of as many rows as the budget allows, the cheapest first, each with its reference."""
        first = [run for run in todo if run.seed_index < self.scheme[0].seeds]
        rows = [result.row for result in results.rows if result.name not in self._cannot]
        # The baseline shows nothing by itself.
        wanted = {
            row.name: runs
            for row in rows
            if (row.against is not None or len(rows) == 1)
            and (runs := [run for run in first if {row.name, row.against} & set(run.rows)])
        }
        left_s = self.left_s(results)
        by_cost = sorted(wanted, key=lambda name: costs.seconds(wanted[name]))
        chosen: list[PlannedRun] = []
        for name in by_cost:
            chosen = _if_it_fits(first, chosen, wanted[name], costs, left_s)
        if by_cost and not chosen and all(run.status == "skipped" for run in results.runs):
            needs = costs.seconds(wanted[by_cost[0]])
            raise UserError(
                f"--budget of {self.budget_s:g} s: {self.scheme[0].seeds} seeds of the cheapest row, {by_cost[0]}, and "
                f"of its reference take about {needs:.0f} s: raise the budget, or start with fewer seeds (--looks)"
            )
        # One seed: what it took is better than the forecast of what the others take.
        return [run for run in chosen if run.seed_index == chosen[0].seed_index]

    def _later(self, results: Results, todo: Sequence[PlannedRun], costs: Costs) -> list[PlannedRun]:
        there = {(run.recipe_id, run.seed_index) for run in results.runs}

        def missing(key: Key, seeds: int) -> list[PlannedRun]:
            return [run for run in todo if run.recipe.id in key and run.seed_index < seeds]

        def seconds_to(key: Key, seeds: int) -> float:
            runs = missing(key, seeds)
            will_be = there | {(run.recipe.id, run.seed_index) for run in runs}
            can = all((recipe_id, seed) in will_be for recipe_id in key for seed in range(seeds))
            return costs.seconds(runs) if runs and can else inf

        left_s = self.left_s(results)
        decisions = judge_family(self._at_complete_looks(results)).decisions
        asked = {
            frozenset((result.recipe_id, other.recipe_id))
            for result in results.rows
            if (other := results.against(result))
        }
        candidates = [
            one
            for one in next_looks(
                {key: found for key, found in decisions.items() if frozenset(key) in asked},
                *(self.scheme, results.margin, seconds_to),
            )
            if costs.seconds(missing(one.name, one.seeds)) <= left_s
        ]
        chosen: list[PlannedRun] = []
        for one in together(candidates) if candidates else []:
            chosen = _if_it_fits(todo, chosen, missing(one.name, one.seeds), costs, left_s)
        return chosen

    def _at_complete_looks(self, results: Results) -> Results:
        """Each row with the seeds of its last complete look."""
        counts = [0, *(look.seeds for look in self.scheme)]
        rows = [
            replace(row, runs=row.runs[: max(n for n in counts if row.has_reached(n))])
            for row in results.rows
        ]
        return replace(results, rows=tuple(rows))


def _if_it_fits(
    order: Sequence[PlannedRun],
    chosen: list[PlannedRun],
    more: Sequence[PlannedRun],
    costs: Costs,
    left_s: float,
) -> list[PlannedRun]:
    """Both, in the order of the plan; what was chosen before where both take longer than is left."""
    ids = {run.run_id for run in [*chosen, *more]}
    both = [run for run in order if run.run_id in ids]
    return both if costs.seconds(both) <= left_s else chosen
