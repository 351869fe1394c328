"""How many runs at a time `--jobs auto` takes on a CPU: one with all cores, or one per core. Imports no torch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from statistics import fmean
from typing import TYPE_CHECKING

from bench.run.environment import n_threads
from bench.run.jobs import SMALL_MODEL_PARAMS
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.wording import pluralise

if TYPE_CHECKING:
    from bench.records.record import Record
    from bench.run.executors.base import Executor
    from bench.run.study_run import StudyRun

# A study forecast to take less is done one run at a time: starting more processes and timing them takes about as long
# as they could save.
WORTH_S = 60.0

# Runs at a time, runs -> run id -> what each run will take then.
Forecast = Callable[[int, Sequence[PlannedRun]], Mapping[str, Prediction]]
_Seconds = Mapping[str | None, float]  # by model, None for a run without one


@dataclass(frozen=True)
class Choice:
    """How many runs at a time, and why. predictions: those of runs that were forecast for so many at a time."""

    jobs: int
    why: str
    predictions: Mapping[str, Prediction] = field(default_factory=dict)


def chosen(study_run: StudyRun, on_probe: Callable[[int, int], None]) -> tuple[StudyRun, str] | None:
    """The study with so many runs at a time as are forecast to end it first, and a line that says so.

    None where there is nothing to choose: another --jobs, a GPU, a cluster, several processes per run, no run to do.
    """
    asked, site = study_run.opened.options, study_run.site
    todo = [run for run in study_run.plan if run.state == "todo"]
    if asked.jobs != "auto" or study_run.device != "cpu" or not site.sharing or not todo:
        return None

    with ExitStack() as stack:

        @cache
        def executor(jobs: int) -> Executor:
            spec = replace(study_run, jobs=jobs).session_spec()
            return stack.enter_context(site.open(spec, study_run.folder, None))

        choice = as_before(study_run.records.values(), n_threads()) or choose(
            study_run.certain_runs,
            len(todo) + len(study_run.trials),
            study_run.free_bytes,
            n_threads(),
            lambda jobs, runs: executor(jobs).forecast(runs, on_probe),
            study_run.jobs,
        )
    opened = replace(study_run.opened, options=replace(asked, jobs=str(choice.jobs)))
    line = f"--jobs auto: {pluralise(choice.jobs, 'run')} at a time: {choice.why}"
    return replace(study_run, jobs=choice.jobs, opened=opened, predictions=choice.predictions), line


def as_before(records: Iterable[Record], cores: int) -> Choice | None:
    """As most finished runs of the study were done, so that its times compare; None where there are none."""
    jobs = Counter(
        record.environment.jobs
        for record in records
        if record.status == "done" and record.environment.device == "cpu"
    )
    if not jobs:
        return None
    most, _ = jobs.most_common(1)[0]
    return Choice(most, "as the finished runs of this study were done") if most <= cores else None


def choose(
    certain: Sequence[PlannedRun], n: int, free_bytes: int, cores: int, forecast: Forecast, rule: int
) -> Choice:
    """One run at a time or as many as cores, runs and memory allow, whichever is forecast to take less time.

    certain: the runs that are surely done; n: how many are to do in all; rule: runs at a time where nothing can be
    forecast.
    """
    if cores == 1 or n == 1:
        return Choice(1, "this program may use one core" if cores == 1 else "one run is to do")
    todo = [run for run in certain if run.state == "todo"]
    alone = forecast(1, todo)
    if not alone:
        which = "no model has" if rule > 1 else "a model has"
        return Choice(
            rule, f"nothing could be timed; {which} more than {SMALL_MODEL_PARAMS / 1e6:.0f}M parameters"
        )
    total_s = n * fmean(each.busy_s for each in alone.values())
    if total_s < WORTH_S:
        return Choice(1, f"they take less than {WORTH_S:.0f} s in all", alone)
    needs_bytes = max((each.mem_bytes for each in alone.values() if each.mem_bytes <= free_bytes), default=0)
    jobs = min(cores, n, free_bytes // max(1, needs_bytes))
    if jobs == 1:
        memory = f"a run needs up to {needs_bytes / 1e9:.1f} GB, and {free_bytes / 1e9:.1f} GB are free"
        return Choice(1, memory, alone)
    telling = telling_runs(todo, alone)
    ways = {so_many: _by_model(telling, forecast(so_many, telling)) for so_many in (1, jobs)}
    took = study_s(
        ((run.recipe.backbone, alone[run.run_id].busy_s) for run in todo if run.run_id in alone), ways
    )
    if took is None:
        return Choice(1, f"{jobs} at a time could not be timed", alone)
    timed = ", ".join(
        f"{run.rows[0]} on {run.recipe.model}" if run.recipe.backbone else run.rows[0] for run in telling
    )
    why = (
        f"{jobs} processes of {pluralise(max(1, cores // jobs), 'thread')} are forecast to take "
        f"{took[jobs] / took[1]:.2f} times as long as one of {pluralise(cores, 'thread')} (timed: {timed})"
    )
    return Choice(jobs, why) if took[jobs] < took[1] else Choice(1, why, alone)


def telling_runs(runs: Iterable[PlannedRun], predictions: Mapping[str, Prediction]) -> list[PlannedRun]:
    """Of each model one run, of the recipe whose runs take most of its time."""
    first: dict[str, PlannedRun] = {}
    seconds: dict[str | None, dict[str, float]] = {}  # by model, then by recipe
    for run in runs:
        if run.run_id in predictions:
            recipe = run.recipe
            first.setdefault(recipe.id, run)
            by_recipe = seconds.setdefault(recipe.backbone, defaultdict(float))
            by_recipe[recipe.id] += predictions[run.run_id].busy_s
    return [first[max(by_recipe, key=by_recipe.__getitem__)] for by_recipe in seconds.values()]


def study_s(
    runs: Iterable[tuple[str | None, float]], ways: Mapping[int, _Seconds]
) -> dict[int, float] | None:
    """Runs at a time -> seconds that the runs take then; None where no model was timed in every way.

    runs: each one's model and its seconds alone, as for the way of one at a time; ways: runs at a time -> model ->
    seconds of its telling run. A model that was not timed in every way is left out.
    """
    timed = set.intersection(*(set(way) for way in ways.values()))
    known = [(model, seconds) for model, seconds in runs if model in timed and ways[1][model] > 0]
    if not known:
        return None
    found = {}
    for jobs, way in ways.items():
        each = [seconds * way[model] / ways[1][model] for model, seconds in known]
        found[jobs] = max(sum(each) / jobs, max(each))
    return found


def _by_model(runs: Iterable[PlannedRun], predictions: Mapping[str, Prediction]) -> _Seconds:
    return {run.recipe.backbone: predictions[run.run_id].busy_s for run in runs if run.run_id in predictions}
