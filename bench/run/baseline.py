"""The committed baseline of the regression gate: predictions of the `quick` study and ratios of times."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field, ValidationError

from bench.records.record import Environment
from bench.records.store import dump_json
from gptcore.errors import UserError, allowed
from gptcore.files import write_whole
from gptcore.recipe import Seeds
from gptcore.schema import Part


class BaselineRow(Part):
    """One row's test predictions, one list per seed."""

    recipe_id: str
    predicted: list[list[int]]


class Baseline(Part):
    """The baseline of the gate. Written by `regress --update`, never by hand."""

    schema_version: int = Field(default=1, ge=1, le=1)
    dataset_fingerprint: str
    seeds: list[Seeds]
    labels: list[int] = Field(description="of the test messages, in the split's order")
    rows: dict[str, BaselineRow]
    fast_over_plain: dict[str, float] = Field(
        description="case -> time of the fast engine / of the plain one"
    )
    environment: Environment
    created_at: str = Field(description="UTC, ISO 8601")


def load_baseline(path: Path) -> Baseline:
    """Read a baseline. Raises UserError that names the file and the remedy if it is not one."""
    remedy = f"make one with `python -m bench regress --baseline {path} --update`"
    try:
        return Baseline.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"--baseline {path} cannot be read ({error.strerror}): {remedy}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UserError(
            f"--baseline {path} is not a baseline ({field}: {allowed([first])}): {remedy}"
        ) from error
    except ValueError as error:
        raise UserError(f"--baseline {path} is damaged ({error}): {remedy}") from error


def save_baseline(path: Path, baseline: Baseline) -> None:
    """Write it, one line per list. Raises UserError if that fails."""
    text = dump_json(json.loads(baseline.model_dump_json())) + "\n"
    write_whole(path, text, "choose another path with --baseline")
