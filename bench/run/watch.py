"""The state of a study, running or finished, read from its folder alone. Writes nothing; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean

from bench.evidence.metric import METRICS, run_score
from bench.evidence.results import belongs
from bench.records.events import Ended, EpochEnded
from bench.records.recommendation import SEARCH, TEST, load_state
from bench.records.record import Status, run_id
from bench.records.store import MANIFEST, RESULTS, load_run, load_study
from bench.records.stored import RUNS, StoredRun, stored_run, stored_runs
from bench.records.study import Study
from bench.run.executors.slurm import FOLDER as SLURM
from bench.run.heard import Heard, Workers
from bench.run.snapshot import Current, Planned, RowState, SearchState, Snapshot, Trials, Worker
from bench.run.tune import FOLDER as TUNING
from gptcore.errors import UserError
from gptcore.locks import held, is_held

_Named = Callable[[str], Planned | None]  # run id -> what the run is called; None where it is not shown


@dataclass(frozen=True)
class Summary:
    """What is kept of a record: many thousands of them fit into memory."""

    recipe_id: str
    status: Status
    reason: str | None
    score: float | None  # by the study's metric, on the run's own test part
    seconds: float | None


class Watcher:
    """Looks at a study's folder again and again; a record is read again only where its file has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._study: Study | None = None
        self._known: dict[str, tuple[tuple[Path, int, int], Summary | str | None]] = {}
        self._workers: dict[Path, Workers] = {}

    def look(self, now: datetime) -> Snapshot:
        """The study as it is now. Raises UserError where the folder holds none."""
        study = load_study(self.folder)
        if study != self._study:  # which records belong to it may have changed
            self._known.clear()
            self._study = study
        planned = _planned(study)
        records, damaged = self._records(study)
        records = {name: found for name, found in records.items() if name in planned}
        search = self._search()
        current: list[Current] = []
        for folder, named in self._parts(planned, is_search=search is not None):
            workers = self._workers.setdefault(folder, Workers(folder))
            workers.listen()
            current += _current(folder, workers.heard, named, now)
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
            workers=tuple(self._seen(current, now)),
            eta_s=None
            if search
            else _eta_s(left, records.values(), [run for run in current if run.is_alive]),
            damaged=tuple(damaged),
            n_unknown=sum(workers.n_unknown for workers in self._workers.values()),
            search=search,
            may_be_queued=any((self.folder / SLURM).glob("*.pkl")),
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

    def _search(self) -> SearchState | None:
        """How far the recommendation is whose runs lie here; None where they are of a study by itself."""
        state = load_state(self.folder.parent) if self.folder.name == SEARCH else None
        if state is None:
            return None
        return SearchState(sum(1 for _ in stored_runs(self.folder / TUNING)), state)

    def _parts(self, planned: dict[str, Planned], *, is_search: bool) -> Iterator[tuple[Path, _Named]]:
        """Each folder in which runs of the study are done, and what a run in it is called."""
        if not is_search:
            yield self.folder, planned.get
            return
        yield self.folder, lambda name: planned.get(name) or _other("learning curve", name)
        yield self.folder / TUNING, lambda name: _other("trial", name)
        yield self.folder.parent / TEST, lambda name: _other("test", name)

    def _seen(self, current: list[Current], now: datetime) -> Iterator[Worker]:
        """The workers, each with all that it did in any of the folders."""
        of_worker: dict[str, list[Heard]] = {}
        for workers in self._workers.values():
            for name, heard in workers.heard.items():
                of_worker.setdefault(name, []).append(heard)
        for name, found in of_worker.items():
            ended = [heard.last_ended for heard in found if heard.last_ended]
            span_s = _since(min(heard.first for heard in found), max(ended, default=now))
            is_alive = any(run.worker == name and run.is_alive for run in current)
            yield Worker(name, sum(heard.n_ended for heard in found), span_s, is_alive)


def _current(folder: Path, workers: dict[str, Heard], named: _Named, now: datetime) -> list[Current]:
    """Runs of a folder that were begun and not left, then those that only a lock shows."""
    found: dict[str, Current] = {}
    for worker, heard in workers.items():
        name = heard.last.run_id
        run = None if isinstance(heard.last, Ended) else named(name)
        if run is None:
            continue
        is_there = is_held(folder, name)
        if not is_there and stored_run(folder, name):  # its worker was killed, and another did the run again
            continue
        begun = _open_run(run, worker, heard, is_there, now)
        if name not in found or begun.silent_s < found[name].silent_s:
            found[name] = begun
    for name in held(folder):
        if name not in found and (run := named(name)) is not None:
            found[name] = Current(run, None, True)
    return list(found.values())


def _other(what: str, name: str) -> Planned | None:
    """A run of a recommendation that its manifest does not have; None of a lock that is not a run's."""
    recipe_id, _, seed = name.rpartition("-s")
    return Planned(recipe_id, (f"{what}: {recipe_id}",), int(seed)) if seed.isdecimal() else None


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


def _open_run(planned: Planned, worker: str, heard: Heard, held: bool | None, now: datetime) -> Current:
    """The run that a worker is at by its events."""
    last = heard.last
    return Current(
        *(planned, worker, held),
        running_s=_since(heard.began, now),
        silent_s=_since(last.at, now),
        epoch=last.epoch if isinstance(last, EpochEnded) else None,
        validation_accuracy=last.validation_accuracy if isinstance(last, EpochEnded) else None,
    )


def _read(run: StoredRun, study: Study) -> Summary | str | None:
    """A record's summary; None where it is of other data, seeds or checkpoints; the error where it is damaged."""
    try:
        record = load_run(run)
    except UserError as error:
        return str(error)
    if not belongs(record, study):
        return None
    return Summary(
        *(record.recipe_id, record.status, record.reason, run_score(record, METRICS[study.metric])),
        record.cost.marginal_s if record.cost else None,
    )


def _rows(study: Study, records: Iterable[Summary]) -> tuple[RowState, ...]:
    """Rows with a finished run, best first."""
    scores: dict[str, list[float]] = {}
    for record in records:
        if record.score is not None:
            scores.setdefault(record.recipe_id, []).append(record.score)
    rows = [
        RowState(row.name, len(found), fmean(found))
        for row in study.rows
        if not row.excluded and (found := scores.get(row.recipe.id))
    ]
    return tuple(sorted(rows, key=lambda row: -row.score))


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
