"""A study as its schedule wants it: the runs that come next, then those that follow from what they showed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from bench.evidence.results import Results, collect
from bench.records.record import Record, Status
from bench.records.store import load_records, save_study
from bench.records.study import Study
from bench.run.schedule import FixedSeeds, Schedule, UntilDecided
from bench.run.study_run import StudyRun
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun

Do = Callable[[Sequence[PlannedRun], Mapping[str, Record]], Mapping[str, Status]]


def schedule_of(
    study_run: StudyRun, plan: Sequence[PlannedRun], predictions: Mapping[str, Prediction]
) -> Schedule:
    """The schedule that the options ask for; plan: without runs that do not fit into memory."""
    if not study_run.until_decided:
        return FixedSeeds(plan)
    scheme = study_run.manifest.scheme or []
    return UntilDecided(plan, scheme, study_run.records, predictions, study_run.budget_s, study_run.jobs)


def follow(
    schedule: Schedule, study_run: StudyRun, do: Do, on_look: Callable[[], object]
) -> dict[str, Status]:
    """Do what the schedule asks for until it is finished; returns how these runs have ended, by run id.

    do: does some runs, given the records that are there; on_look: called when
    rows have reached a look, and others are still to. The manifest is written before runs that it does not have.
    """
    ended: dict[str, Status] = {}
    records: Mapping[str, Record] = study_run.records
    results = results_so_far(study_run, records)
    while runs := schedule.next(results):
        save_study(study_run.folder, manifest_so_far(study_run, records.values(), runs))
        ended |= do(runs, records)
        records = load_records(study_run.folder)
        before, results = results, results_so_far(study_run, records)
        if study_run.until_decided and _looks(results) > _looks(before):
            on_look()
    return ended


def _looks(results: Results) -> int:
    """How many looks the rows have reached."""
    scheme = results.study.scheme or []
    return sum(row.has_reached(look.seeds) for row in results.rows for look in scheme)


def results_so_far(study_run: StudyRun, records: Mapping[str, Record]) -> Results:
    """What a schedule decides from: the whole study, with all seeds that its rows may get."""
    study = study_run.study.model_copy(update={"scheme": study_run.manifest.scheme})
    return collect(study, list(records.values()))


def manifest_so_far(study_run: StudyRun, records: Iterable[Record], runs: Iterable[PlannedRun] = ()) -> Study:
    """The manifest; of a study that goes on until it is decided with the seeds that it has got to by now."""
    manifest = study_run.manifest
    if not study_run.until_decided or not manifest.scheme:
        if any(run.state == "todo" for run in study_run.plan):  # what ended before has been gone beyond
            return manifest.model_copy(update={"budget": None, "ended": None})
        return manifest
    recipes = {row.recipe.id for row in manifest.rows}
    indices = chain(
        (record.seed_index for record in records if record.recipe_id in recipes),
        (run.seed_index for run in runs),
    )
    n = max(manifest.scheme[0].seeds, *(index + 1 for index in indices), 0)
    reached = next((look.seeds for look in manifest.scheme if look.seeds >= n), n)
    how = {"seeds": manifest.seeds[:reached], "budget": study_run.budget, "ended": None}
    return manifest.model_copy(update=how)


def manifest_at_end(study_run: StudyRun, records: Mapping[str, Record], ended: str) -> Study:
    """The manifest with the reason why the schedule has nothing left to do.

    It follows from the records, so processes that share the work write the same, and so does a call that finds
    nothing to do. A call for some rows of a study speaks of these.
    """
    manifest = manifest_so_far(study_run, records.values())
    if not study_run.until_decided:
        return manifest
    rows = [row.name for row in study_run.study.rows]
    if len(rows) < len(manifest.rows):
        ended = f"of the last call's rows ({', '.join(rows)}): {ended}"
    return manifest.model_copy(update={"ended": ended})
