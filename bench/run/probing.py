"""Probes of a plan's recipes on this machine, and what they foretell of its runs. Loads torch: it times real steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psutil

from bench.run.runner import Session
from bench.study.forecast import Machine, Prediction, forecast
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.finetune.engine import Engine
from gptcore.finetune.probe import Probe, cost_id, probe
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
    probes = {}
    for done, (kind, recipe) in enumerate(kinds.items()):
        on_probe(done, len(kinds))
        probes[kind] = _probe(recipe, data, engine, device)
    by_recipe = {
        recipe_id: found for recipe_id, recipe in recipes.items() if (found := probes[cost_id(recipe)])
    }
    floor_bytes = 0 if device.startswith("cuda") else psutil.Process().memory_info().rss
    machine = Machine(floor_bytes, engine.trunks.memory_bytes)
    return forecast(plan, by_recipe, len(data.label_names), machine)


def _warm_up(recipes: Sequence[Recipe], data: Dataset, engine: Engine, device: str) -> None:
    """Load what the first run would load: a probe of a recipe with each kind of classifier, thrown away."""
    networks = [recipe for recipe in recipes if not recipe.is_tfidf and recipe.train != "features"]
    logistic = [recipe for recipe in recipes if recipe not in networks]
    for recipe in (*networks[:1], *logistic[-1:]):
        _probe(recipe, data, engine, device)


def _probe(recipe: Recipe, data: Dataset, engine: Engine, device: str) -> Probe | None:
    try:
        return probe(recipe, data, engine, device)
    except UserError:  # the run itself will say what it lacks
        return None
