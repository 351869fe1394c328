"""Several data sets of one matrix, as Markdown: each row's verdicts, its overall one, and how much data sets differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from bench.evidence.decide import ALPHA
from bench.evidence.overall import Overall, judge_overall
from bench.evidence.ranks import MIN_DATASETS
from bench.evidence.results import Results, collect
from bench.records.store import load_records, load_study
from bench.report.compare import ranks_section
from bench.report.text import MISSING, escape, margin_text, points, points_between
from gptcore.errors import UserError
from gptcore.files import write_whole

_HOW_TO_READ = """\
*Overall* is about data sets like these, each of which counts once: the mean difference over the data sets, weighted \
by the inverse of its variance and of the variance between data sets (random effects), with Student's t of one degree \
of freedom less than there are data sets, and a 95% interval that is not adjusted. *Better*, *worse* and *no \
difference* hold at {alpha} after Holm's correction over the rows and their looks. *Spread* is the estimated standard \
deviation of the true difference between data sets, in points, and *p equal* the p-value of no such spread (Cochran's \
Q): if a row's difference varies between data sets, look at each. The verdict of each data set is that of its own \
report, corrected within that data set. Methods and simulated error rates: docs/evidence.md."""


def write_overall(folder: Path, studies: Sequence[Path], margin: float | None) -> Path:
    """Write overall.md into `folder`, from the records of the studies in these folders; returns its path.

    margin: share; None: the widest of the studies' own. Raises UserError where two are of the same data.
    """
    results = {}
    for study in studies:
        found = collect(load_study(study), list(load_records(study).values()), margin)
        results[study.name] = found
    path = folder / "overall.md"
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
    rows = judge_overall(studies, margin)
    parts = [
        f"# {escape(next(iter(studies.values())).study.matrix)} on {len(studies)} data sets",
        "## Verdicts",
        _table(studies, rows, margin),
        _few(len(studies)),
        _HOW_TO_READ.format(alpha=f"{ALPHA:.0%}"),
        "## Ranks over data sets",
        *ranks_section(studies, path),
        "## The studies",
        "\n".join(f"- [{escape(name)}]({escape(name)}/report.md)" for name in studies),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(studies: Mapping[str, Results], rows: list[Overall], margin: float) -> str:
    headers = [
        *("Row", "Against", *(f"{escape(name)}, points" for name in studies)),
        *("Overall", "Mean, points (95% interval)", "Holm p", "Spread, points", "p equal"),
    ]
    lines = [[*_of_row(row), *_by_data(studies, row), *_overall(row, margin)] for row in rows]
    if not lines:
        return "No row has three seeds on any data set yet."
    sides = ["left"] * 2 + ["right"] * len(studies) + ["left"] + ["right"] * 4
    return tabulate(lines, headers, tablefmt="pipe", disable_numparse=True, colalign=sides)


def _of_row(row: Overall) -> list[str]:
    return [escape(row.row), escape(row.against)]


def _by_data(studies: Mapping[str, Results], row: Overall) -> list[str]:
    return [
        f"{points(found.estimate.value)} ({found.call})" if (found := row.by_data.get(name)) else MISSING
        for name in studies
    ]


def _overall(row: Overall, margin: float) -> list[str]:
    if row.pooled is None:
        return [MISSING] * 5
    interval = row.pooled.estimate.interval()
    word = f"no difference > {margin_text(margin)}" if row.call == "no difference" else row.call
    return [
        f"**{word}**" if row.call in ("better", "worse") else word,
        points_between(interval.mean, interval.low, interval.high),
        f"{row.p_holm:.3f}" if row.p_holm >= 0.001 else "< 0.001",
        f"{100 * row.pooled.spread:.2f}",
        f"{row.pooled.p_equal:.3f}" if row.pooled.p_equal >= 0.001 else "< 0.001",
    ]


def _few(n: int) -> str:
    if n >= MIN_DATASETS:
        return ""
    return (
        f"**No row has an overall verdict: {n} data sets say next to nothing of another one; "
        f"{MIN_DATASETS} or more are needed.**"
    )
