"""One planned run -> one record, within this process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from bench.records.record import (
    Cost,
    Curves,
    Environment,
    InputFacts,
    LossPoint,
    Metrics,
    Parameters,
    Record,
    WeightsFacts,
)
from bench.records.scrub import scrub
from bench.run.checks import Checks, split_metrics
from bench.run.environment import describe_environment
from bench.run.outcome import NO_MEMORY, RefusedRunError, record_without_outcome
from bench.run.predictions import predictions_of
from bench.study.plan import PlannedRun
from gptcore.backbones.checkpoints import known_config, weights_revision, weights_source
from gptcore.backbones.fingerprint import checkpoint_files, checkpoint_fingerprint
from gptcore.data.datasets import Dataset
from gptcore.engine.engine import Engine, probe_precision
from gptcore.engine.layout import Precision
from gptcore.errors import UserError, error_line
from gptcore.recipe import Recipe
from gptcore.result import Fit, OnEpoch
from gptcore.training.costs import estimate_flops
from gptcore.training.fit import fit
from gptcore.training.timing import Phases

LOSS_EVERY_STEPS = 10

log = logging.getLogger(__name__)


@dataclass
class Session:
    """What all runs of one process share: the data, the engine with its trunks, the device.

    checkpoints: model -> SHA-256 over its checkpoint's files, as the study was opened with them; baseline: of the
    study, as whose model reads the texts TF-IDF is also tried on them; jobs: sessions at a time on this machine;
    measures_serving: whether trained classifiers are timed; nproc: processes that compute a run together.
    """

    data: Dataset
    engine: Engine
    device: str
    verify: bool = False
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    baseline: Recipe | None = None
    jobs: int = 1
    measures_serving: bool = True
    nproc: int = 1
    loaded_bytes: int | None = field(
        default=None, init=False
    )  # of the process, with all but a model; once measured
    _split_seed: int | None = field(default=None, init=False, repr=False)  # of the last run

    def split(self, split_seed: int) -> Dataset:
        """The data as that seed splits them. Trunks that the split before had no use for are let go."""
        if split_seed != self._split_seed:
            self.engine.trunks.forget_unused()
            self._split_seed = split_seed
        return self.data.with_split(split_seed)


def open_session(
    data: Dataset,
    engine: Literal["fast", "plain"],
    precision: Literal["auto", "float32", "bfloat16"],
    device: str,
    verify: bool = False,
    checkpoints: Mapping[str, str] | None = None,
    baseline: Recipe | None = None,
    jobs: int = 1,
    measures_serving: bool = True,
    nproc: int = 1,
) -> Session:
    """A session with a new engine; the plain one is always float32, `auto` probes the machine once."""
    chosen: Precision = "float32"
    if engine == "fast" and precision != "float32":
        chosen = probe_precision(torch.device(device)) if precision == "auto" else "bfloat16"
    return Session(
        *(data, Engine(engine, chosen), device, verify, checkpoints or {}, baseline, jobs, measures_serving),
        nproc=nproc,
    )


def environment_of(session: Session) -> Environment:
    """Where the runs of a session run."""
    return describe_environment(
        *(_device_name(session.device), session.engine.precision, torch.get_num_threads()),
        jobs=session.jobs,
        nproc=session.nproc,
    )


def run_one(planned: PlannedRun, session: Session, on_epoch: OnEpoch | None = None) -> Record:
    """The record of one run: done, failed with the reason, or skipped where the plan says that it cannot be.

    Raises RefusedRunError where the user has to change something: that is not a result of the run.
    """
    phases = Phases(torch.device(session.device))
    data = session.split(planned.seeds.split)
    blocked = planned.state == "blocked"
    bare = record_without_outcome(
        planned,
        "skipped" if blocked else "failed",
        planned.reason,
        engine=session.engine.name,
        data=data,
        environment=environment_of(session),
    )
    if blocked:
        return bare
    try:
        with phases("fit"):
            result = fit(
                *(planned.recipe, data, planned.seeds, session.engine, session.device),
                on_epoch=on_epoch,
                verify=session.verify,
            )
        outcome = _outcome(result, data, session, _checkpoint(planned.recipe, session), phases)
    except UserError as error:
        raise RefusedRunError(str(error)) from error
    except Exception as error:  # whatever else went wrong in one run must not end the study
        log.exception("run %s failed", planned.run_id)
        said = f"{NO_MEMORY}: {error_line(error)}" if _lacks_memory(error) else error_line(error)
        return bare.model_copy(update={"reason": scrub(said)})
    return bare.model_copy(update={"status": "done", "reason": None} | outcome)


def _lacks_memory(error: Exception) -> bool:
    """Whether an allocation failed; torch has no type of its own for one on a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _checkpoint(recipe: Recipe, session: Session) -> str | None:
    """The digest of the checkpoint that a run has just read. Raises UserError if it is not the study's."""
    if recipe.backbone is None:
        return None
    found = checkpoint_fingerprint(recipe.backbone)
    if found != session.checkpoints.get(recipe.model, found):
        raise UserError(
            f"the checkpoint of {recipe.model} changed while the study ran: run the study again with another --out"
        )
    return found


