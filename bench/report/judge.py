"""A published table, judged, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from bench.evidence.claims import judge_published
from bench.evidence.holm import ALPHA
from bench.evidence.published_counts import counts_of
from bench.evidence.published_errata import inconsistencies
from bench.evidence.published_judge import Compared, JudgedTable, Standing, judge_table
from bench.evidence.published_ours import OurAnswer, answers
from bench.evidence.published_visible import Pairing, Visible, harshest, kindest, visible
from bench.evidence.results import Results
from bench.published.figures import FigureTable
from bench.published.judged import single_run_table
from bench.records.study import Study
from bench.report.table import markdown_table
from bench.report.text import MISSING, escape, join, points_between
from gptcore.wording import pluralise

_STANDINGS: tuple[Standing, ...] = ("stands", "depends", "does not stand", "not decidable")
_IN_A_COUNT: dict[Standing, tuple[str, str]] = {
    "stands": ("stands", "stand"),
    "depends": ("depends on the pairing", "depend on the pairing"),
    "does not stand": ("does not stand", "do not stand"),
    "not decidable": ("is not decidable", "are not decidable"),
}
_HOW_TO_READ = """\
Which items each row got right is not published. *p* is the range of McNemar's exact test over every pairing of the \
two rows' answers and every count that the rounded figures allow, from the kindest (one row is right wherever the \
other is) to the harshest (they disagree as much as they can), corrected by Holm's method for {n}. A difference \
**stands** if even the largest p is below {alpha}; the interval (95%) is the widest. Figures of one run speak of the \
two trained models, not of other seeds."""


