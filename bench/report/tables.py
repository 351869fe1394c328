"""The tables of a report, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from tabulate import tabulate

from bench.report.results import Results, RowResult
from bench.report.text import (
    MISSING,
    changes,
    count,
    escape,
    interval,
    join,
    memory,
    percent,
    seconds,
    sentence,
    superscript,
)
from bench.run.record import Record
from bench.study.manifest import Published


def titled(results: Results, title: str, headers: list[str], rows: list[list[str]], align: str) -> str:
    """A Markdown table under its heading, with the warning that stands over every table of untrained models.

    Cells must be escaped. `align` has one letter a column: r for figures, l for text.
    """
    sides = ["right" if letter == "r" else "left" for letter in align]
    table = tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=sides)
    return "\n\n".join(filter(None, [f"## {title}", untrained_note(results), table]))


def untrained_note(results: Results) -> str:
    """One line where figures are of models without their pretrained weights; empty otherwise."""
    if not results.untrained:
        return ""
    models = join(escape(name) for name in results.untrained)
    return f"*Figures of randomly initialised weights: there are no pretrained weights for {models} yet.*"


def facts_table(results: Results) -> str:
    """What was run on what."""
    return titled(results, "What was run on what", ["", ""], facts_rows(results), "ll")


def facts_rows(results: Results) -> list[list[str]]:
    """What was run on what: name and value, escaped."""
    study, data = results.study, results.study.dataset
    names = [escape(name) for name in data.label_names]
    shares = ", ".join(
        f"{name} {percent(n / sum(data.test_label_counts), 1)}%"
        for name, n in zip(names, data.test_label_counts, strict=True)
    )
    largest = names[data.test_label_counts.index(max(data.test_label_counts))]
    seeds = "; ".join(f"{i}: {s.init}/{s.order}/{s.split}" for i, s in enumerate(study.seeds))
    models = dict.fromkeys(result.row.recipe.model for result in results.finished)
    return [
        ["Study", f"{escape(study.name)} (matrix {escape(study.matrix)})"],
        ["Models", f"{escape(study.models)}: {join(escape(name) for name in models) or 'none has run yet'}"],
        ["Dataset", f"{escape(data.name)}, fingerprint {escape(data.fingerprint[:12])}"],
        ["Examples", f"{data.n_train:,} train, {data.n_validation:,} validation, {data.n_test:,} test"],
        ["Classes of the test split", shares],
        ["Majority-class accuracy", f"{percent(results.majority)}% (always answering {largest})"],
        ["Distinct texts in more than one split", f"{data.duplicates:,}"],
        ["Seeds (init/order/split)", seeds],
        ["Runs", run_counts(results)],
        *environment_rows(results.done),
    ]


def run_counts(results: Results) -> str:
    """How many runs are done, failed, skipped and without a record; rows of one recipe share their runs."""
    wanted = {
        (result.recipe_id, index)
        for result in results.rows
        if not result.row.excluded
        for index in range(len(results.study.seeds))
    }
    n = {
        status: sum(run.status == status for run in results.runs) for status in ("done", "failed", "skipped")
    }
    parts = [f"{n['done']} done, {n['failed']} failed, {n['skipped']} skipped"]
    if missing := len(wanted) - len(results.runs):
        parts.append(f"{missing} without a record")
    if excluded := sum(bool(result.row.excluded) for result in results.rows):
        parts.append(f"{excluded} {'row does' if excluded == 1 else 'rows do'} not apply to these models")
    if results.n_unused:
        parts.append(f"{results.n_unused} records of other data or seeds are not used")
    return "; ".join(parts)


def environment_rows(runs: list[Record]) -> list[list[str]]:
    """Engine and machine; every value that occurs, so that records of two machines do not look like one."""
    if not runs:
        return []
    places = [run.environment for run in runs]
    versions = [", ".join(f"{name} {v}" for name, v in sorted(place.versions.items())) for place in places]
    commits = [_commit(place.git_sha, place.git_dirty) for place in places]
    rows = [
        ["Engine", _values(run.engine for run in runs)],
        ["Device", _values(f"{place.device}, {place.dtype}" for place in places)],
        ["Processor", _values(f"{place.cpu}, {place.threads} threads" for place in places)],
        ["Memory", _values(memory(place.memory_bytes) for place in places)],
        ["System", _values(f"Python {place.python}, {place.platform}" for place in places)],
        ["Versions", _values(versions)],
        ["Commit", _values(commits)],
    ]
    conditions = {
        (run.engine, p.device, p.cpu, p.threads, p.dtype) for run, p in zip(runs, places, strict=True)
    }
    if len(conditions) > 1:
        rows.append(
            ["Note", "the runs were made under more than one of these conditions: times do not compare"]
        )
    return rows


def rows_table(results: Results) -> str:
    """The rows that ran: accuracy with its interval, every seed, cost, and the published figures."""
    finished = results.finished
    if not finished:
        return "## Results\n\nNo run has finished yet."
    marks = _marks(results)
    engine = join(sorted({run.engine for run in results.done}))
    headers = [
        *("Row", "Change", "Test accuracy, %", "95% interval", "Each seed", "Validation, %"),
        *(
            f"Training, s ({engine} engine)",
            "Run alone, s",
            *(["Run here, s"] if shares_work(results) else []),
        ),
        *("Parameters trained / all", "Peak memory"),
    ]
    published = any(result.published for result in finished)
    if published:
        headers += ["Published test, %", "Published, min (A100)"]
    rows = []
    for result in finished:
        trained, total = result.parameters or (None, None)
        cells = [
            escape(result.name) + marks.get(result.name, ""),
            change(results, result),
            percent(result.accuracy()),
            interval(result.interval),
            " · ".join(_seed_cell(run) for run in result.runs),
            percent(result.accuracy("validation")),
            seconds(mean(result.seconds("train"))),
            seconds(mean(result.seconds("alone"))),
            *([seconds(mean(result.seconds("here")))] if shares_work(results) else []),
            MISSING if total is None else f"{count(trained)} / {count(total)}",
            memory(result.peak_mem_bytes),
        ]
        rows.append(cells + (_figures(result.published) if published else []))
    return titled(results, "Results", headers, rows, "ll" + "r" * (len(headers) - 2))


def shares_work(results: Results) -> bool:
    """Whether any run cost less here than it would have on its own."""
    return any(run.cost.marginal_s != run.cost.standalone_s for run in results.done if run.cost)


def footnotes(results: Results) -> dict[str, str]:
    """Row name -> what a reader must know of it, escaped, in the order of the marks."""
    notes = {}
    for result in [*results.finished, *results.unfinished]:
        parts = [sentence(result.row.note)] if result.row.note else []
        first = results.first_with_recipe(result)
        if result.done and first is not result:
            parts.append(f"The same recipe as {escape(first.name)}, so the same runs: shown, not run again.")
        cut = max((run.inputs.n_truncated for run in result.done if run.inputs), default=0)
        if cut:
            parts.append(f"{cut:,} texts were cut to the context.")
        if parts:
            notes[result.name] = " ".join(parts)
    return notes


def unfinished_table(results: Results) -> str:
    """The rows without a finished run: why, and what was published for them; empty where all have run."""
    marks = _marks(results)
    rows = [
        [
            escape(result.name) + marks.get(result.name, ""),
            change(results, result),
            result.status,
            escape(result.reason),
            *_figures(result.claimed),
        ]
        for result in results.unfinished
    ]
    if not rows:
        return ""
    headers = ["Row", "Change", "Status", "Reason", "Published test, %", "Published, min (A100)"]
    return titled(results, "Rows without a finished run", headers, rows, "llllrr")


def failures_table(results: Results) -> str:
    """Every failed run with its reason; empty where none failed."""
    rows = [
        [escape(result.name), str(run.seed_index), escape(run.reason or "no reason was recorded")]
        for result in results.rows
        for run in result.runs
        if run is not None and run.status == "failed" and results.first_with_recipe(result) is result
    ]
    return titled(results, "Failed runs", ["Row", "Seed", "Reason"], rows, "lrl") if rows else ""


def change(results: Results, result: RowResult) -> str:
    """A row's difference from the row it is compared with, which is named where it is not the baseline."""
    if result.row.against is None:
        return "baseline" if result.name == results.study.baseline else MISSING
    text = escape(changes(result.row.changes)) or ("no-op" if result.row.no_op else "none")
    return text if result.row.against == results.study.baseline else f"{escape(result.row.against)}: {text}"


def mean(values: list[float]) -> float | None:
    """Arithmetic mean; None without values."""
    return fmean(values) if values else None


def _marks(results: Results) -> dict[str, str]:
    """Row name -> the mark of its footnote."""
    return {name: f" {superscript(i)}" for i, name in enumerate(footnotes(results), start=1)}


def _figures(published: Published | None) -> list[str]:
    """Published test accuracy and minutes."""
    if published is None:
        return [MISSING, MISSING]
    return [f"{published.test_acc:.2f}", f"{published.minutes_a100:.2f}"]


def _seed_cell(run: Record | None) -> str:
    if run is None:
        return MISSING
    return percent(run.metrics.test.accuracy) if run.status == "done" and run.metrics else run.status


def _values(values: Iterable[str]) -> str:
    return "; ".join(escape(value) for value in dict.fromkeys(values))


def _commit(sha: str | None, dirty: bool | None) -> str:
    if sha is None:
        return "unknown"
    return sha[:12] + (" with uncommitted changes" if dirty else "")
