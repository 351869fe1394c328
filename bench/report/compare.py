"""Several studies side by side, as Markdown: differences, shared rows, ranks over datasets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isclose
from pathlib import Path

from bench.evidence.between import RowBetween, compare_studies, margin_between
from bench.evidence.holm import ALPHA
from bench.evidence.metric import ACCURACY, Metric
from bench.evidence.ranks import MIN_DATASETS, MIN_ROWS, Ranks, rank_rows
from bench.evidence.results import Results, collect
from bench.records.groups import MIN_GROUPS
from bench.records.store import load_records, load_study
from bench.report.table import markdown_table
from bench.report.tables import facts_rows
from bench.report.text import (
    MISSING,
    escape,
    join,
    p_value,
)
from bench.report.units import Unit, unit_of
from gptcore.errors import UserError
from gptcore.files import write_whole
from gptcore.metric_names import MetricName
from gptcore.wording import pluralise

_NOT_COMPARED = {"Study", "Runs", "Note"}  # facts that always differ, or that other facts already cover
_HOW_TO_READ = """\
Differences are in {unit}, the later study minus the first. If a row ran with the same seeds on the same examples in \
both, the difference is paired and the verdict is that of the report: better or worse with p < {alpha} after Holm's \
correction over the rows, no difference if more than the margin in either direction is ruled out. With one or two \
seeds it is about the trained models only. Otherwise it is unpaired: {unpaired}, and is not corrected. Times are \
standalone times, paired by seed, and are given only where the machines look the same."""


def write_comparison(
    folders: Sequence[Path], out: Path | None = None, metric: MetricName | None = None
) -> str:
    """Compare the studies in these folders; with `out` the text is written there too.

    metric: None: that of all of the studies. Raises UserError for fewer than two folders, one that holds no study, or
    an `out` that cannot be written.
    """
    if len(set(folders)) < max(2, len(folders)):
        given = join(map(str, dict.fromkeys(folders)))
        raise UserError(f"compare needs two or more different study folders, but got only {given}")
    short = len({folder.name for folder in folders}) == len(folders)
    manifests = {folder: load_study(folder) for folder in folders}
    planned = {study.metric for study in manifests.values()}
    if metric is None and len(planned) > 1:
        raise UserError(f"the studies are judged by {join(sorted(planned))}: choose one with --metric")
    studies = {
        folder.name if short and folder.name else str(folder): collect(
            study, list(load_records(folder).values()), metric=metric
        )
        for folder, study in manifests.items()
    }
    text = comparison(studies, out)
    if out is not None:
        write_whole(out, text, "name a file with --out")
    return text


