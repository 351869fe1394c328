"""One record as a sheet of small tables, as plain text: the same facts for the terminal and for report.html."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.evidence.accuracy import accuracy_interval
from bench.evidence.stats import wilson
from bench.records.record import Cost, Curves, Environment, Metrics, Predictions, Record
from bench.report.describe import commit
from bench.report.text import (
    MISSING,
    class_name,
    count,
    file_size,
    interval,
    memory,
    percent,
    seconds,
    value_text,
)
from gptcore.recipe import Recipe
from gptcore.result import PaddingCheck

_MOST_CLASSES = 12  # of a table of all classes by all classes
_MOST_CONFUSIONS = 20


@dataclass(frozen=True)
class Sheet:
    """A table of a record: its title, its column headings (none: names and values), its rows."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    strong: frozenset[int] = frozenset()  # rows that stand out


def sheets(record: Record) -> list[Sheet]:
    """Tables about a run, the most interesting first; parts that the record lacks are left out."""
    parts = [_facts(record)]
    if record.metrics:
        parts.append(_metrics(record.metrics, record))
    if record.test:
        parts.append(_confusion(record.test, record.dataset.label_names))
    parts.append(_recipe(record.recipe))
    if record.padding:
        parts.append(_padding(record.padding))
    if record.curves and record.curves.epochs:
        parts.append(_curves(record.curves))
    if record.cost:
        parts.append(_cost(record.cost))
    if record.notes:
        parts.append(Sheet("Notes of the engine", (), [("", note) for note in record.notes]))
    if record.output_tail:
        parts.append(Sheet("Last lines of output", (), [("", line) for line in record.output_tail]))
    return [*parts, _environment(record.environment)]


def _facts(record: Record) -> Sheet:
    data, weights, inputs, parameters = record.dataset, record.weights, record.inputs, record.parameters
    rows = [
        (
            "dataset",
            f"{data.name}: {data.n_train:,} train, {data.n_validation:,} validation, {data.n_test:,} test",
        ),
        ("seeds", f"init {record.seeds.init}, order {record.seeds.order}, split {record.seeds.split}"),
        ("engine", record.engine),
    ]
    if weights:
        kind = "pretrained" if weights.pretrained else "randomly initialised"
        rows.append(("weights", f"{weights.source}, {kind}"))
    if inputs:
        padded = f"padded to {inputs.tokens_per_row}" if inputs.tokens_per_row else "not padded"
        text = f"{inputs.tokenizer} tokens, {padded}, longest {inputs.longest_tokens}, {inputs.n_truncated:,} truncated"
        rows.append(("texts", text))
    if parameters:
        rows.append(("parameters", f"{count(parameters.trained)} trained of {count(parameters.total)}"))
    if seen := record.verified:
        text = f"largest relative disagreement with the plain engine: logits {seen.logits:.1e}, "
        text += f"losses {seen.losses:.1e} ({seen.n_rows:,} rows, {seen.n_steps:,} steps)"
        rows.append(("verified", text))
    rows.append(("written", record.created_at))
    return Sheet("Run", (), rows)


def _recipe(recipe: Recipe) -> Sheet:
    """Every relevant choice; those that differ from the default stand out and show the default."""
    different = recipe.differences(Recipe())
    choices = recipe.choices()
    rows = [
        (name, value_text(value), value_text(different[name][0]) if name in different else "")
        for name, value in choices.items()
    ]
    strong = frozenset(i for i, name in enumerate(choices) if name in different)
    return Sheet("Recipe", ("choice", "value", "default"), rows, strong)


def _metrics(metrics: Metrics, record: Record) -> Sheet:
    by_group = record.test is not None and record.test.groups is not None
    rows = []
    for name in ("train", "validation", "test"):
        split = getattr(metrics, name)
        loss = MISSING if split.log_loss is None else f"{split.log_loss:.4f}"
        # Groups are known of test texts alone, and texts of one group are not independent.
        bounds = MISSING if by_group else interval(wilson(split.accuracy, split.n))
        if by_group and name == "test":
            bounds = interval(accuracy_interval([record]))
        rows.append((name, percent(split.accuracy), bounds, f"{split.correct:,} of {split.n:,}", loss))
    headings = (
        "split",
        "accuracy, %",
        f"95% interval ({'by group' if by_group else 'Wilson'})",
        "correct",
        "log loss",
    )
    return Sheet("Metrics", headings, rows, frozenset({2}))


