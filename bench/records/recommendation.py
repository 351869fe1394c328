"""recommend.json: what a recommendation's folder says beside its records. They lie in `search/` and `test/`."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gptcore.errors import UserError, first_problem
from gptcore.files import write_whole
from gptcore.metric_names import MetricName
from gptcore.paths import path_kind

FILE = "recommend.json"
SEARCH, TEST = "search", "test"  # folders: of all runs without the test part, and of those with it
FORMAT = 1


class LastCall(BaseModel):
    """How the last call of `recommend` ended.

    ended: why, in a few words; left_out: rows that did not run, and why; file: as in the command, and reading: its
    options that say how the file is read.
    """

    model_config = ConfigDict(extra="forbid")

    budget_s: float = Field(gt=0, allow_inf_nan=False)
    ended: str
    left_out: dict[str, str] = {}
    file: str
    reading: list[str] = []


class State(BaseModel):
    """What is fixed before the first run, what has been spent, and how the last call ended.

    fingerprint: of the data, with its limit; margin: of scores; metric: that decides; n_values: tried for each tuned
    row, 0 until the first plan; forecast: row -> seconds of a whole run; mem_bytes: row -> memory that its process
    needs; spent_s: of all calls; last_call: None while one is at work, where one was killed, and in older files.
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
    last_call: LastCall | None = None


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
