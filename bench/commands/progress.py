"""Terminal output about a study: its data, its plan and forecast, the checks of `doctor`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.evidence.cut import cut_of
from bench.evidence.design import design_of
from bench.evidence.metric import METRICS
from bench.evidence.results import planned_margin
from bench.records.facts import dataset_facts
from bench.records.study import Study
from bench.report.outlook import design_note
from bench.report.text import class_counts, file_size, sanitize
from bench.report.units import unit_of
from bench.run.auto_jobs import chosen
from bench.run.environment import differences
from bench.run.study_run import StudyRun
from bench.study.forecast import Prediction, refuse_too_large
from bench.study.plan import PlannedRun, downloads
from gptcore.backbones.checkpoints import download_bytes
from gptcore.result import CutTexts
from gptcore.wording import pluralise

if TYPE_CHECKING:
    from bench.run.doctor import Check
    from bench.run.executors.base import Executor
    from gptcore.data.datasets import Dataset

KEPT_BYTES = 10**8  # that are worth a word
QUIET_S = 20  # between two lines of progress in a file

console = Console(highlight=False)


def safe(text: object) -> str:
    """Untrusted text, made safe for the terminal: one line, no control sequences, no markup."""
    return escape(sanitize(text))


def show_messages(study_run: StudyRun) -> None:
    """The study in a few lines, and its warnings."""
    study, data = study_run.study, study_run.study.dataset
    for message in study_run.messages:
        console.print(safe(message))
    show_warnings(study_run.warnings)
    up_to, at_most = ("up to ", "at most ") if study_run.until_decided else ("", "")
    size = f"{pluralise(len(study.rows), 'row')} x {up_to}{pluralise(len(study.seeds), 'seed')}"
    console.print(
        f"study {safe(study.name)}: {size} on {safe(data.name)} "
        f"({data.n_train:,} / {data.n_validation:,} / {data.n_test:,} texts) -> {safe(study_run.folder)}"
    )
    show_classes(study_run.data)
    counts = Counter(run.state for run in study_run.plan)
    console.print(
        f"{at_most}{pluralise(counts['todo'], 'run')} to do, {counts['done']} done, {counts['blocked']} cannot run here"
    )
    if counts["failed"]:
        console.print(f"[red]{counts['failed']} failed before[/] (--retry-failed re-runs them)")


def show_result(text: str) -> None:
    """One line at the end of a study; nothing where there is nothing to say."""
    if text:
        console.print(safe(text))


def show_trials(study_run: StudyRun) -> None:
    """What will be tried before the first run, if anything; its time is not part of the forecast."""
    if not study_run.trials or study_run.tune is None:
        return
    rows = {row for trial in study_run.trials for row in trial.rows}
    console.print(
        f"choosing {safe(', '.join(study_run.tune.fields))} of {pluralise(len(rows), 'row')} on validation data first: "
        f"{pluralise(len(study_run.trials), 'trial')}, then the better half of each row's for twice as many epochs "
        "(--tune off leaves it out)"
    )


def show_design(study: Study) -> None:
    """The smallest differences that the study can be expected to detect, and the margin that follows."""
    design = design_of(study, METRICS[study.metric])
    if design.n_comparisons:
        if note := design_note(design, len(study.seeds)):
            console.print(safe(note))
        margin = unit_of(design.metric).margin(planned_margin(study, design.metric))
        console.print(f"no difference{unit_of(design.metric).by}: less than {margin} (--margin changes it)")


def show_data(data: Dataset) -> None:
    """How the data was read, warnings about it, and its classes."""
    for note in data.notes:
        console.print(safe(note))
    show_warnings(data.warnings)
    show_classes(data)


def show_warnings(warnings: Iterable[str]) -> None:
    """One line per warning."""
    for warning in warnings:
        console.print(f"[yellow]warning:[/] {safe(warning)}")


def show_classes(data: Dataset) -> None:
    """The classes with the number of texts of each in all three splits."""
    facts = dataset_facts(data)
    counts = class_counts(facts.label_names, facts.label_counts or ())
    console.print(f"{len(facts.label_names):,} classes: {safe(counts)}")


@contextmanager
def show_probes() -> Iterator[Callable[[int, int], None]]:
    """A status line while recipes are timed; call it with the number done and the total.

    Where the output is a file, a line now and then.
    """
    told = time.monotonic()
    with console.status("timing a few real steps") as status:

        def on_probe(done: int, n: int) -> None:
            nonlocal told
            line = f"timing a few real steps of recipe {done + 1} of {n}"
            status.update(line)
            if not console.is_terminal and time.monotonic() - told > QUIET_S:
                told = time.monotonic()
                console.print(f"  {line}")

        yield on_probe


@contextmanager
def show_timing() -> Iterator[Callable[[str, float], None]]:
    """A status line with the time left; call it with what is being timed and the share done, 0 to 1."""
    began = time.monotonic()
    with console.status("timing") as status:

        def on_timed(what: str, done: float) -> None:
            left = duration((time.monotonic() - began) / done * (1 - done)) if done else ""
            line = f"timing {safe(what)} ({done:.0%} done" + (f", about {left} left)" if left else ")")
            status.update(line)
            if not console.is_terminal:
                console.print(f"  {line}")

        yield on_timed


def choose_jobs(study_run: StudyRun) -> StudyRun:
    """The study with as many runs at a time as `--jobs auto` chooses. Shows why; other options stay as they are."""
    with show_probes() as on_probe:
        found = chosen(study_run, on_probe)
    if found is None:
        return study_run
    study_run, line = found
    console.print(safe(line))
    return study_run


def forecast(study_run: StudyRun, executor: Executor) -> tuple[list[PlannedRun], dict[str, Prediction]]:
    """The plan without runs that do not fit into memory, and a prediction per run id. Shows the total."""
    certain = study_run.certain_runs
    if all(run.state != "todo" for run in certain):
        show_cut_texts(study_run, {})
        return study_run.plan, {}
    predictions = dict(study_run.predictions)
    if not predictions:
        with show_probes() as on_probe:
            predictions = executor.forecast(certain, on_probe)
    plan = refuse_too_large(study_run.plan, predictions, study_run.free_bytes, study_run.sharing)
    if too_large := sum(run != before for run, before in zip(plan, study_run.plan, strict=True)):
        console.print(f"[yellow]not enough memory for {pluralise(too_large, 'run')}: skipped[/]")
    show_cut_texts(study_run, predictions)
    show_total(plan[: len(certain)], predictions, downloads(plan, download_bytes), study_run.jobs)
    return plan, predictions


def show_cut_texts(study_run: StudyRun, predictions: Mapping[str, Prediction]) -> None:
    """How many texts each model truncates, from the tokens of the forecast or of earlier runs."""
    most: dict[str, CutTexts] = {}
    for run in study_run.plan:
        prediction, record = predictions.get(run.run_id), study_run.records.get(run.run_id)
        cut = prediction.cut if prediction else cut_of(record) if record else None
        model = run.recipe.model
        if cut and cut.n_cut and (model not in most or cut.share > most[model].share):
            most[model] = cut
    by_cut: dict[CutTexts, list[str]] = {}
    for model, cut in most.items():
        by_cut.setdefault(cut, []).append(model)
    for cut, models in by_cut.items():
        line = f"{cut} and are truncated by {safe(', '.join(models))}"
        if cut.matters and any(run.recipe.backbone is None for run in study_run.plan):
            line += "; TF-IDF reads whole texts and is also evaluated on truncated ones"
        console.print(f"[yellow]warning:[/] {line}" if cut.matters else line)


def warn_of_mixture(study_run: StudyRun, executor: Executor) -> None:
    """Warn if finished runs of this study were made on another machine or in another precision."""
    if all(run.state != "todo" for run in study_run.plan):
        return
    pairs = [
        (record.environment, here)
        for record in study_run.records.values()
        if record.status == "done" and (here := executor.environment(record.recipe)) is not None
    ]
    if found := differences(pairs):
        console.print(
            f"[yellow]warning:[/] runs in {safe(study_run.folder)} were made under other conditions "
            f"({safe('; '.join(found))}): "
            "predictions may differ in a few texts and times are not comparable; use another --out to keep them apart"
        )


def show_checks(checks: Iterable[Check]) -> list[str]:
    """Print each check of `doctor` as it finishes; return the statuses."""
    colours = {"ok": "green", "note": "cyan", "warning": "yellow", "problem": "red"}
    statuses: list[str] = []
    for check in checks:
        statuses.append(check.status)
        line = f"[{colours[check.status]}]{check.status:<8}[/] {safe(check.name)}: {safe(check.finding)}"
        console.print(line, soft_wrap=True)
        if check.remedy and check.status not in ("ok", "note"):
            console.print(f"{'':8} -> {safe(check.remedy)}", soft_wrap=True)
    problems, warnings = statuses.count("problem"), statuses.count("warning")
    console.print(f"{pluralise(problems, 'problem')}, {pluralise(warnings, 'warning')}")
    return statuses


def show_total(
    plan: Sequence[PlannedRun],
    predictions: Mapping[str, Prediction],
    weights: Mapping[str, int | None],
    jobs: int = 1,
) -> None:
    """Total forecast of the runs that are to do: time with so many at a time, peak memory, downloads."""
    todo = [run for run in plan if run.state == "todo"]
    if not todo:
        return
    known = [found for run in todo if (found := predictions.get(run.run_id))]
    parts = []
    if known:
        seconds = [found.busy_s for found in known]
        memory = min(jobs, len(known)) * max(found.mem_bytes for found in known)
        at_a_time = f" ({jobs} runs at a time)" if jobs > 1 else ""
        total = duration(max(sum(seconds) / jobs, max(seconds)))
        kept = min(jobs, len(known)) * max(found.kept_bytes for found in known)
        kept_for = f" ({kept / 1e9:.1f} GB of it kept for later runs)" if kept >= KEPT_BYTES else ""
        parts.append(f"about {total}{at_a_time}, at most {memory / 1e9:.1f} GB of memory{kept_for}")
    if len(known) < len(todo):
        parts.append(pluralise(len(todo) - len(known), "run") + " of unknown time")
    size = sum(n_bytes or 0 for n_bytes in weights.values())
    unknown = [model for model, n_bytes in weights.items() if n_bytes is None]
    parts.append(f"{file_size(size)} to download" if size else "nothing to download")
    if unknown:
        parts[-1] = f"the weights of {', '.join(unknown)} to download" + (
            f" and {file_size(size)} more" if size else ""
        )
    console.print(f"forecast for {pluralise(len(todo), 'run')}: {safe(', '.join(parts))}")


def show_plan(plan: Sequence[PlannedRun], predictions: Mapping[str, Prediction]) -> None:
    """Every row with its state and forecast: time of its next run and of all its seeds, memory without other rows'."""
    table = Table(box=None, pad_edge=False)
    for column in ("row", "seeds", "first run", "all seeds", "memory", "state"):
        table.add_column(column, overflow="fold")
    by_rows: dict[tuple[str, ...], list[PlannedRun]] = {}
    for run in plan:
        by_rows.setdefault(run.rows, []).append(run)
    for rows, runs in by_rows.items():
        states = Counter(run.state for run in runs)
        state = ", ".join(f"{n} {name}" for name, n in states.items())
        reason = next((run.reason for run in runs if run.reason), None)
        forecast = [(run.state, found) for run in runs if (found := predictions.get(run.run_id))]
        needs = max((found.mem_bytes - found.kept_bytes for _, found in forecast), default=None)
        seconds = [found.busy_s for run_state, found in forecast if run_state == "todo"]
        table.add_row(
            safe(", ".join(rows)),
            str(len(runs)),
            duration(seconds[0]) if seconds else "",
            duration(sum(seconds)) if seconds else "",
            f"{needs / 1e9:.1f} GB" if needs else "",
            safe(state + (f": {reason}" if reason else "")),
        )
    console.print(table)


def duration(seconds: float) -> str:
    """Seconds in a readable unit: 0.4 s, 12 s, 4.5 min, 1.2 h."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