def _confusion(test: Predictions, names: tuple[str, ...]) -> Sheet:
    """Confusion matrix: true class (down) by predicted class (across); with many classes, the largest errors."""
    names = tuple(class_name(name) for name in names)
    pairs = Counter(zip(test.labels, test.predicted, strict=True))
    if len(names) > _MOST_CLASSES:
        wrong = sorted((-n, i, j) for (i, j), n in pairs.items() if i != j)[:_MOST_CONFUSIONS]
        listed = [(names[i], names[j], f"{-n:,}") for n, i, j in wrong]
        return Sheet("Most frequent confusions", ("true class", "predicted as", "test examples"), listed)
    rows = [(name, *(f"{pairs[i, j]:,}" for j in range(len(names)))) for i, name in enumerate(names)]
    return Sheet("Test examples by class", ("true class, predicted as", *names), rows)


def _padding(checks: list[PaddingCheck]) -> Sheet:
    rows = [
        (
            check.padding,
            MISSING if check.tokens_per_row is None else f"{check.tokens_per_row:,}",
            percent(check.accuracy),
            f"{check.n_flipped:,}",
        )
        for check in checks
    ]
    headings = ("padding", "tokens per row", "test accuracy, %", "predictions that differ")
    return Sheet("Other padding", headings, rows)


def _curves(curves: Curves) -> Sheet:
    rows = [
        (
            f"{point.epoch}{' (kept)' if point.epoch == curves.best_epoch else ''}",
            f"{point.step:,}",
            percent(point.train_accuracy),
            percent(point.validation_accuracy),
            f"{point.validation_loss:.4f}",
            seconds(point.train_s),
        )
        for point in curves.epochs
    ]
    accuracies = ("train accuracy, %", "validation accuracy, %")
    return Sheet("Epochs", ("epoch", "step", *accuracies, "validation loss", "training time, s"), rows)


def _cost(cost: Cost) -> Sheet:
    rows = [
        (name, seconds(value), percent(value / cost.marginal_s if cost.marginal_s else None, 1))
        for name, value in cost.phases.items()
    ]
    totals = [
        ("this run", seconds(cost.marginal_s), ""),
        ("on its own", seconds(cost.standalone_s), ""),
        ("memory added", memory(cost.added_mem_bytes), ""),
        ("memory of the process", memory(cost.process_mem_bytes), ""),
        ("token positions", count(cost.tokens_processed), ""),
        ("FLOPs", MISSING if cost.flops is None else f"{cost.flops:.2e}", ""),
    ]
    if serving := cost.serving:
        latency, merged = seconds(1000 * serving.latency_p50_s), serving.merged_latency_p50_s
        totals += [
            ("classifier as saved", file_size(serving.saved_bytes), ""),
            ("with its model", file_size(serving.with_base_bytes), ""),
            ("one text, ms (median)", latency, ""),
            ("texts a second", count(serving.texts_per_s), ""),
        ]
        if merged is not None:
            totals += [
                ("one text, merged, ms", seconds(1000 * merged), ""),
                ("texts a second, merged", count(serving.merged_texts_per_s), ""),
            ]
    for name, value in reversed((cost.checks or {}).items()):
        totals.insert(2, (f"beside it: {name}", seconds(value), ""))
    if cost.predicted_s is not None:
        totals.insert(1, ("forecast for this run", seconds(cost.predicted_s), ""))
    strong = frozenset({len(rows)})
    return Sheet("Cost", ("phase", "seconds", "share, %"), rows + totals, strong)


def _environment(place: Environment) -> Sheet:
    rows = [
        ("device", f"{place.device}, {place.dtype}"),
        ("processor", place.processor),
        ("memory", memory(place.memory_bytes)),
        ("system", f"Python {place.python}, {place.platform}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(place.versions.items()))),
        ("commit", commit(place.git_sha, place.git_dirty)),
    ]
    return Sheet("Environment", (), rows)
