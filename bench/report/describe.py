"""Facts about a study in words and figures, as plain text: callers escape it."""

from __future__ import annotations

from collections.abc import Iterable

from bench.evidence.results import Results, RowResult
from bench.records.dataset import DatasetFacts
from bench.records.record import Record
from bench.report.text import (
    MISSING,
    as_sentence,
    changes,
    class_counts,
    class_name,
    join,
    memory,
    percent,
    sanitize,
)
from bench.report.values import tuning_fact
from gptcore.data.checks import leak_warning
from gptcore.result import PaddingCheck

_MOST_CLASSES = 20  # of which the facts name each


def study_facts(results: Results) -> list[tuple[str, str]]:
    """The study's setup: names and values."""
    study, data = results.study, results.study.dataset
    shares = ", ".join(
        f"{class_name(name)} {percent(n / sum(data.test_label_counts), 1)}%"
        for name, n in list(zip(data.label_names, data.test_label_counts, strict=True))[:_MOST_CLASSES]
    )
    if len(data.label_names) > _MOST_CLASSES:
        shares += f" and {len(data.label_names) - _MOST_CLASSES:,} more"
    largest = data.label_names[data.test_label_counts.index(max(data.test_label_counts))]
    seeds = "; ".join(f"{i}: {s.init}/{s.order}/{s.split}" for i, s in enumerate(study.seeds))
    return [
        ("Study", f"{study.name} (matrix {study.matrix})"),
        ("Models", f"{study.models}: {join(models(results)) or 'none has run yet'}"),
        *weights_facts(results),
        ("Dataset", f"{data.name}, fingerprint {data.fingerprint[:12]}"),
        ("Examples", f"{data.n_train:,} train, {data.n_validation:,} validation, {data.n_test:,} test"),
        *_classes(data),
        ("Classes of the test split", shares),
        (
            "Majority-class accuracy",
            f"{percent(results.majority)}% (always predicting {class_name(largest)})",
        ),
        ("Distinct texts in more than one split", f"{data.duplicates:,}"),
        *_seen_in_training(data),
        *((("How the data was read", "; ".join(study.notes)),) if study.notes else ()),
        ("Seeds (init/order/split)", seeds),
        *((("Values of the rows", tuned),) if (tuned := tuning_fact(study)) else ()),
        ("Runs", run_counts(results)),
        *environment_facts(results.done),
    ]


def weights_facts(*studies: Results) -> list[tuple[str, str]]:
    """Where the weights of models come from that do not ship with the package."""
    found = {
        record.recipe.model: record.weights.source
        + (f" at commit {record.weights.revision[:12]}" if record.weights.revision else "")
        for results in studies
        for record in results.done
        if record.weights and record.weights.pretrained and record.weights.source != "bundled"
    }
    return [("Weights", "; ".join(f"{model}: {source}" for model, source in found.items()))] if found else []


def _classes(data: DatasetFacts) -> list[tuple[str, str]]:
    if data.label_counts is None:
        return []
    counts = class_counts(data.label_names, data.label_counts, _MOST_CLASSES)
    return [("Classes", f"{len(data.label_names):,}: {counts}")]


def _seen_in_training(data: DatasetFacts) -> list[tuple[str, str]]:
    if data.n_test_seen is None or data.n_test_seen_alike is None:
        return []
    text = f"{data.n_test_seen:,} of {data.n_test:,}; {data.n_test_seen_alike:,} ignoring case and whitespace"
    return [("Test texts that also occur in train or validation", text)]


def leak(results: Results) -> str:
    """One sentence if so many test texts were seen in training that accuracies are inflated; else empty."""
    data = results.study.dataset
    warnings = leak_warning(data.n_test, data.n_test_seen or 0, data.n_test_seen_alike or 0)
    return as_sentence(warnings[0]) if warnings else ""


def models(results: Results) -> list[str]:
    """The models of the finished rows, in the order of the study."""
    return list(dict.fromkeys(result.row.recipe.model for result in results.finished))


def leaders(results: Results) -> list[RowResult]:
    """The finished rows with the best mean score; none where no record holds what the metric needs."""
    means = {result.name: result.score(results.metric) for result in results.finished}
    best = max((score for score in means.values() if score is not None), default=None)
    return [result for result in results.finished if best is not None and means[result.name] == best]


def by_question(results: Results) -> list[tuple[str, list[RowResult]]]:
    """The rows that are compared with another, under the questions they answer; those that answer none last."""
    titles = results.study.questions
    groups: dict[str | None, list[RowResult]] = {question: [] for question in [*titles, None]}
    for result in results.rows:
        if result.row.against is not None:
            groups[result.row.question if result.row.question in titles else None].append(result)
    return [
        ("Other rows" if question is None else titles[question], rows)
        for question, rows in groups.items()
        if rows
    ]


