"""Probes of a plan's recipes on this machine, and what they foretell of its runs. Loads torch: it times real steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import psutil

from bench.run.runner import Session
from bench.study.forecast import Machine, Prediction, forecast
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.finetune.engine import Engine
from gptcore.finetune.probe import Probe, Sample, cost_id, take_sample
from gptcore.finetune.recipe import Recipe


def foretell(
    plan: Sequence[PlannedRun], session: Session, on_probe: Callable[[int, int], None]
) -> dict[str, Prediction]:
    """Run id -> prediction of the runs that are to do; those without one have no model that could be probed.

    on_probe is told how many recipes are timed, and of how many. Foretold is what runs take in this process.
    """
    data, engine, device = session.data, session.engine, session.device
    recipes = {run.recipe.id: run.recipe for run in plan if run.state == "todo"}
    kinds = {cost_id(recipe): recipe for recipe in recipes.values()}
    _warm_up(list(kinds.values()), data, engine, device)
    # Memory that the probes leave free inside the process is used again by the runs, so it is looked at before them.
    floor_bytes = 0 if device.startswith("cuda") else psutil.Process().memory_info().rss
    samples = {}
    for done, (kind, recipe) in enumerate(kinds.items()):
        on_probe(done, len(kinds))
        samples[kind] = _sample(recipe, data, engine, device)
    machine = Machine(floor_bytes, engine.trunks.memory_bytes, engine.skips)

    @cache
    def probe_of(kind: str, split_seed: int) -> Probe | None:
        sample = samples[kind]
        return None if sample is None else sample.of(data.with_split(split_seed))

    return forecast(
        plan, lambda run: probe_of(cost_id(run.recipe), run.seeds.split), len(data.label_names), machine
    )


def _warm_up(recipes: Sequence[Recipe], data: Dataset, engine: Engine, device: str) -> None:
    """Load what the first run would load: a probe of a recipe with each kind of classifier, thrown away."""
    networks = [recipe for recipe in recipes if not recipe.is_tfidf and recipe.train != "features"]
    logistic = [recipe for recipe in recipes if recipe not in networks]
    for recipe in (*networks[:1], *logistic[-1:]):
        _sample(recipe, data, engine, device)


def _sample(recipe: Recipe, data: Dataset, engine: Engine, device: str) -> Sample | None:
    try:
        return take_sample(recipe, data, engine, device)
    except UserError:  # the run itself will say what it lacks
        return None
