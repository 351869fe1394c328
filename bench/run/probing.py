"""Probes of a plan's recipes on this machine, and forecasts for its runs. Loads torch: it times real steps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cache, lru_cache

import psutil
import torch

from bench.run.runner import Session
from bench.study.forecast import Machine, Prediction, forecast
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.recipe import Recipe
from gptcore.training.inputs import Sequences
from gptcore.training.probe import Probe, Sample, cost_id, take_sample, timed_tokenise
from gptcore.training.stand_in import FORECAST_SIZE, WARM_UP_SIZE, SliceSize

TOKENISED = 4  # splits whose tokens are kept, as recipes share them: one for each model of a usual study

log = logging.getLogger(__name__)


def forecast_here(
    plan: Sequence[PlannedRun],
    session: Session,
    on_probe: Callable[[str, int, int], None],
    without: Set[str] = frozenset(),
    free_bytes: int | None = None,
) -> dict[str, Prediction]:
    """Run id -> prediction of the runs that are to do, except those whose recipe could not be probed.

    on_probe(kind, done, n): called before a kind of recipe (`cost_id`) is timed. without: kinds to leave out;
    free_bytes: of a kind that needs more the memory alone is forecast, as its runs will be refused. Forecasts hold for
    runs in this process.
    """
    data, engine, device = session.data, session.engine, session.device
    recipes = {run.recipe.id: run.recipe for run in plan if run.state == "todo"}
    kinds = {kind: recipe for recipe in recipes.values() if (kind := cost_id(recipe)) not in without}

    @lru_cache(maxsize=TOKENISED)
    def tokenise(part: Dataset, model: str, n_prompt: int) -> tuple[Sequences, float]:
        return timed_tokenise(part, model, n_prompt)

    def sample_of(kind: str, size: SliceSize = FORECAST_SIZE) -> Sample | None:
        try:
            return take_sample(kinds[kind], data, engine, device, size, tokenise, free_bytes)
        except Exception as error:  # the run itself will report the error
            log.info("no probe of %s: %s", kinds[kind].id, error)
            return None

    for kind in _one_of_each(kinds):  # loads what the first run would load
        on_probe(kind, 0, len(kinds))
        sample_of(kind, WARM_UP_SIZE)
    # Runs reuse memory that the probes free inside the process, so it is measured before the probes.
    floor_bytes = 0 if device.startswith("cuda") else psutil.Process().memory_info().rss
    samples = {}
    for done, kind in enumerate(kinds):
        on_probe(kind, done, len(kinds))
        samples[kind] = sample_of(kind)
    machine = Machine(floor_bytes, engine.trunks.memory_bytes(torch.device(device)))

    @cache
    def probe_of(kind: str, split_seed: int) -> Probe | None:
        on_probe(kind, len(kinds) - 1, len(kinds))  # all texts are tokenised: a step of its own
        sample = samples.get(kind)
        return None if sample is None else sample.of(data.with_split(split_seed), tokenise)

    return forecast(plan, lambda run: probe_of(cost_id(run.recipe), run.seeds.split), machine)


def _one_of_each(kinds: Mapping[str, Recipe]) -> list[str]:
    """One network and one logistic regression, if there are any."""
    networks = [kind for kind, recipe in kinds.items() if recipe.trainer == "network"]
    logistic = [kind for kind, recipe in kinds.items() if recipe.trainer != "network"]
    return [*networks[:1], *logistic[-1:]]
