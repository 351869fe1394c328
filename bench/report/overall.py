"""Several data sets of one matrix, as Markdown: each row's verdicts, its overall one, and how much data sets differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.evidence.holm import ALPHA
from bench.evidence.overall import Overall, judge_overall
from bench.evidence.ranks import MIN_DATASETS
from bench.evidence.results import Results, collect
from bench.records.store import load_records, load_study
from bench.report.compare import ranks_section
from bench.report.describe import weights_facts
from bench.report.table import markdown_table
from bench.report.text import MISSING, escape
from bench.report.units import Unit, unit_of
from gptcore.errors import UserError
from gptcore.files import write_whole

OVERALL = "overall.md"
_HOW_TO_READ = """\
*Overall* is about data sets like these, each of which counts once: the mean difference over the data sets, weighted \
by the inverse of its variance and of the variance between data sets (random effects), with Student's t of one degree \
of freedom less than there are data sets, and a 95% interval that is not adjusted. *Better*, *worse* and *no \
difference* hold at {alpha} after Holm's correction over the rows and their looks; with *at N seeds* the first N \
decided, and the mean is of all. *Spread* is the estimated standard \
deviation of the true difference between data sets, in {unit}, and *p equal* the p-value of no such spread (Cochran's \
Q): if a row's difference varies between data sets, look at each. The verdict of each data set is that of its own \
report, corrected within that data set. Methods and simulated error rates: docs/evidence.md."""


def write_overall(folder: Path, studies: Sequence[Path]) -> Path:
    """Write overall.md into `folder`, from the records of the studies in these folders; returns its path.

    The margin is the widest that the studies have planned. Raises UserError where two are of the same data or are
    judged by different metrics.
    """
    results: dict[str, Results] = {}
    for study in studies:
        manifest = load_study(study)
        if results and manifest.metric != (first := next(iter(results.values())).metric.name):
            raise UserError(
                f"{study} is judged by {manifest.metric} and {next(iter(results))} by {first}, as was planned: choose "
                "another folder with --out"
            )
        results[study.name] = collect(manifest, list(load_records(study).values()))
    path = folder / OVERALL
    write_whole(path, render(results, path))
    return path


def render(studies: Mapping[str, Results], path: Path | None = None) -> str:
    """The report as Markdown; the diagram of ranks is drawn beside `path`. Raises UserError as `write_overall`."""
    seen: dict[str, str] = {}
    for name, results in studies.items():
        data = results.study.dataset.source_fingerprint
        if data in seen:
            raise UserError(f"--data: {seen[data]} and {name} are the same data: name each data set once")
        seen[data] = name
    margin = max(results.margin for results in studies.values())
    unit = unit_of(next(iter(studies.values())).metric)
    rows = judge_overall(studies, margin)
    parts = [
        f"# {escape(next(iter(studies.values())).study.matrix)} on {len(studies)} data sets",
        f"## Verdicts{unit.by}",
        _table(studies, rows, margin, unit),
        _few(len(studies)),
        _HOW_TO_READ.format(alpha=f"{ALPHA:.0%}", unit=unit.name),
        *(f"{name}: {escape(value)}." for name, value in weights_facts(*studies.values())),
        "## Ranks over data sets",
        *ranks_section(studies, path),
        "## The studies",
        "\n".join(f"- [{escape(name)}]({escape(name)}/report.md)" for name in studies),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(studies: Mapping[str, Results], rows: list[Overall], margin: float, unit: Unit) -> str:
    headers = [
        *("Row", "Against", *(f"{escape(name)}, {unit.name}" for name in studies)),
        *("Overall", f"Mean, {unit.name} (95% interval)", "Holm p", f"Spread, {unit.name}", "p equal"),
    ]
    lines = [[*_of_row(row), *_by_data(studies, row, unit), *_overall(row, margin, unit)] for row in rows]
    if not lines:
        return "No row has three seeds on any data set yet."
    return markdown_table(headers, lines, "ll" + "r" * len(studies) + "lrrrr")


def _of_row(row: Overall) -> list[str]:
    return [escape(row.row), escape(row.against)]


def _by_data(studies: Mapping[str, Results], row: Overall, unit: Unit) -> list[str]:
    return [
        f"{unit.signed(found.estimate.value)} ({found.call})" if (found := row.by_data.get(name)) else MISSING
        for name in studies
    ]


def _overall(row: Overall, margin: float, unit: Unit) -> list[str]:
    if row.pooled is None:
        return [MISSING] * 5
    word = f"no difference > {unit.margin(margin)}" if row.call == "no difference" else row.call
    word = f"**{word}**" if row.call in ("better", "worse") else word
    # The mean is of all seeds, and may look other than at the look that decided.
    fewer = row.decided_at and any(
        row.decided_at < found.comparison.n_seeds for found in row.by_data.values()
    )
    return [
        f"{word} (at {row.decided_at} seeds)" if fewer else word,
        unit.between(row.pooled.estimate.interval()),
        f"{row.p_holm:.3f}" if row.p_holm >= 0.001 else "< 0.001",
        unit.signed(row.pooled.spread).removeprefix("+"),
        f"{row.pooled.p_equal:.3f}" if row.pooled.p_equal >= 0.001 else "< 0.001",
    ]


def _few(n: int) -> str:
    if n >= MIN_DATASETS:
        return ""
    return (
        f"**No row has an overall verdict: {n} data sets say next to nothing of another one; "
        f"{MIN_DATASETS} or more are needed.**"
    )
