"""The page of `bench speed`: plain against fast, the goals, and growth of cost. From its record alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.records.record import Environment
from bench.records.speed import EndToEnd, EngineName, RowSpeed, SpeedStudy
from bench.records.store import save_speed, speed_path
from bench.report.table import figures_table
from bench.report.text import escape, memory, seconds
from gptcore.files import write_whole
from gptcore.recipe import Recipe
from gptcore.wording import pluralise

ENGINES: tuple[EngineName, ...] = ("plain", "fast")
SEEDS = (1, 3, 5, 10)
EPOCHS = (1, 5, 10, 20)


@dataclass(frozen=True)
class Goal:
    """A goal for the speed-up of some rows: for the whole run, and for each further seed."""

    about: str
    of: Callable[[Recipe], bool]
    first: float
    further: float | None = None


def _upper_blocks(recipe: Recipe) -> int | None:
    """How many upper blocks are trained; None: all of them, or no network is."""
    return recipe.method.upper_blocks if recipe.trainer == "network" else None


def _all_blocks(recipe: Recipe) -> bool:
    return recipe.trainer == "network" and recipe.method.upper_blocks is None


def _text_only(recipe: Recipe) -> bool:
    return recipe.position == "last_real" or recipe.padding == "none"


GOALS = (
    Goal(
        "`first`, causal",
        lambda r: r.position == "first" and r.attention == "causal" and _upper_blocks(r) == 1,
        50,
    ),
    Goal(
        "`last_real` or no padding, `last_block`",
        lambda r: _upper_blocks(r) == 1 and _text_only(r),
        20,
        40,
    ),
    Goal("other rows with a frozen part", lambda r: _upper_blocks(r) is not None, 8, 25),
    Goal("`all`, `lora`, reading `last_real` or no padding", lambda r: _all_blocks(r) and _text_only(r), 4),
    Goal("`all`, `lora`, reading `last`", _all_blocks, 1.8),
)
MATRIX_GOAL = 5.0
GOALS_MODEL = "gpt2"  # the goals are for its shapes


def write_speed(folder: Path, study: SpeedStudy) -> Path:
    """Write MODELS.json, MODELS.md and the plot of how cost grows; the page's path. Raises UserError."""
    from bench.report.plots.speed import draw_growth

    record = speed_path(folder, study.models)
    save_speed(record, study)
    if study.by_length and study.by_model:
        draw_growth(study, record.with_name(f"{record.stem}-growth"))
    path = record.with_suffix(".md")
    write_whole(path, speed_page(study))
    return path