def run_counts(results: Results) -> str:
    """How many runs are done, failed, skipped and without a record; rows of one recipe share their runs."""
    wanted = {
        (result.recipe_id, index)
        for result in results.rows
        if not result.row.excluded
        for index in range(len(result.runs))
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
        parts.append(f"{results.n_unused} records of other data, seeds or checkpoints are not used")
    return "; ".join(parts)


def environment_facts(runs: list[Record]) -> list[tuple[str, str]]:
    """Engine and machine, with every value that occurs: records may come from several machines."""
    if not runs:
        return []
    places = [run.environment for run in runs]
    versions = [", ".join(f"{name} {v}" for name, v in sorted(place.versions.items())) for place in places]
    facts = [
        ("Engine", distinct(run.engine for run in runs)),
        ("Device", distinct(f"{place.device}, {place.dtype}" for place in places)),
        ("Processor", distinct(place.processor for place in places)),
        ("Memory", distinct(memory(place.memory_bytes) for place in places)),
        ("System", distinct(f"Python {place.python}, {place.platform}" for place in places)),
        ("Versions", distinct(versions)),
        ("Commit", distinct(commit(place.git_sha, place.git_dirty) for place in places)),
    ]
    conditions = {(run.engine, p.device, p.processor, p.dtype) for run, p in zip(runs, places, strict=True)}
    if len(conditions) > 1:
        facts.append(("Note", "the runs were made under different conditions: times are not comparable"))
    if len(set(versions)) > 1:
        facts.append(
            (
                "Note",
                "the runs were made with different library versions: predictions may differ in a few texts",
            )
        )
    return facts + [
        (
            "Warning",
            f"runs of {sanitize(model)} started from {n} different sets of weights: its rows mix them",
        )
        for model, n in mixed_weights(runs).items()
    ]


def mixed_weights(runs: Iterable[Record]) -> dict[str, int]:
    """Model -> how many different pretrained weights its runs started from, where it is more than one."""
    found: dict[str, set[str]] = {}
    for run in runs:
        if run.weights and run.weights.pretrained and run.weights.fingerprint:
            found.setdefault(run.recipe.model, set()).add(run.weights.fingerprint)
    return {model: len(weights) for model, weights in found.items() if len(weights) > 1}


def change(results: Results, result: RowResult) -> str:
    """A row's difference from its reference row, which is named unless it is the baseline."""
    if result.row.against is None:
        return "baseline" if results.study.is_baseline(result.name) else MISSING
    text = changes(result.row.changes) or ("no-op" if result.row.no_op else "none")
    return text if results.study.is_baseline(result.row.against) else f"{result.row.against}: {text}"


def notes(results: Results) -> dict[str, str]:
    """Row name -> notes for the reader, in the order of the tables."""
    found = {}
    for result in [*results.finished, *results.unfinished]:
        parts = [as_sentence(result.row.note)] if result.row.note else []
        first = results.first_with_recipe(result)
        if result.done and first is not result:
            parts.append(f"Same recipe as {first.name}: the runs are shared, not repeated.")
        cut = max((run.inputs.n_truncated for run in result.done if run.inputs), default=0)
        if cut:
            parts.append(f"{cut:,} texts were truncated to the context.")
        low, high = result.interval or (1.0, 0.0)
        if low <= results.majority <= high:
            share = percent(results.majority)
            parts.append(
                f"Its interval includes the accuracy of always predicting the largest class ({share}%)."
            )
        if parts:
            found[result.name] = " ".join(parts)
    return found


def other_paddings(results: Results) -> dict[str, dict[str, list[PaddingCheck]]]:
    """Row name -> way of padding that it was not trained with -> the check of each seed, where there are any."""
    found: dict[str, dict[str, list[PaddingCheck]]] = {}
    for result in results.finished:
        for run in result.done:
            own = run.inputs.tokens_per_row if run.inputs else None
            lengths = [check.tokens_per_row for check in run.padding or [] if check.tokens_per_row]
            trained = own or min(lengths, default=None)
            for check in run.padding or []:
                # The number of tokens varies between seeds where the splits do; only "longer" is stable.
                longer = check.tokens_per_row is not None and check.tokens_per_row != trained
                way = f"{check.padding}, longer" if longer else check.padding
                found.setdefault(result.name, {}).setdefault(way, []).append(check)
    return found


def untrained(results: Results) -> str:
    """One sentence if figures are of models without pretrained weights; empty otherwise."""
    if not results.untrained:
        return ""
    return (
        "Figures of randomly initialised weights: there are no pretrained weights for "
        f"{join(results.untrained)} yet."
    )


def shares_work(results: Results) -> bool:
    """Whether any run cost less here than it would have on its own."""
    return any(run.cost.marginal_s != run.cost.standalone_s for run in results.done if run.cost)


def commit(sha: str | None, dirty: bool | None) -> str:
    """An abbreviated commit, and whether there were uncommitted changes."""
    if sha is None:
        return "unknown"
    return sha[:12] + (" with uncommitted changes" if dirty else "")


def distinct(values: Iterable[str]) -> str:
    """Every value once, in order of appearance."""
    return "; ".join(sanitize(value) for value in dict.fromkeys(values))
