"""The state of a study, running or finished, read from its folder alone. Writes nothing; imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean

from bench.evidence.results import belongs
from bench.records.events import Ended, EpochEnded, Event, Started, read_events
from bench.records.record import Status, run_id
from bench.records.store import MANIFEST, RESULTS, load_run, load_study
from bench.records.stored import RUNS, StoredRun, stored_runs
from bench.records.study import Study
from bench.run.snapshot import Current, Planned, RowState, Snapshot, Trials, Worker
from bench.run.tune import FOLDER as TUNING
from gptcore.errors import UserError
from gptcore.locks import held, is_held


@dataclass(frozen=True)
class Summary:
    """What is kept of a record: many thousands of them fit into memory."""

    recipe_id: str
    status: Status
    reason: str | None
    accuracy: float | None  # of the test part, 0 to 1
    seconds: float | None


class Watcher:
    """Looks at a study's folder again and again; a record is read again only where its file has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._study: Study | None = None
        self._known: dict[str, tuple[tuple[Path, int, int], Summary | str | None]] = {}

    def look(self, now: datetime) -> Snapshot:
        """The study as it is now. Raises UserError where the folder holds none."""
        study = load_study(self.folder)
        if study != self._study:  # which records belong to it may have changed
            self._known.clear()
            self._study = study
        planned = _planned(study)
        records, damaged = self._records(study)
        records = {name: found for name, found in records.items() if name in planned}
        events, n_unknown = read_events(self.folder)
        current = self._current(events, planned, records, now)
        counts: dict[Status, int] = {"done": 0, "failed": 0, "skipped": 0}
        for found in records.values():
            counts[found.status] += 1
        left = [run for name, run in planned.items() if name not in records]
        return Snapshot(
            study=study,
            n_runs=len(planned),
            counts=counts,
            failed=tuple(
                (planned[name].name, found.reason or "")
                for name, found in records.items()
                if found.status == "failed"
            ),
            rows=_rows(study, records.values()),
            current=tuple(current),
            workers=tuple(_worker(name, of_it, current, now) for name, of_it in events.items() if of_it),
            eta_s=_eta_s(left, records.values(), [run for run in current if run.is_alive]),
            damaged=tuple(damaged),
            n_unknown=n_unknown,
        )

    def _records(self, study: Study) -> tuple[dict[str, Summary], list[str]]:
        """Run id -> what its record says, and an error for each file that is not a record."""
        found: dict[str, Summary] = {}
        damaged = []
        for run in stored_runs(self.folder):
            try:
                stat = run.path.stat()
            except FileNotFoundError:  # just replaced
                continue
            stamp = (run.path, stat.st_mtime_ns, stat.st_size)
            known = self._known.get(run.run_id)
            if known is None or known[0] != stamp:
                self._known[run.run_id] = known = (stamp, _read(run, study))
            if isinstance(known[1], str):
                damaged.append(known[1])
            elif known[1] is not None:
                found[run.run_id] = known[1]
        return found, damaged

    def _current(
        self,
        events: dict[str, list[Event]],
        planned: dict[str, Planned],
        records: dict[str, Summary],
        now: datetime,
    ) -> list[Current]:
        """Runs that were begun and not left, then those that only a lock shows."""
        found: dict[str, Current] = {}
        for worker, of_it in events.items():
            name = of_it[-1].run_id if of_it else ""
            if name not in planned or isinstance(of_it[-1], Ended):
                continue
            is_there = is_held(self.folder, name)
            if name in records and not is_there:  # its worker was killed, and another did the run again
                continue
            run = _open_run(planned[name], worker, of_it, is_there, now)
            if name not in found or run.silent_s < found[name].silent_s:
                found[name] = run
        for name in held(self.folder):
            if name in planned and name not in found:
                found[name] = Current(planned[name], None, True)
        return list(found.values())


def _planned(study: Study) -> dict[str, Planned]:
    """Run id -> run, for every run of the manifest."""
    rows: dict[str, list[str]] = {}
    recipes = {row.recipe.id: row.recipe for row in study.rows if not row.excluded}
    for row in study.rows:
        if not row.excluded:
            rows.setdefault(row.recipe.id, []).append(row.name)
    return {
        run_id(recipes[name], seed): Planned(name, tuple(names), seed)
        for name, names in rows.items()
        for seed in range(len(study.seeds))
    }


