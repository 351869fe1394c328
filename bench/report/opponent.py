"""The page of `bench speed --against transformers`: theirs against ours, and the goals. From its record alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.records.opponent import THEIRS, OpponentRow, OpponentStudy, Their, opponent_path
from bench.records.speed import Taken
from bench.report.table import figures_table
from bench.report.text import escape, seconds
from gptcore.files import write_whole
from gptcore.wording import pluralise

# Row -> what is compared and the least ratio, against the faster of their precisions
GOALS: dict[str, tuple[tuple[str, float], ...]] = {
    "last-block": (("whole run", 6.0), ("each further seed", 15.0)),
    "all-layers": (("whole run", 2.0), ("prediction", 2.0)),
    "lora": (("whole run", 2.0),),
}


def write_opponent(folder: Path, study: OpponentStudy) -> Path:
    """Write MODEL-transformers.json and .md into a folder; the page's path. Raises UserError."""
    record = opponent_path(folder, study.model, study.dataset)
    write_whole(record, study.model_dump_json(indent=1) + "\n")
    path = record.with_suffix(".md")
    write_whole(path, opponent_page(study))
    return path


def opponent_page(study: OpponentStudy) -> str:
    """The page as Markdown."""
    parts = [
        f"# The fast engine against transformers: {escape(study.model)}",
        _what(study),
        "## Whole runs",
        _runs(study),
        "## Goals",
        _goals(study),
        *_bound(study),
    ]
    return "\n\n".join(parts) + "\n"


def _what(study: OpponentStudy) -> str:
    place = study.environment
    versions = ", ".join(
        f"{name} {place.versions[name]}"
        for name in ("torch", "transformers", "peft")
        if name in place.versions
    )
    return (
        f"{escape(study.dataset)}, {study.n_train:,} training texts, "
        f"{pluralise(study.rows[0].recipe.epochs, 'epoch')}, random weights (they do not affect time). "
        f"{escape(place.processor)}; {versions}.\n\n"
        "*Theirs*: AutoModelForSequenceClassification, every batch padded to its longest row, the same optimiser, "
        "order and batch size, no dropout, peft for LoRA, batches of 32 for predictions, "
        f"{_in_words(study)}; a test holds its losses to the engine's. "
        f"*Ours*: the fast engine in {study.precision}. All were timed in turn in one process, "
        f"{pluralise(study.rounds, 'round')}. A *ratio* is theirs, in the faster of their precisions, over ours: the "
        f"median of the rounds.\n\n**Whole runs are extrapolated from slices**: {study.slices}. Training, evaluation "
        "after each epoch and of the training and test parts count; loading and tokenising, which are the same, do not."
    )


def _in_words(study: OpponentStudy) -> str:
    if "bfloat16" in _precisions(study):
        return "in float32 and with bfloat16 autocast"
    return "in float32 (large products take longer in bfloat16 on this machine)"


def _runs(study: OpponentStudy) -> str:
    headers = [
        "Row",
        *(f"transformers {name}, s" for name in _precisions(study)),
        "Ours, s",
        "Ratio",
        "From, to",
    ]
    headers += ["Further seed, s", "Ratio", "Ours: trunk, s", "Train, s", "Evaluate, s"]
    rows = [
        [
            escape(row.row),
            *(seconds(_median(row.theirs[name])) for name in _precisions(study)),
            seconds(_median(row.ours)),
            f"{median(row.ratios):.1f}",
            f"{min(row.ratios):.1f}, {max(row.ratios):.1f}",
            seconds(median(taken.further_s for taken in row.ours)),
            f"{median(row.further_ratios):.1f}",
            *(seconds(_phase(row, name)) for name in ("trunk", "train", "evaluate")),
        ]
        for row in study.rows
    ]
    return figures_table(headers, rows)


def _goals(study: OpponentStudy) -> str:
    rows = []
    for row in study.rows:
        ratios = {
            "whole run": row.ratios,
            "each further seed": row.further_ratios,
            "prediction": row.prediction_ratios,
        }
        for what, least in GOALS.get(row.row, ()):
            found = median(ratios[what])
            rows.append(
                [escape(row.row), what, f"{least:g}", f"{found:.1f}", "yes" if found >= least else "**no**"]
            )
    return figures_table(["Row", "", "Goal, times", "Measured", "Met"], rows)


def _bound(study: OpponentStudy) -> list[str]:
    """What limits the rows that train all blocks, and prediction."""
    if study.padded is None:
        return []
    training, prediction = study.padded["train"], study.padded["evaluate"]
    return [
        "A row that trains something in every block needs each token of each text in every block, here and there. "
        f"What can be left out is padding: their batches hold {training:.2f} times the positions that have tokens in "
        f"training, and {prediction:.2f} times in predictions for the test part. Ratios beyond these come from "
        "faster code, not from less work."
    ]


def _precisions(study: OpponentStudy) -> list[Their]:
    return [name for name in THEIRS if all(name in row.theirs for row in study.rows)]


def _median(taken: Sequence[Taken]) -> float:
    return median(each.total_s for each in taken)


def _phase(row: OpponentRow, name: str) -> float:
    return median(taken.phases.get(name, 0.0) for taken in row.ours)