def judgement(table: FigureTable, name: str, studies: dict[str, Results]) -> str:
    """Everything that can be said of a table. name: as it was asked for; studies: label -> study of ours."""
    judged = judge_table(table)
    parts = [
        f"# {escape(table.title)}",
        f"Source: {escape(table.source)}. {_runs(table)}",
        escape(table.missing),
        *_differences(judged),
        *_claims(judged, name),
        *_visible(judged),
        *_errata(table),
        *(part for label, results in studies.items() for part in _ours(judged, name, label, results)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _runs(table: FigureTable) -> str:
    by_row = {name: table.runs_of(name) for name in table.rows}
    runs = set(by_row.values())
    if runs == {None}:
        return "How many runs a figure is of is not known."
    if runs == {1}:
        return "1 run per row."
    known = join(f"{name} {n}" for name, n in by_row.items() if n)
    rest = "; the others' number is not known" if None in runs else ""
    return (
        f"Runs per row: {escape(known)}{rest}. A figure of several runs counts as one run's wherever one of two rows "
        "has no scatter."
    )


def _differences(judged: JudgedTable) -> list[str]:
    table, compared = judged.table, list(judged.compared.values())
    if not compared:
        return ["## Differences", "No two rows with figures are compared."]
    rows = [
        {
            "Row": escape(one.row),
            "Against": escape(one.against),
            **_column(table, one.column),
            "Figures, %": f"{one.ours} against {one.theirs}",
            "Difference, points": _difference(one),
            "p": _p(one.p),
            "Verdict": f"**{one.standing}**",
            "Why": escape(one.why),
        }
        for one in compared
    ]
    corrected = pluralise(judged.n_corrected, "comparison")
    return [
        "## Differences",
        _summary(table, compared),
        _table(rows),
        _HOW_TO_READ.format(n=corrected, alpha=ALPHA) if judged.n_corrected else "",
    ]


def _table(rows: list[dict[str, str]]) -> str:
    return markdown_table(list(rows[0]), [list(row.values()) for row in rows])


def _column(table: FigureTable, key: str | None) -> dict[str, str]:
    """The cell that names a column; none where rows are compared in one column only."""
    if len(table.compared) == 1:
        return {}
    return {"Column": escape(table.columns[key].name) if key else MISSING}


def _summary(table: FigureTable, compared: Sequence[Compared]) -> str:
    """Of 62 comparisons with lora, 29 stand, 29 of them worse: ..."""
    against = (
        f" with {escape(table.against)}" if all(one.against == table.against for one in compared) else ""
    )
    counts = []
    for standing in _STANDINGS:
        if n := sum(one.standing == standing for one in compared):
            counts.append(f"{n} {_IN_A_COUNT[standing][n > 1]}")
    text = f"Of {pluralise(len(compared), 'comparison')}{against}: {', '.join(counts)}."
    for side, group in (
        ("above", [one for one in compared if one.is_better]),
        ("below", [one for one in compared if one.difference and one.difference.mean < 0]),
    ):
        n = sum(one.standing == "stands" for one in group)
        if group:
            verb = "stand" if n > 1 else "stands"
            text += f" Of {len(group)} {side} the row they are compared with, {n or 'none'} {verb}."
    named = {name for one in compared for name in (one.row, one.against)}
    if alone := [name for name in table.rows if name not in named]:
        text += f" Not compared: {escape(join(alone))}."
    return text


def _difference(one: Compared) -> str:
    d = one.difference
    return points_between(d.mean, d.low, d.high) if d else MISSING


def _p(p: tuple[float, float] | None) -> str:
    if p is None:
        return MISSING
    low, high = (f"{value:.3f}" if value >= 0.001 else "<0.001" for value in p)
    return low if low == high else f"{low} to {high}"


def _claims(judged: JudgedTable, name: str) -> list[str]:
    """The claims by the published figures, those on times too where the table is one of single runs."""
    rows = [
        {
            "No.": one.claim.id,
            "Claim": escape(one.claim.text),
            "Rows": f"{escape(one.claim.row)} against {escape(one.claim.against)}",
            **_column(judged.table, one.column),
            "Finding": f"**{one.finding}**",
            "Why": escape(one.why),
        }
        for one in judged.claims
    ]
    single_runs = single_run_table(name)
    of_times = [c for c in single_runs.claims if c.metric == "training time"] if single_runs else []
    found = judge_published(single_runs) if single_runs else {}
    rows += [
        {
            "No.": claim.id,
            "Claim": escape(claim.text),
            "Rows": f"{escape(claim.row)} against {escape(claim.against)}",
            "Finding": f"**{found[claim.id].finding}**",
            "Why": escape(found[claim.id].why),
        }
        for claim in of_times
    ]
    return ["## Claims, by the published figures", _table(rows)] if rows else []


def _visible(judged: JudgedTable) -> list[str]:
    """How far a row must lie from the one that rows are compared with, in each column that is a share of items."""
    table = judged.table
    rows = []
    for key in table.compared:
        n, reference = table.columns[key].of_items, _reference(judged, key)
        if n is None or reference is None:
            continue
        figure = table.rows[reference].figures[key]
        right = counts_of(
            figure if table.columns[key].metric == "accuracy" else 100 - figure, n, averaged=True
        )
        cells = [
            _apart(visible(right[len(right) // 2], n, m, pairing))
            for m in (1, max(1, judged.n_corrected))
            for pairing in _PAIRINGS
        ]
        about = {
            **_column(table, key),
            "Items": f"{n:,}",
            "From": f"{escape(reference)} ({figure})",
        }
        rows.append(about | dict(zip(_headers(judged.n_corrected), cells, strict=True)))
    if not rows:
        return []
    return [
        "## Smallest visible difference",
        _table(rows),
        f"Points that a row must lie above / below to stand with p < {ALPHA}: as the only comparison, and as the first "
        "of all of them by Holm's method, in the kindest and in the harshest pairing.",
    ]


def _headers(n_corrected: int) -> list[str]:
    first = f"First of {n_corrected}"
    return ["Alone, kindest", "Alone, harshest", f"{first}, kindest", f"{first}, harshest"]


_PAIRINGS: tuple[Pairing, ...] = (kindest, harshest)


def _reference(judged: JudgedTable, column: str) -> str | None:
    """The row that most others are compared with in a column."""
    others = [one.against for one in judged.compared.values() if one.column == column]
    return max(others, key=others.count, default=None)


def _apart(found: Visible) -> str:
    above, below = (
        MISSING if value is None else f"{100 * value:.2f}" for value in (found.above, found.below)
    )
    return f"{above} / {below}"


def _errata(table: FigureTable) -> list[str]:
    found = inconsistencies(table)
    lines = [f"- **{escape(join(one.rows))}**: {escape(one.text)}" for one in found]
    return ["## What does not add up", "\n".join(lines) or "Nothing found."]


def _ours(judged: JudgedTable, name: str, label: str, results: Results) -> list[str]:
    found = answers(judged, single_run_table(name), results)
    title = f"## Claims, by our runs: {escape(label)}"
    study = results.study
    model = study.row(study.baseline).recipe.model
    seeds = pluralise(len(study.seeds), "seed")
    setting = f"Model {escape(model)}, data {escape(study.dataset.name)}, {seeds}, {_rates(study)}"
    if not found:
        return [title, f"{setting}: it has no two rows that a claim is about."]
    headers = ["No.", "Claim", "Our rows", "Effect", "p", "Finding", "Why"]
    return [
        title,
        f"{setting}: another model and other data than the source's unless they are the same. Corrected together with "
        "the study's verdicts.",
        markdown_table(headers, [_our_row(one) for one in found]),
    ]


def _rates(study: Study) -> str:
    fields = sorted({field for tuned in study.tuned for field in tuned.values})
    return f"{escape(join(fields))} chosen for each row on validation data" if fields else "rows not tuned"


def _our_row(one: OurAnswer) -> list[str]:
    claim, d, ratio = one.claim, one.judged.difference, one.judged.ratio
    effect = points_between(d.mean, d.low, d.high) if d else MISSING
    if ratio:
        effect = f"{ratio.ratio:.2f} times ({ratio.low:.2f} to {ratio.high:.2f})"
    why = escape(one.judged.why)
    if one.sizes_agree is not None:
        why += f"; the published size is {'' if one.sizes_agree else 'not '}compatible with ours"
    rows = f"{escape(claim.row)} against {escape(claim.against)}"
    return [claim.id, escape(claim.text), rows, effect, _p(one.judged.p), f"**{one.judged.finding}**", why]
