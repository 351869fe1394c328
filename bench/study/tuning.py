"""Choosing a row's values on validation data: which trials there are, and what their records say. Pure.

Every row has the same grid of values, so the same number of trials. They go in rungs (successive halving, Jamieson
and Talwalkar 2016): all of a row's candidates train for a part of its epochs, the better half of them for twice as
many, and so on; the last ones train for all epochs. The validation part alone decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import mean
from typing import Any

from bench.records.record import Record, run_id
from bench.records.study import Row, Trial, TunedRow
from bench.study.matrix import Tune
from bench.study.plan import PlannedRun, in_order
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds

Score = Callable[[Record], float | None]  # of a trial on the texts that stand in for the test part

KEPT = 2  # one candidate in so many goes on to the next rung


@dataclass(frozen=True)
class Candidate:
    """A row with one choice of the values."""

    row: str
    values: tuple[tuple[str, Any], ...]
    recipe: Recipe


@dataclass(frozen=True)
class Tuning:
    """What is known of the tuning of a study's rows: runs that are still to do, or, if there are none, the choices.

    refused: row -> why none of its trials could be done at all: it does not apply to the model.
    """

    todo: tuple[PlannedRun, ...]
    rows: tuple[TunedRow, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


def seeds_of_trials(n: int, first: int) -> list[Seeds]:
    """Seeds that no run of the study has: they count down from below its first one."""
    return [Seeds(init=first - i, order=first - i, split=first - i) for i in range(1, n + 1)]


def grid_of(row: Row, tune: Tune) -> dict[str, list[Any]]:
    """The values of those fields that matter to the row; none for a row that cannot run on this model."""
    return {} if row.excluded else {f: v for f, v in tune.fields.items() if f in row.recipe.relevant}


def candidates(row: Row, tune: Tune) -> list[Candidate]:
    """Every combination of the values of those fields that matter to the row; none where no field does."""
    if not (grid := grid_of(row, tune)):
        return []
    found = []
    for values in product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        recipe = Recipe.model_validate(row.recipe.model_dump() | chosen)
        found.append(Candidate(row.name, tuple(chosen.items()), recipe))
    return found


def rungs(n_candidates: int, epochs: int) -> list[tuple[int, int]]:
    """(how many candidates train, for how many epochs), rung by rung; the last one trains for all epochs."""
    n_rungs = max(1, math.ceil(math.log(n_candidates, KEPT)))
    found = [
        (math.ceil(n_candidates / KEPT**i), max(1, math.ceil(epochs / KEPT ** (n_rungs - 1 - i))))
        for i in range(n_rungs)
    ]
    # Of rungs that train for as long, the first one decides: it has all their candidates.
    return list({epochs: (n, epochs) for n, epochs in reversed(found)}.values())[::-1]


def tuning(
    rows: Iterable[Row],
    tune: Tune,
    seeds: Sequence[Seeds],
    records: Mapping[str, Record],
    score: Score | None = None,
    refused: Mapping[str, str] | None = None,
) -> Tuning:
    """How far the tuning of the rows has come; trials are in the order of a plan's runs, as they share trunks.

    records: of the trials, by run id; refused: why a trial was, by run id;
    score: what decides, the higher the better; None: accuracy. Raises UserError where every trial of a row has failed.
    """
    refused = refused or {}
    todo: dict[str, PlannedRun] = {}
    chosen: list[TunedRow] = []
    cannot: dict[str, str] = {}
    seconds = {name: record.spent_s for name, record in records.items()}  # that no trial has counted
    for row in rows:
        left = candidates(row, tune)
        trials: list[Trial] = []
        pending: list[PlannedRun] = []
        for n, epochs in rungs(len(left), row.recipe.epochs) if left else ():
            left = left[:n]
            shortened = [_of_rung(candidate, epochs) for candidate in left]
            pending = [
                run
                for recipe in shortened
                for run in _runs(row.name, recipe, seeds)
                if run.run_id not in records and run.run_id not in refused
            ]
            if pending:
                break
            of_rung = [
                _trial(c, r, epochs, seeds, records, score, seconds)
                for c, r in zip(left, shortened, strict=True)
            ]
            trials += of_rung
            ranked = sorted(range(len(left)), key=lambda i: _rank(of_rung[i]))
            left = [left[i] for i in ranked if of_rung[i].accuracy is not None]
            if not left and (why := _refusal(shortened, seeds, refused)) is not None:
                cannot[row.name] = why
                break
            if not left:
                raise UserError(
                    f"row {row.name!r}: every trial failed: {_reason(shortened, seeds, records)} "
                    "(to try again: run --retry-failed, or remove tuning/ from the study's folder)"
                )
        todo |= {run.run_id: run for run in pending}
        if not pending and left:
            chosen.append(
                TunedRow(
                    row=row.name,
                    recipe_id=row.recipe.id,
                    grid=grid_of(row, tune),
                    values=dict(left[0].values),
                    trials=trials,
                )
            )
    return Tuning(tuple(in_order(todo.values(), lambda run: run.recipe)), tuple(chosen), cannot)


def _of_rung(candidate: Candidate, epochs: int) -> Recipe:
    return candidate.recipe.model_copy(update={"epochs": epochs})


def _runs(row: str, recipe: Recipe, seeds: Sequence[Seeds]) -> list[PlannedRun]:
    return [PlannedRun((row,), recipe, i, each, "todo") for i, each in enumerate(seeds)]


def _trial(
    candidate: Candidate,
    recipe: Recipe,
    epochs: int,
    seeds: Sequence[Seeds],
    records: Mapping[str, Record],
    score: Score | None,
    seconds: dict[str, float],
) -> Trial:
    found = [record for i in range(len(seeds)) if (record := records.get(run_id(recipe, i))) is not None]
    took_s = round(sum(seconds.pop(record.run_id, 0.0) for record in found), 4)
    validation = [record.metrics.validation for record in found if record.metrics is not None]
    scores = [] if score is None else [value for record in found if (value := score(record)) is not None]
    if len(validation) < len(seeds) or (score is not None and len(scores) < len(seeds)):
        return Trial(values=dict(candidate.values), epochs=epochs, seconds=took_s)
    losses = [part.log_loss for part in validation if part.log_loss is not None]
    return Trial(
        values=dict(candidate.values),
        epochs=epochs,
        accuracy=mean(part.accuracy for part in validation),
        log_loss=mean(losses) if len(losses) == len(validation) else None,
        score=mean(scores) if scores else None,
        seconds=took_s,
    )


def _rank(trial: Trial) -> tuple[float, float]:
    """Sort key: the highest score (accuracy, unless another was asked for) first, the lower loss in a tie."""
    score = trial.accuracy if trial.score is None else trial.score
    return math.inf if score is None else -score, math.inf if trial.log_loss is None else trial.log_loss


def _reason(recipes: Iterable[Recipe], seeds: Sequence[Seeds], records: Mapping[str, Record]) -> str:
    found = (records.get(run_id(recipe, i)) for recipe in recipes for i in range(len(seeds)))
    return next((record.reason for record in found if record and record.reason), "it was skipped")


def _refusal(recipes: Iterable[Recipe], seeds: Sequence[Seeds], refused: Mapping[str, str]) -> str | None:
    """Why the trials were refused, where every one of them was."""
    reasons = [refused.get(run_id(recipe, i)) for recipe in recipes for i in range(len(seeds))]
    return None if None in reasons else reasons[0]
