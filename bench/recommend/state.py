"""recommend.json: what a later call on the same folder must know, and the clock of all calls together."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.evidence.metric import METRICS
from gptcore.errors import UserError, first_problem
from gptcore.files import write_whole
from gptcore.metric_names import MetricName
from gptcore.paths import path_kind

FILE = "recommend.json"
FORMAT = 1


class State(BaseModel):
    """What is fixed before the first run, and what has been spent.

    fingerprint: of the data, with its limit; margin: of scores; metric: that decides; n_values: tried for each tuned
    row, 0 until the first plan; forecast: row -> seconds of a whole run; mem_bytes: row -> memory that its process
    needs; spent_s: of all calls.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = FORMAT
    data: str
    fingerprint: str
    models: str
    margin: float = Field(gt=0, le=50)
    metric: MetricName = "accuracy"
    n_values: int = Field(default=0, ge=0)
    forecast: dict[str, float] = {}
    mem_bytes: dict[str, int] = {}
    spent_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)


def load_state(folder: Path) -> State | None:
    """The state in a folder, None where there is none. Raises UserError for a damaged one."""
    path = folder / FILE
    if path_kind(path) is None:
        return None
    remedy = "remove the folder, or choose another with --out"
    try:
        return State.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error, State)}: {remedy}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): {remedy}") from error


def save_state(folder: Path, state: State) -> None:
    """Write it. Raises UserError where that cannot be done."""
    write_whole(folder / FILE, state.model_dump_json(indent=1) + "\n")


def continued(folder: Path, there: State | None, state: State, margin: float | None) -> State:
    """The state `there` in the folder, if any, else the new one. Raises UserError where it is of something else.

    margin: of scores, None where any will do.
    """
    if there is None:
        return state
    what = None
    if there.fingerprint != state.fingerprint:
        what = f"a recommendation for other data ({there.data})"
    elif there.models != state.models:
        what = f"a recommendation on --models {there.models}"
    elif there.metric != state.metric:
        what = f"a recommendation by --metric {there.metric}, which is fixed before the first run"
    elif margin is not None and there.margin != margin:
        shown = METRICS[there.metric].shown(there.margin)
        what = f"a recommendation with --margin {shown:g}, which is fixed before the first run"
    if what is not None:
        raise UserError(f"{folder} holds {what}: choose another folder with --out")
    return there


class Clock:
    """Seconds of the budget that all calls on a folder have spent. now: seconds of a steady clock."""

    def __init__(self, budget_s: float, spent_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.budget_s, self._before, self._now = budget_s, spent_s, now
        self._began = now()

    @property
    def spent_s(self) -> float:
        """Of this call and those before it."""
        return self._before + self._now() - self._began

    @property
    def left_s(self) -> float:
        """Of the budget; below zero where it is overdrawn."""
        return self.budget_s - self.spent_s