def _outcome(
    result: Fit, data: Dataset, session: Session, checkpoint: str | None, phases: Phases
) -> dict[str, object]:
    """The fields of a record that only a finished run has. phases: since the run began, with `fit` as one."""
    checks = Checks(result, data, phases)
    found: dict[str, object] = {
        "padding": checks.paddings(session.engine),
        "cut_texts": checks.on_cut_texts(session.baseline),
        "notes": list(result.notes),
        "verified": result.agreement,
        "inputs": _input_facts(result),
        "weights": _weights_facts(result, checkpoint),
        "metrics": Metrics(
            train=split_metrics(result.train),
            validation=split_metrics(result.validation),
            test=split_metrics(result.test),
        ),
        "test": predictions_of(result.test, data.test.rows, data.test_groups),
        "curves": _curves(result),
        "parameters": Parameters(total=result.n_total, trained=result.n_trained),
    }
    marginal_s = sum(result.phases.values())
    cost = Cost(
        phases=_rounded(result.phases),
        marginal_s=round(marginal_s, 4),
        standalone_s=round(marginal_s + result.borrowed_s, 4),
        process_mem_bytes=result.process_mem_bytes,
        added_mem_bytes=result.added_mem_bytes,
        tokens_processed=result.positions_processed,
        flops=_conventional_flops(result, data),
        serving=checks.serving() if session.measures_serving else None,
    )
    taken = {name: seconds for name, seconds in phases.finish().items() if name != "fit"}
    return found | {"cost": cost.model_copy(update={"checks": _rounded(taken)})}


def _rounded(phases: Mapping[str, float]) -> dict[str, float]:
    return {name: round(seconds, 4) for name, seconds in phases.items()}


def _input_facts(result: Fit) -> InputFacts | None:
    if result.inputs is None:
        return None
    return InputFacts(
        tokenizer=result.inputs.tokenizer,
        tokenizer_fingerprint=result.inputs.tokenizer_fingerprint,
        tokens_per_row=result.inputs.tokens_per_row,
        longest_tokens=result.inputs.longest_tokens,
        n_truncated=result.inputs.n_truncated,
    )


def _weights_facts(result: Fit, checkpoint: str | None) -> WeightsFacts | None:
    if result.weights_source is None:
        return None
    model, pretrained = result.recipe.model, result.weights_source != "random"
    return WeightsFacts(
        source=weights_source(model) if pretrained else result.weights_source,
        fingerprint=result.weights_fingerprint,
        pretrained=pretrained,
        checkpoint=checkpoint,
        revision=weights_revision(model),
        files=None if checkpoint is None else checkpoint_files(model),
        rewrites=dict(result.rewrites) or None,
    )


def _curves(result: Fit) -> Curves:
    losses = [
        LossPoint(step=start + len(part), loss=round(float(np.mean(part)), 6))
        for start in range(0, len(result.losses), LOSS_EVERY_STEPS)
        if (part := result.losses[start : start + LOSS_EVERY_STEPS])
    ]
    epochs = [
        epoch.model_copy(
            update={"validation_loss": round(epoch.validation_loss, 6), "train_s": round(epoch.train_s, 4)}
        )
        for epoch in result.epochs
    ]
    return Curves(losses=losses, epochs=epochs, best_epoch=result.best_epoch)


def _conventional_flops(result: Fit, data: Dataset) -> float | None:
    """What the plain loop takes for this recipe, so that rows can be compared whatever the engine."""
    model = result.recipe.backbone
    config = None if model is None else known_config(model)
    # A block that is called again and again is not counted as often as it is.
    if config is None or result.inputs is None or not config.abilities.trunk:
        return None
    n_epochs = len(result.epochs)
    n_train = len(result.train.labels)
    n_evaluated = n_train + n_epochs * len(data.validation) + len(data.test)
    tokens = result.inputs.tokens_per_row or result.inputs.mean_tokens
    return estimate_flops(config, result.recipe, n_epochs * n_train, n_evaluated, tokens)


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device
