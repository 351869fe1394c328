"""One record in the terminal: what was run, how it went, what it cost, where."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.evidence.stats import wilson
from bench.report.text import count, interval, memory, percent, plain, seconds, value_text
from bench.run.record import Cost, Curves, Environment, Metrics, Record
from gptcore.finetune.recipe import Recipe

_STATUS = {"done": "green", "failed": "red", "skipped": "yellow"}


def show_record(record: Record) -> RenderableType:
    """The record for `rich`: recipe, status, metrics with 95% Wilson intervals, epochs, cost, environment."""
    title = Text.assemble((record.run_id, "bold"), "  ", (record.status, f"bold {_STATUS[record.status]}"))
    if record.reason:
        title.append(f"  {plain(record.reason)}")
    parts: list[RenderableType] = [title, _facts(record), _recipe(record.recipe)]
    if record.metrics:
        parts.append(_metrics(record.metrics))
    if record.curves and record.curves.epochs:
        parts.append(_curves(record.curves))
    if record.cost:
        parts.append(_cost(record.cost))
    parts.append(_environment(record.environment))
    return Group(*(part for pair in ((part, Text()) for part in parts) for part in pair))


def _facts(record: Record) -> Table:
    data, weights, inputs, parameters = record.dataset, record.weights, record.inputs, record.parameters
    rows = {
        "dataset": f"{data.name}: {data.n_train:,} train, {data.n_validation:,} validation, {data.n_test:,} test",
        "seeds": f"init {record.seeds.init}, order {record.seeds.order}, split {record.seeds.split}",
        "engine": record.engine,
    }
    if weights:
        rows["weights"] = (
            f"{weights.source}, {'pretrained' if weights.pretrained else 'randomly initialised'}"
        )
    if inputs:
        padded = f"padded to {inputs.tokens_per_row}" if inputs.tokens_per_row else "not padded"
        rows["texts"] = f"{inputs.tokenizer} tokens, {padded}, longest {inputs.longest_tokens}, "
        rows["texts"] += f"{inputs.n_truncated:,} cut"
    if parameters:
        rows["parameters"] = f"{count(parameters.trained)} trained of {count(parameters.total)}"
    rows["written"] = record.created_at
    return _pairs("Run", rows)


def _recipe(recipe: Recipe) -> Table:
    """Every choice that matters; what differs from the default stands out, with the default beside it."""
    table = Table("choice", "value", "default", title="Recipe", title_justify="left")
    different = recipe.differences(Recipe())
    for name, value in recipe.choices().items():
        style = "bold yellow" if name in different else "dim"
        default = value_text(different[name][0]) if name in different else ""
        table.add_row(Text(name, style), Text(value_text(value), style), Text(default, "dim"))
    return table


def _metrics(metrics: Metrics) -> Table:
    table = Table(
        *("split", "accuracy, %", "95% interval (Wilson)", "right", "log loss"),
        title="Metrics",
        title_justify="left",
    )
    for name in ("train", "validation", "test"):
        split = getattr(metrics, name)
        loss = "–" if split.log_loss is None else f"{split.log_loss:.4f}"
        bounds = interval(wilson(split.accuracy, split.n))
        right = f"{split.correct:,} of {split.n:,}"
        table.add_row(
            name, percent(split.accuracy), bounds, right, loss, style="bold" if name == "test" else ""
        )
    return table


def _curves(curves: Curves) -> Table:
    table = Table(
        *(
            "epoch",
            "step",
            "train accuracy, %",
            "validation accuracy, %",
            "validation loss",
            "trained for, s",
        ),
        title="Epochs",
        title_justify="left",
    )
    for point in curves.epochs:
        kept = " (kept)" if point.epoch == curves.best_epoch else ""
        table.add_row(
            *(f"{point.epoch}{kept}", f"{point.step:,}", percent(point.train_accuracy)),
            *(percent(point.validation_accuracy), f"{point.validation_loss:.4f}", seconds(point.train_s)),
        )
    return table


def _cost(cost: Cost) -> Table:
    table = Table("phase", "seconds", "share, %", title="Cost", title_justify="left")
    for name, value in cost.phases.items():
        table.add_row(
            Text(plain(name)),
            seconds(value),
            percent(value / cost.marginal_s if cost.marginal_s else None, 1),
        )
    table.add_section()
    table.add_row("this run", seconds(cost.marginal_s), "")
    table.add_row("on its own", seconds(cost.standalone_s), "")
    table.add_row("peak memory", memory(cost.peak_mem_bytes), "")
    table.add_row("token positions", count(cost.tokens_processed), "")
    table.add_row("FLOPs", "–" if cost.flops is None else f"{cost.flops:.2e}", "")
    return table


def _environment(place: Environment) -> Table:
    dirty = " with uncommitted changes" if place.git_dirty else ""
    rows = {
        "device": f"{place.device}, {place.dtype}",
        "processor": f"{place.cpu}, {place.threads} threads",
        "memory": memory(place.memory_bytes),
        "system": f"Python {place.python}, {place.platform}",
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(place.versions.items())),
        "commit": f"{place.git_sha[:12]}{dirty}" if place.git_sha else "unknown",
    }
    return _pairs("Environment", rows)


def _pairs(title: str, rows: dict[str, str]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in rows.items():
        # Text, not markup: brackets in a dataset's name are brackets.
        table.add_row(name, Text(plain(value)))
    return table
