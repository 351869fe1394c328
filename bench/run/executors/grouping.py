"""Which runs are one job: those that share a trunk go to one worker, unless others would wait for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from statistics import fmean

from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun

JOBS_A_SLOT = 2  # so that the last ones to end do not end long after the others


def trunk_of(run: PlannedRun) -> Hashable | None:
    """What decides the states below the blocks that a run trains, but their depth; None: it trains them all.

    Said of the recipe alone, for runs that have no forecast. A trunk is computed for all texts at once, so the split
    decides it only where it chooses texts, or the length to which they are cut.
    """
    recipe = run.recipe
    if run.state != "todo" or recipe.backbone is None or recipe.method.upper_blocks is None:
        return None
    init = run.seeds.init if recipe.weights == "random" else None
    by_split = recipe.train_size is not None or (recipe.context == "longest" and recipe.padding != "none")
    split = run.seeds.split if by_split else None
    rows = (recipe.padding, recipe.attend_padding, recipe.context, recipe.train_size)
    return split, recipe.model, recipe.weights, init, recipe.attention, rows


def grouped(
    runs: Sequence[PlannedRun], predictions: Mapping[str, Prediction], slots: int
) -> list[tuple[PlannedRun, ...]]:
    """The runs as jobs, in the order of their first ones; within a job in the order of the plan.

    slots: jobs at a time. With one, each run is a job: its worker keeps the trunks in between. With several no job is
    longer than its share, as far as runs can be divided: a trunk that is computed twice costs less than idle workers.
    """
    if slots == 1:
        return [(run,) for run in runs]
    seconds = seconds_of(predictions)
    most_s = sum(map(seconds, runs)) / (slots * JOBS_A_SLOT)
    groups: dict[Hashable, list[PlannedRun]] = {}
    for run in runs:
        found = predictions.get(run.run_id)
        trunk = found.trunk if found is not None else trunk_of(run)
        groups.setdefault(trunk or run.run_id, []).append(run)  # a run without a trunk is a group of its own
    parts = [part for group in groups.values() for part in _divided(group, seconds, most_s)]
    return in_order(parts, runs)


def in_order(
    jobs: Iterable[tuple[PlannedRun, ...]], runs: Iterable[PlannedRun]
) -> list[tuple[PlannedRun, ...]]:
    """Jobs by the place of their first run among all runs, so that the first seeds end first."""
    place = {run.run_id: i for i, run in enumerate(runs)}
    return sorted(jobs, key=lambda job: place[job[0].run_id])


def seconds_of(predictions: Mapping[str, Prediction]) -> Callable[[PlannedRun], float]:
    """What a run takes: its forecast, or the mean of those that have one."""
    mean = fmean(found.busy_s for found in predictions.values()) if predictions else 1.0

    def seconds(run: PlannedRun) -> float:
        found = predictions.get(run.run_id)
        return mean if found is None else found.busy_s

    return seconds


def _divided(
    group: Sequence[PlannedRun], seconds: Callable[[PlannedRun], float], most_s: float
) -> list[tuple[PlannedRun, ...]]:
    parts: list[list[PlannedRun]] = []
    left_s = 0.0
    for run in group:
        if not parts or seconds(run) > left_s:
            parts.append([])
            left_s = most_s
        parts[-1].append(run)
        left_s -= seconds(run)
    return [tuple(part) for part in parts]