def speed_page(study: SpeedStudy) -> str:
    """The whole page as Markdown."""
    parts = [
        f"# Plain against fast: {escape(study.models)}",
        _what(study),
        "## Row by row",
        _rows_table(study),
        _matrix(study),
        "## Goals",
        _goals_table(study),
        "## End to end",
        _end_to_end(study),
        "## How cost grows",
        _growth(study),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def shared_total(study: SpeedStudy, seeds: int = 1) -> float:
    """Seconds of all rows one after the other under the fast engine: the first row that needs a trunk pays for it."""
    total, ready = 0.0, set()
    for row in study.rows:
        first, further = row.median_s("fast"), _median_further(row)
        # Random weights differ between seeds: nothing is shared.
        if row.trunk_key is None or row.trunk_key not in ready:
            total += first
        else:
            total += further
        if row.trunk_key is not None:
            ready.add(row.trunk_key)
        total += (seeds - 1) * (first if row.recipe.weights == "random" else further)
    return total


def _median_further(row: RowSpeed) -> float:
    return median(taken.further_s for taken in row.fast)


def _phase(row: RowSpeed, engine: EngineName, name: str) -> float:
    return median(taken.phases.get(name, 0.0) for taken in row.taken(engine))


def _what(study: SpeedStudy) -> str:
    place = study.environment
    rates = ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {name}" for name, rate in study.rates.items())
    return (
        f"{escape(study.dataset)}, {study.n_train:,} training texts, {pluralise(study.epochs, 'epoch')}, random "
        f"weights (they do not affect time). {escape(place.processor)}; a large matrix product reaches {rates}. "
        f"Fast engine in {study.precision}, plain in float32. Both engines were timed in turn in one process, "
        f"{pluralise(study.pairs, 'pair')} per row; a ratio is the median of its pairs.\n\n"
        "**Times of whole runs are extrapolated from slices**: plain from "
        f"{study.slices['plain']}; fast from {study.slices['fast']}. Runs timed end to end are listed below."
    )


def _rows_table(study: SpeedStudy) -> str:
    headers = [
        *("Row", "Plain, s", "Fast, s", "Plain / fast", "Pairs from, to", "Further seed, s"),
        *("Plain / further seed", "Fast: trunk, s", "Train, s", "Evaluate, s", "Plain: share of peak rate"),
    ]
    rows = [
        [
            escape(row.row),
            seconds(row.median_s("plain")),
            seconds(row.median_s("fast")),
            f"{row.ratio:.1f}",
            f"{min(row.ratios):.1f}, {max(row.ratios):.1f}",
            seconds(_median_further(row)),
            f"{row.further_ratio:.1f}",
            *(seconds(_phase(row, "fast", name)) for name in ("trunk", "train", "evaluate")),
            _share(row, study),
        ]
        for row in (*study.rows, *study.extra_rows)
    ]
    return figures_table(headers, rows)


def _share(row: RowSpeed, study: SpeedStudy) -> str:
    # The formula does not cover rows of varying length, or blocks that run once instead of every epoch.
    if row.plain_flops is None or row.recipe.padding == "none" or row.recipe.trainer != "network":
        return "–"
    return f"{100 * row.plain_flops / row.median_s('plain') / study.rates['float32']:.0f}%"


def _matrix(study: SpeedStudy) -> str:
    plain = sum(row.median_s("plain") for row in study.rows)
    lines = []
    for n in (1, 3):
        fast = shared_total(study, n)
        lines.append(
            f"{pluralise(n, 'seed')}: {seconds(n * plain)} s against {seconds(fast)} s, "
            f"**{n * plain / fast:.1f} times**"
        )
    others = ", ".join(escape(row.row) for row in study.extra_rows)
    without = f" ({others}: not in the matrix, so not counted)" if others else ""
    return f"All {len(study.rows)} rows{without}, trunks shared as in a study. " + "; ".join(lines) + "."


def _goals_table(study: SpeedStudy) -> str:
    if study.rows[0].recipe.model != GOALS_MODEL:
        return f"The goals are for {GOALS_MODEL} (124M) on two cores and are judged only when it is timed."
    lines, left = [], [*study.rows, *study.extra_rows]
    for goal in GOALS:
        rows = [row for row in left if goal.of(row.recipe)]
        left = [row for row in left if row not in rows]
        for what, least, value in (
            ("whole row", goal.first, lambda row: row.ratio),
            ("each further seed", goal.further, lambda row: row.further_ratio),
        ):
            if rows and least is not None:
                lines.append([goal.about, what, f"{least:g}", *_against(rows, least, value)])
    fast = shared_total(study)
    ratio = sum(row.median_s("plain") for row in study.rows) / fast
    lines.append(
        ["the whole matrix, one seed", "", f"{MATRIX_GOAL:g}", f"{ratio:.1f}", _met(ratio >= MATRIX_GOAL), ""]
    )
    return figures_table(["Rows", "", "Goal, times", "Lowest", "Met", "Rows below it"], lines)


def _against(rows: list[RowSpeed], least: float, value: Callable[[RowSpeed], float]) -> list[str]:
    below = [f"{escape(row.row)} ({value(row):.1f})" for row in rows if value(row) < least]
    return [f"{min(map(value, rows)):.1f}", _met(not below), ", ".join(below)]


def _met(met: bool) -> str:
    return "yes" if met else "**no**"


def _end_to_end(study: SpeedStudy) -> str:
    if not study.end_to_end:
        return "No row was timed end to end; add one with `--whole ROW`."
    headers = [
        *("Row", "Plain, s", "Fast, s", "Plain / fast", "From slices", "Error of slices, plain", "Fast"),
        *("Memory, plain", "Fast", "Fast: phases, s", "Measured"),
    ]
    rows = [
        [
            escape(row.row),
            seconds(row.plain.total_s),
            seconds(row.fast.total_s),
            f"{row.ratio:.1f}",
            f"{row.extrapolated.ratio:.1f}",
            *(
                f"{100 * (row.extrapolated.median_s(engine) / row.taken(engine).total_s - 1):+.0f}%"
                for engine in ENGINES
            ),
            *(_memory(row.taken(engine)) for engine in ENGINES),
            "; ".join(f"{name} {seconds(s)}" for name, s in row.fast.phases.items() if s >= 0.05),
            f"{row.created_at[:10]}, {escape(_place(row.environment))}, {row.environment.dtype}",
        ]
        for row in study.end_to_end
    ]
    return (
        "Timed once with each engine. Memory: peak resident memory of a process for this run alone, torch included; – "
        "if the process did several. Error: that of the slices timed in the same call.\n\n"
        + figures_table(headers, rows)
    )


def _place(environment: Environment) -> str:
    return environment.cpu if environment.device == "cpu" else environment.device


def _memory(run: EndToEnd) -> str:
    return "–" if run.mem_bytes is None else memory(run.mem_bytes)


def _growth(study: SpeedStudy) -> str:
    base = study.rows[0]
    plain, first, further = base.median_s("plain"), base.median_s("fast"), _median_further(base)
    parts = [
        f"Row {escape(base.row)}. Seeds and epochs are computed from its phases; the others were timed. A ratio is "
        "that of the two medians next to it."
    ]
    parts.append(_growth_table("Seeds", [(str(n), n * plain, first + (n - 1) * further) for n in SEEDS]))
    by_epochs = [(str(n), _epochs(base, "plain", n, study), _epochs(base, "fast", n, study)) for n in EPOCHS]
    parts.append(_growth_table("Epochs", by_epochs))
    for title, rows in (("Tokens per row", study.by_length), ("Model", [*study.by_model, base])):
        named = [(row.recipe.model if title == "Model" else str(row.recipe.context), row) for row in rows]
        parts.append(
            _growth_table(
                title,
                [(name, row.median_s("plain"), row.median_s("fast")) for name, row in named],
            )
        )
    return "\n\n".join(parts)


def _epochs(row: RowSpeed, engine: EngineName, n: int, study: SpeedStudy) -> float:
    train = _phase(row, engine, "train")
    return row.median_s(engine) + (n / study.epochs - 1) * train


def _growth_table(title: str, rows: list[tuple[str, float, float]]) -> str:
    lines = [
        [escape(name), seconds(plain), seconds(fast), f"{plain / fast:.1f}"] for name, plain, fast in rows
    ]
    return figures_table([title, "Plain, s", "Fast, s", "Plain / fast"], lines)
