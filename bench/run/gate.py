"""The regression gate: run the `quick` study and time small fits, then let `bench.evidence.regress` judge.

Loads torch through the runner.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.evidence.regress import (
    BASE_MARGIN,
    FILE_MARGIN,
    Check,
    Rounds,
    judge_accuracy,
    judge_speed,
    median_ratio,
)
from bench.records.record import Record
from bench.records.study import Study
from bench.run.baseline import Baseline, BaselineRow
from bench.run.options import RunOptions
from bench.run.runner import open_session, run_one
from bench.run.study_run import StudyRun, open_study
from bench.run.timing import checked_out, time_code
from gptcore.errors import UserError

N_SEEDS = 2
Say = Callable[[str], None]


def measure_baseline(n_rounds: int, say: Say) -> Baseline:
    """The baseline of this code on this machine."""
    study, records = run_quick(say)
    plain, _ = time_code(n_rounds, None, say)
    return make_baseline(study, records, plain)


def make_baseline(study: Study, records: Sequence[Record], plain: Sequence[Rounds]) -> Baseline:
    """Build a baseline. Raises UserError if a row did not finish with every seed."""
    rows = predictions(study, records)
    if missing := [row.name for row in study.rows if row.name not in rows]:
        raise UserError(
            f"no baseline: {', '.join(missing)} did not finish; run `python -m bench run` to see why"
        )
    done = next(record for record in records if record.test)
    assert done.test is not None
    return Baseline(
        dataset_fingerprint=study.dataset.fingerprint,
        seeds=study.seeds,
        labels=done.test.labels,
        rows=rows,
        fast_over_plain={rounds.name: round(median_ratio(rounds), 4) for rounds in plain},
        environment=done.environment,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def run_gate(baseline: Baseline, base: str | None, n_rounds: int, say: Say) -> tuple[list[Check], list[str]]:
    """All checks, and notes for the reader. base: a commit to compare the speed with, in addition to the baseline."""
    with checked_out(base) if base else nullcontext() as tree:  # fails at once if the commit does not exist
        study, records = run_quick(say, lambda study: check_comparable(baseline, study))
        checks, notes = check_accuracy(baseline, study, records)
        plain, other = time_code(n_rounds, tree, say)
    checks += check_ratios(baseline, plain)
    checks += [judge_speed(rounds, f"commit {base}", BASE_MARGIN) for rounds in other]
    return checks, notes


def check_comparable(baseline: Baseline, study: Study) -> None:
    """Raises UserError where the baseline is about other data, seeds or recipes than the study."""
    if baseline.dataset_fingerprint != study.dataset.fingerprint or baseline.seeds != study.seeds:
        raise UserError("the baseline has other data or seeds: renew it with --update")
    today = {row.name: row.recipe.id for row in study.rows}
    changed = [name for name, row in baseline.rows.items() if today.get(name) != row.recipe_id]
    if changed:
        raise UserError(
            f"the recipe of {', '.join(changed)} differs from the baseline's: renew it with --update"
        )


def check_accuracy(
    baseline: Baseline, study: Study, records: Sequence[Record]
) -> tuple[list[Check], list[str]]:
    """The rows of the baseline against those of today. Raises UserError where they cannot be compared."""
    check_comparable(baseline, study)
    now = predictions(study, records)
    checks = judge_accuracy(
        np.array(baseline.labels),
        {name: np.array(row.predicted) for name, row in baseline.rows.items()},
        {name: np.array(row.predicted) for name, row in now.items()},
    )
    new = [row.name for row in study.rows if row.name not in baseline.rows]
    return checks, [
        f"Not judged, because the baseline does not have them: {', '.join(new)} (--update adds them)."
    ] if new else []


def check_ratios(baseline: Baseline, plain: Sequence[Rounds]) -> list[Check]:
    """Fast over plain, today against the baseline's file."""
    return [
        judge_speed(rounds, "the plain engine", FILE_MARGIN, baseline.fast_over_plain[rounds.name])
        for rounds in plain
        if rounds.name in baseline.fast_over_plain
    ]


def predictions(study: Study, records: Sequence[Record]) -> dict[str, BaselineRow]:
    """Row -> its test predictions, for the rows that finished every seed."""
    done = {(r.recipe_id, r.seed_index): r.test for r in records if r.status == "done" and r.test}
    rows = {}
    for row in study.rows:
        found = [done.get((row.recipe.id, seed)) for seed in range(len(study.seeds))]
        predicted = [part.predicted for part in found if part is not None]
        if len(predicted) == len(study.seeds):
            rows[row.name] = BaselineRow(recipe_id=row.recipe.id, predicted=predicted)
    return rows


def run_quick(say: Say, check: Callable[[Study], None] = lambda _: None) -> tuple[Study, list[Record]]:
    """The `quick` study on the smallest bundled model, fast engine, float32, in a temporary folder.

    check: is called with the study before its first run.
    """
    with tempfile.TemporaryDirectory(prefix="bench-gate-") as folder:
        study_run = _open_quick(Path(folder))
        check(study_run.study)
        session = open_session(study_run.data, "fast", "float32", "cpu")
        records = []
        for planned in study_run.plan:
            say(f"{', '.join(planned.rows)} seed {planned.seed_index}")
            records.append(run_one(planned, session))
    return study_run.study, records


def _open_quick(folder: Path) -> StudyRun:
    # One split, so that every seed predicts the same messages.
    return open_study(
        RunOptions(
            matrix="quick",
            models="bundled",
            seeds=N_SEEDS,
            vary=["init,order"],
            device="cpu",
            out=folder,
        )
    )