def _open_run(
    planned: Planned, worker: str, events: list[Event], held: bool | None, now: datetime
) -> Current:
    """The run that a worker is at by its events."""
    last = events[-1]
    began = next((event.at for event in reversed(events) if isinstance(event, Started)), last.at)
    return Current(
        *(planned, worker, held),
        running_s=_since(began, now),
        silent_s=_since(last.at, now),
        epoch=last.epoch if isinstance(last, EpochEnded) else None,
        validation_accuracy=last.validation_accuracy if isinstance(last, EpochEnded) else None,
    )


def _worker(name: str, events: list[Event], current: Iterable[Current], now: datetime) -> Worker:
    ended = [event for event in events if isinstance(event, Ended) and event.status in ("done", "failed")]
    last = ended[-1].at if ended else now
    is_alive = any(run.worker == name and run.is_alive for run in current)
    return Worker(name, len(ended), _since(events[0].at, last), is_alive)


def _read(run: StoredRun, study: Study) -> Summary | str | None:
    """A record's summary; None where it is of other data, seeds or checkpoints; the error where it is damaged."""
    try:
        record = load_run(run)
    except UserError as error:
        return str(error)
    if not belongs(record, study):
        return None
    return Summary(
        record.recipe_id,
        record.status,
        record.reason,
        record.metrics.test.accuracy if record.metrics else None,
        record.cost.marginal_s if record.cost else None,
    )


def _rows(study: Study, records: Iterable[Summary]) -> tuple[RowState, ...]:
    """Rows with a finished run, best first."""
    accuracies: dict[str, list[float]] = {}
    for record in records:
        if record.accuracy is not None:
            accuracies.setdefault(record.recipe_id, []).append(record.accuracy)
    rows = [
        RowState(row.name, len(found), fmean(found))
        for row in study.rows
        if not row.excluded and (found := accuracies.get(row.recipe.id))
    ]
    return tuple(sorted(rows, key=lambda row: -row.accuracy))


def _eta_s(left: list[Planned], records: Iterable[Summary], alive: list[Current]) -> float | None:
    """Time left: a recipe takes as long as its finished seeds, one not seen yet the mean of all; workers share it."""
    times: dict[str, list[float]] = {}
    for record in records:
        if record.seconds is not None:
            times.setdefault(record.recipe_id, []).append(record.seconds)
    if not times or not alive:
        return None
    means = {recipe: fmean(found) for recipe, found in times.items()}
    mean = fmean(means.values())
    total = sum(means.get(run.recipe_id, mean) for run in left)
    begun = sum(run.running_s for run in alive)
    return max(0.0, (total - begun) / len(alive))


def _since(then: datetime, now: datetime) -> float:
    """Seconds, never negative: clocks of machines differ."""
    return max(0.0, (now - then).total_seconds())


def trials_of(folder: Path) -> Trials | None:
    """The trials of a study that has no manifest yet; None where it has one, or no trials."""
    where = folder / TUNING
    if (folder / MANIFEST).exists() or not where.is_dir():
        return None
    return Trials(folder.name, sum(1 for _ in stored_runs(where)), tuple(held(where)))


def study_folder(asked: Path | None) -> Path:
    """The folder of a study by its path or its name in results/; None: the one that changed last.

    Of a folder with several studies (`run --data a,b`) it is the one that changed last. Raises UserError.
    """
    if asked is None:
        if not (found := _studies(RESULTS, "*", "*/*")):
            raise UserError(
                f"no study in {RESULTS}: name a study folder, or start one with `python -m bench run`"
            )
        return max(found, key=_changed)
    is_name = not asked.is_dir() and (len(asked.parts) == 1 or (RESULTS / asked).is_dir())
    folder = RESULTS / asked if is_name else asked
    return folder if _is_study(folder) else max(_studies(folder, "*"), key=_changed, default=folder)


def _is_study(folder: Path) -> bool:
    """Whether a study has begun here, be it with its trials."""
    return (folder / MANIFEST).exists() or (folder / TUNING).is_dir()


def _studies(folder: Path, *below: str) -> list[Path]:
    return [path for pattern in below for path in sorted(folder.glob(pattern)) if _is_study(path)]


def _changed(folder: Path) -> float:
    """When its manifest, records, trials or events changed last."""
    parts = [folder / MANIFEST]
    for where in (folder, folder / TUNING):
        parts += [where / RUNS, *(where / "events").glob("*.jsonl")]
    return max((path.stat().st_mtime for path in parts if path.exists()), default=0.0)
