"""Probes of a plan's recipes on this machine, and forecasts for its runs. Loads torch: it times real steps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cache, lru_cache

import psutil
import torch

from bench.run.checks import reads_cut_texts
from bench.run.runner import Session
from bench.study.forecast import Machine, Prediction, forecast
from bench.study.plan import PlannedRun
from gptcore.backbones.checkpoints import known_config
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training.cut import cut_texts
from gptcore.training.inputs import Sequences
from gptcore.training.probe import cost_id, take_sample
from gptcore.training.sample import Probe, Sample, Tokenise, timed_tokenise
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
            return take_sample(kinds[kind], data, engine, device, size, tokenise, free_bytes, session.verify)
        except Exception as error:  # the run itself will report the error
            log.info("no probe of %s: %s", kinds[kind].id, error)
            return None

    before = _resident_bytes(device)
    for kind in _one_of_each(kinds):  # loads what the first run would load
        on_probe(kind, 0, len(kinds))
        sample_of(kind, WARM_UP_SIZE)
    # Runs reuse memory that probes have freed inside the process, so it is measured before those of this call, and
    # what earlier calls or runs have left does not count.
    loaded = _resident_bytes(device)
    if session.loaded_bytes is None:
        session.loaded_bytes = loaded
    else:
        session.loaded_bytes += max(0, loaded - before)
    samples = {}
    for done, kind in enumerate(kinds):
        on_probe(kind, done, len(kinds))
        samples[kind] = sample_of(kind)
    machine = Machine(
        session.loaded_bytes,
        engine.trunks.memory_bytes(torch.device(device)),
        session.measures_serving,
        lambda run: _cut_texts_seconds(run, session, samples.get(cost_id(run.recipe)), tokenise),
    )

    @cache
    def probe_of(kind: str, split_seed: int) -> Probe | None:
        on_probe(kind, len(kinds) - 1, len(kinds))  # all texts are tokenised: a step of its own
        sample = samples.get(kind)
        return None if sample is None else sample.of(data.with_split(split_seed), tokenise)

    return forecast(plan, lambda run: probe_of(cost_id(run.recipe), run.seeds.split), machine)


def _resident_bytes(device: str) -> int:
    """Of this process; 0 on a GPU, whose memory is forecast."""
    return 0 if device.startswith("cuda") else psutil.Process().memory_info().rss


def _cut_texts_seconds(
    run: PlannedRun, session: Session, sample: Sample | None, tokenise: Tokenise
) -> float | None:
    """Of the check on truncated texts, where such a run has it: tokenising, and TF-IDF again if there are many."""
    baseline = session.baseline
    if sample is None or baseline is None or not reads_cut_texts(run.recipe, baseline):
        return None
    if known_config(baseline.model) is None:
        return 0.0  # its first run downloads it: until then nothing is known of it
    data = session.data.with_split(run.seeds.split)
    try:
        sequences, seconds = tokenise(data, baseline.model, baseline.method.n_prompt)
        found = cut_texts(data, baseline, sequences)
    except UserError:  # the run will go without
        return 0.0
    again = found is not None and found[1].matters
    return seconds + again * sum(sample.of(data).phases.values())


def _one_of_each(kinds: Mapping[str, Recipe]) -> list[str]:
    """One network and one logistic regression, if there are any."""
    networks = [kind for kind, recipe in kinds.items() if recipe.trainer == "network"]
    logistic = [kind for kind, recipe in kinds.items() if recipe.trainer != "network"]
    return [*networks[:1], *logistic[-1:]]
