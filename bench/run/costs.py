"""What runs will take, from what runs of the same recipes took: shared trunks count once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from bench.records.record import Record
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe


def spent_s(records: Iterable[Record]) -> float:
    """Seconds of a budget that runs have used: with their checks and failed tries, shared by runs at a time."""
    return sum(record.spent_s for record in records)


@dataclass(frozen=True)
class Cost:
    """Seconds of one run of a recipe: its own, with its checks, and of the frozen trunk that others share."""

    own_s: float
    trunk_s: float = 0.0


class Costs:
    """Seconds until runs that are to do are done, from finished runs, else from the forecast.

    Where all runs of a recipe have failed, the next is expected to take as long as they did, if that is longer than
    the forecast: a run that hangs until its time limit was forecast as one that does not.

    jobs: runs at a time, now; of finished runs their records say how many there were.
    """

    def __init__(
        self, records: Iterable[Record], predictions: Mapping[str, Prediction], jobs: int = 1
    ) -> None:
        by_recipe: dict[str, list[Cost]] = {}
        failed: dict[str, list[float]] = {}
        for record in records:
            if record.status == "failed" and record.failed_s is not None:
                failed.setdefault(record.recipe_id, []).append(record.failed_s / record.environment.jobs)
            if record.cost is not None:
                borrowed = record.cost.standalone_s - record.cost.marginal_s
                trunk = record.cost.phases.get("trunk", 0.0) + borrowed
                own = record.cost.standalone_s - trunk + record.cost.checks_s
                share = record.environment.jobs
                by_recipe.setdefault(record.recipe_id, []).append(Cost(own / share, trunk / share))
        self._known = {
            recipe_id: Cost(fmean(one.own_s for one in costs), fmean(one.trunk_s for one in costs))
            for recipe_id, costs in by_recipe.items()
        }
        self._failed_s = {recipe_id: fmean(seconds) for recipe_id, seconds in failed.items()}
        self._predictions, self._jobs = predictions, jobs

    def seconds(self, runs: Iterable[PlannedRun]) -> float:
        """Of these runs, seed by seed: each trunk once a seed, as deep as the deepest that is needed.

        Runs of which nothing is known count as nothing: nobody could say more.
        """
        total = 0.0
        trunks: dict[Hashable, float] = {}
        for run in runs:
            cost = self._known.get(run.recipe.id) or self._predicted(run)
            key = (run.seeds, _states(run.recipe))
            total += cost.own_s
            trunks[key] = max(trunks.get(key, 0.0), cost.trunk_s)
        return total + sum(trunks.values())

    def _predicted(self, run: PlannedRun) -> Cost:
        found = self._predictions.get(run.run_id)
        forecast_s = found.busy_s / self._jobs if found else 0.0
        return Cost(max(forecast_s, self._failed_s.get(run.recipe.id, 0.0)))


def _states(recipe: Recipe) -> Hashable:
    """The fields that decide a trunk's hidden states."""
    return (
        *(recipe.model, recipe.weights, recipe.attention, recipe.padding),
        *(recipe.attend_padding, recipe.context),
    )