def comparison(studies: Mapping[str, Results], out: Path | None = None) -> str:
    """The comparison of two or more studies, by label; the first is the reference.

    If rows are ranked over datasets and `out` is given, the diagram is drawn next to it.
    """
    (first, reference), *others = studies.items()
    parts = [
        f"# Comparison of {join(escape(label) for label in studies)}",
        *_differences(studies),
        *_side_by_side(studies),
        *(part for label, results in others for part in _against(first, reference, label, results)),
        _how_to_read(reference.metric, by_group=any(map(_has_groups, studies.values()))),
        "## Ranks over datasets",
        *ranks_section(studies, out),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _how_to_read(metric: Metric, *, by_group: bool) -> str:
    if metric is ACCURACY and not by_group:
        unpaired = "Newcombe's interval from the two accuracies, which ignores the variation between seeds"
    else:
        unpaired = "the intervals of both rows, squared and added"
    text = _HOW_TO_READ.format(alpha=ALPHA, unit=metric.unit, unpaired=unpaired)
    if metric.unit == "nats":
        text += " A log-loss that is lower counts as a difference above zero."
    if by_group:
        text += (
            " Test texts of one group (`--group-column`) count together; fewer than "
            f"{MIN_GROUPS} groups give no verdict."
        )
    return text


def _has_groups(results: Results) -> bool:
    return results.study.dataset.n_test_groups is not None


def _differences(studies: Mapping[str, Results]) -> list[str]:
    facts = [dict(facts_rows(results)) for results in studies.values()]
    names = [
        name for name in dict.fromkeys(name for fact in facts for name in fact) if name not in _NOT_COMPARED
    ]
    rows = [[name, *(fact.get(name, MISSING) for fact in facts)] for name in names]
    rows.append(["Recipes of common rows", *_recipes(list(studies.values()))])
    different = [row for row in rows if len(set(row[1:])) > 1]
    same = [row[0] for row in rows if len(set(row[1:])) == 1]
    return [
        "## Differences",
        markdown_table(["", *map(escape, studies)], different, "l" * (1 + len(studies))) if different else "",
        f"The same in all: {join(name[:1].lower() + name[1:] for name in same)}." if same else "",
    ]


def _recipes(studies: list[Results]) -> list[str]:
    """For each study how its recipes differ from those of the same rows in the first."""
    cells = [MISSING]
    for other in studies[1:]:
        fields: Counter[str] = Counter()
        n_common = 0
        for result in other.rows:
            theirs = [row for row in studies[0].rows if row.name == result.name]
            n_common += len(theirs)
            fields.update(field for row in theirs for field in result.row.recipe.differences(row.row.recipe))
        cells.append(
            join(f"{field} differs in {n} of {n_common}" for field, n in fields.most_common()) or MISSING
        )
    return cells


def _side_by_side(studies: Mapping[str, Results]) -> list[str]:
    names = _common(studies)
    every = {name for results in studies.values() for name in (row.name for row in results.finished)}
    parts = ["## Rows in common"]
    if names:
        column = unit_of(next(iter(studies.values())).metric).score_column
        column = column[0].lower() + column[1:]
        rows = [[escape(name), *(_score(results, name) for results in studies.values())] for name in names]
        headers = ["Row", *(f"{escape(label)}: {column} (95% interval)" for label in studies)]
        parts.append(markdown_table(headers, rows, "l" + "r" * len(studies)))
    else:
        parts.append("No row has finished in every study.")
    for label, results in studies.items():
        if missing := sorted(every - {row.name for row in results.finished}):
            parts.append(f"Not finished in {escape(label)}: {join(map(escape, missing))}.")
    return parts


def _score(results: Results, name: str) -> str:
    row, unit = results.row(name), unit_of(results.metric)
    return f"{unit.bare(row.score(unit.metric))} ({unit.score_interval(row.interval_of(unit.metric))})"


def _against(first: str, reference: Results, label: str, results: Results) -> list[str]:
    compared = compare_studies(results, reference)
    if not compared:
        return []
    unit = unit_of(results.metric)
    headers = ["Row", unit.difference_column, "Verdict", "Predictions that differ"]
    timed = any(one.time for one in compared)
    margin = unit.margin(margin_between(results, reference))
    rows = [[*_line(one, margin, unit), *([_time(one)] if timed else [])] for one in compared]
    table = markdown_table([*headers, *(["Time, ratio"] if timed else [])], rows, "lrlrr"[: len(rows[0])])
    judged = (
        f"The margin is {margin}{', the wider of the two' if not isclose(reference.margin, results.margin) else ''}. "
        "All seeds are judged at once with the whole level, whatever looks the studies have spent on their own "
        "verdicts: the error rate holds for one comparison of two finished studies, not for the first of several as "
        "they grow."
    )
    note = (
        "" if timed else "Time ratios are omitted: the two studies were not run on the same kind of machine."
    )
    return [f"## {escape(label)} against {escape(first)}", table, judged, note]


def _line(one: RowBetween, margin: str, unit: Unit) -> list[str]:
    effect = one.paired.estimate.interval() if one.paired else one.unpaired
    if one.paired is None:
        verdict = "unpaired" + (": the interval excludes zero" if effect and effect.excludes_zero else "")
    elif one.flipped and one.flipped[0] == 0:
        verdict = "the same predictions"
    else:
        word = f"no difference > {margin}" if one.paired.call == "no difference" else one.paired.call
        verdict = (
            f"{word} (p {p_value(one.paired.p_holm)}, {pluralise(one.paired.comparison.n_seeds, 'seed')})"
        )
    return [
        escape(one.name),
        unit.between(effect) if effect else MISSING,
        verdict,
        f"{one.flipped[0]:,} of {one.flipped[1]:,}" if one.flipped else MISSING,
    ]


def _time(one: RowBetween) -> str:
    if one.time is None:
        return MISSING
    bounds = f" ({one.time.low:.2f} to {one.time.high:.2f})" if one.time.low > 0 else " (one seed)"
    return f"{one.time.ratio:.2f}{bounds}"


def ranks_section(studies: Mapping[str, Results], out: Path | None) -> list[str]:
    """Average ranks over the data sets of these studies, or why there are none; the diagram is drawn beside `out`."""
    datasets = Counter(results.study.dataset.source_fingerprint for results in studies.values())
    names = [
        name for name in _common(studies) if all(_is_first(results, name) for results in studies.values())
    ]
    if len(datasets) < MIN_DATASETS:
        return [
            f"Rows are not ranked: average ranks need at least {MIN_DATASETS} datasets to say anything about another "
            f"one, and these studies have {len(datasets)}."
        ]
    if max(datasets.values()) > 1:
        return ["Rows are not ranked: two studies use the same data, and each dataset counts once."]
    if len(names) < MIN_ROWS:
        return [
            f"Rows are not ranked: Friedman's test needs at least {MIN_ROWS} rows that have finished on every dataset, "
            f"and there are {len(names)}."
        ]
    scores = {
        name: [results.row(name).score(results.metric) for results in studies.values()] for name in names
    }
    known: dict[str, Sequence[float]] = {
        name: [score for score in found if score is not None] for name, found in scores.items()
    }
    if unknown := [name for name, found in known.items() if len(found) < len(studies)]:
        return [
            f"Rows are not ranked: records of {join(map(escape, unknown))} do not hold what the metric needs."
        ]
    ranks = rank_rows(known)
    return [_ranks_text(ranks), _ranks_table(ranks), _diagram(ranks, out)]


def _ranks_text(ranks: Ranks) -> str:
    rejects = ranks.p_friedman < ALPHA
    text = f"Over {ranks.n_datasets} datasets Friedman's test {'rejects' if rejects else 'does not reject'} that all "
    text += f"{len(ranks.average)} rows are equal (p {p_value(ranks.p_friedman)}). "
    if not rejects:
        return text + "So no two rows can be distinguished."
    return text + (
        f"Two rows differ where their average ranks are more than {ranks.critical_difference:.2f} apart (Nemenyi's "
        "test, level 0.05, corrected for all pairs; Demšar 2006)."
    )


def _ranks_table(ranks: Ranks) -> str:
    rows = [[escape(name), f"{rank:.2f}"] for name, rank in ranks.average.items()]
    return markdown_table(["Row", "Average rank (1 is best)"], rows, "lr")


def _diagram(ranks: Ranks, out: Path | None) -> str:
    if out is None:
        return "The critical-difference diagram is drawn with `--out FILE`."
    from bench.report.plots.ranks import write_ranks

    path = write_ranks(out.with_name(f"{out.stem}-ranks"), ranks)
    return f"![Average ranks over {ranks.n_datasets} datasets]({path.name})"


def _common(studies: Mapping[str, Results]) -> list[str]:
    """Rows that have finished in every study, in the order of the first."""
    first, *others = studies.values()
    finished = [{row.name for row in results.finished} for results in others]
    return [row.name for row in first.finished if all(row.name in names for names in finished)]


def _is_first(results: Results, name: str) -> bool:
    row = results.row(name)
    return results.first_with_recipe(row) is row
