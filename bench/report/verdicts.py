"""The verdicts of a report, as Markdown: each row against its reference, and the meaning of each word."""

from __future__ import annotations

from bench.evidence.alike import ALIKE, Alike, init_and_order
from bench.evidence.cut import cut_rows
from bench.evidence.design import design_of
from bench.evidence.holm import ALPHA
from bench.evidence.looks import repeated_looks
from bench.evidence.metric import ACCURACY
from bench.evidence.paired import Ratio
from bench.evidence.results import Results
from bench.evidence.unsteady import are_many, unsteady_rows
from bench.evidence.variance import components, confounded, independent
from bench.evidence.verdicts import Verdict, judge
from bench.report.cut import MARK, cut_sentences
from bench.report.groups import groups_note
from bench.report.looks import looks_section
from bench.report.outlook import design_note, margin_note, open_section
from bench.report.tables import section
from bench.report.text import MISSING, escape, join, p_value, percent, sentence
from bench.report.tuning import warnings_of
from bench.report.units import unit_of

_MEANINGS = """\
*Better* and *worse*: the recipe {is_better}, over other seeds and test texts than these; the chance that \
any such word in this report is wrong is about {alpha}. *No difference > {margin}*: a difference of {margin} or more, \
in either direction, is ruled out, with a chance of about {alpha} of its own that any such word is wrong. \
*Undecided*: neither can be concluded yet."""
_OF_MODELS = """\
*Model better* and *model worse* are about the models that were trained here, on texts like these; a recipe gives \
another model with every seed, and with fewer than three seeds nothing can be said about recipes."""
_HOW_TO_READ = """\
The *difference* is the mean over the seeds that both rows have finished, with a 95% interval over seeds and test \
examples (unadjusted: one in twenty misses). *Holm p* decides: the p-value of no difference, adjusted for all \
comparisons of the study{claims}. *Time* is the geometric mean of the ratios of standalone times, with its 95% \
interval over the seeds. Methods and simulated error rates: docs/evidence.md."""
_DEPENDENT = (
    "The seeds of this study vary one thing at a time, which shows the causes of their variation; they are not "
    "independent, so the intervals are too narrow, and no row is called better or worse."
)


def verdicts_section(results: Results) -> str:
    """The table of verdicts, near the top of a report; empty where no two rows can be compared."""
    verdicts = judge(results)
    if not verdicts:
        return ""
    tests = independent(results.study.seeds)
    cut = cut_rows(results)
    unit = unit_of(results.metric)
    rows = [
        _cells(verdict, tests, bool(cut.keys() & {verdict.row, verdict.against}))
        for verdict in verdicts.values()
    ]
    headers = ["Row", "Against", "Verdict", unit.difference_column, "95% interval", "Holm p"]
    headers += ["Seeds", "Time", "95% interval of time"]
    table = section(results, f"Verdicts{unit.by}", headers, rows, "lll" + "r" * (len(headers) - 3))
    looks = looks_section(results, verdicts) if tests else []
    explained = _explanations(results, verdicts)
    return "\n\n".join([table, *explained, *looks, *open_section(results, verdicts)])


def scatter_section(results: Results) -> str:
    """The variation between seeds and its causes; empty unless a row has finished several seeds."""
    seeds = results.study.seeds
    n = _seeds_of_most(results)
    seeds = seeds[:n]
    rows = [
        result
        for result in results.finished
        if n > 1 and result.has_all(n) and results.first_with_recipe(result) is result
    ]
    found = components(seeds, [result.accuracies()[:n] for result in rows])
    if not found:
        return ""
    fixed = [kind for kind in ("init", "order", "split") if all(kind not in c.kinds for c in found)]
    parts = [f"{join(c.kinds)} {_spread(c.variance)}" for c in found]
    lines = [
        f"Standard deviation of the test accuracy, in points, pooled over {len(rows)} rows: {'; '.join(parts)}."
    ]
    if len(found) > 1:
        total = sum(c.variance for c in found)
        shares = [f"{join(c.kinds)} {percent(c.variance / total, 0)}%" for c in found if total]
        lines.append(f"Of the variance: {', '.join(shares)}. From so few seeds these are rough estimates.")
    if together := [join(group) for group in confounded(seeds) if len(group) > 1]:
        lines.append(
            f"Here {' and '.join(together)} change together, so their shares cannot be separated; "
            "`--vary init --vary order --vary split` varies one at a time."
        )
    if fixed:
        lines.append(f"Held fixed: {join(fixed)}. Other values might change the verdicts.")
    tables = [result.accuracies()[:n] for result in rows]
    if alike := init_and_order(seeds, tables, results.study.dataset.n_test):
        lines.append(_alike(alike))
    if any("split" in c.kinds for c in found):
        lines.append(
            "Seeds with different splits are tested on different examples, which adds to their variation."
        )
    return "## Variation between seeds\n\n" + " ".join(lines)


def _alike(found: Alike) -> str:
    """The claim that start values and order scatter alike, and what this study says of it."""
    words = {
        "holds": f"holds here: they differ by less than a factor of {ALIKE:g}",
        "contradicted": "is contradicted here",
        "undecided": "is undecided here",
    }
    return (
        "Dodge et al. (2020) report that start values and order contribute comparably; that "
        f"{words[found.finding]}: the standard deviation over start values is {found.ratio:.2f} times that over orders "
        f"(95% interval {found.low:.2f} to {found.high:.2f}, {found.n_rows} rows)."
    )


def _seeds_of_most(results: Results) -> int:
    """How many seeds tell most of their variation: all, or where rows have their own numbers, those of a look."""
    looks = [look.seeds for look in results.study.scheme or []]
    counts = [n for n in looks if n <= len(results.study.seeds)] or [len(results.study.seeds)]
    return max(counts, key=lambda n: (n - 1) * sum(result.has_all(n) for result in results.finished))


def warnings_section(results: Results) -> str:
    """See `warnings_of`."""
    lines = [f"- {sentence(warning)}" for warning in warnings_of(results)]
    return "\n\n".join(["## Warnings", "\n".join(lines)]) if lines else ""


def unsteady_note(results: Results) -> str:
    """A warning if the seeds of some rows are widely spread or skewed; else empty. Plain text."""
    rows = unsteady_rows(results)
    if not rows:
        return ""
    unit = unit_of(results.metric)
    each = join(
        f"{name} ({unit.lowest} {unit.score(found.lowest)}, median {unit.score(found.median)})"
        for name, found in rows.items()
    )
    text = (
        f"Rows with widely spread or skewed seeds: {each}. A few seeds do not show how often such a row fails, so its "
        "mean and verdict are less certain than the interval suggests"
    )
    if are_many(results, rows):
        text += (
            ". Some rows scatter widely here while others are steady: of simulated studies like that, more than 5% "
            "had a false verdict (docs/error-rates.md)"
        )
    return text


def _cells(verdict: Verdict, tested: bool, cut: bool) -> list[str]:
    unit = unit_of(verdict.metric)
    return [
        escape(verdict.row),
        escape(verdict.against),
        said(verdict) + (f" {MARK}" if cut else ""),
        unit.signed(verdict.difference.mean),
        unit.interval(verdict.difference),
        p_value(verdict.p_holm) if tested and verdict.has_enough_groups else MISSING,
        str(verdict.n_seeds),
        MISSING if verdict.time is None else f"{verdict.time.ratio:.2f} ×",
        _ratio_interval(verdict.time),
    ]


def _explanations(results: Results, verdicts: dict[str, Verdict]) -> list[str]:
    of_models = [verdict for verdict in verdicts.values() if not verdict.is_of_recipes]
    has_claims = results.metric is ACCURACY and any(result.claimed for result in results.rows)
    claims = " and of its published claims" if has_claims else ""
    unit = unit_of(results.metric)
    meanings = _MEANINGS.format(
        alpha=f"{ALPHA:.0%}", margin=unit.margin(results.margin), is_better=unit.is_better
    )
    lines = [meanings]
    if of_models and independent(results.study.seeds):
        lines = (
            [models_note(of_models), *lines, _OF_MODELS]
            if len(of_models) < len(verdicts)
            else [models_note(of_models), _OF_MODELS]
        )
    design = design_of(results.study, results.metric)
    lines.append(f"{margin_note(results)} {design_note(design, len(results.study.seeds))}".strip())
    if note := groups_note(verdicts):
        lines.append(f"**{sentence(note)}**")
    if note := unsteady_note(results):
        lines.append(f"**{sentence(note)}**")
    lines.append(_HOW_TO_READ.format(claims=claims))
    if again := repeated_looks(results.study):
        lines.insert(0, f"**{sentence(again)}**")
    if not independent(results.study.seeds):
        lines.append(_DEPENDENT)
    if cut := cut_sentences(results):
        lines.insert(0, f"{MARK} {escape(' '.join(cut))}")
    return lines


def models_note(of_models: list[Verdict]) -> str:
    """The trained models that differ, if one or two seeds say nothing about recipes."""
    found = {
        side: [escape(verdict.row) for verdict in of_models if verdict.call == f"model {side}"]
        for side in ("better", "worse")
    }
    parts = [
        f"{side} than {'its' if len(names) == 1 else 'their'} reference: {join(names)}"
        for side, names in found.items()
        if names
    ]
    finding = (
        f"these trained models differ ({'; '.join(parts)})"
        if parts
        else "no two trained models can be distinguished"
    )
    counts = sorted({verdict.n_seeds for verdict in of_models})
    seeds = "one seed" if counts == [1] else "two seeds" if counts == [2] else "one or two seeds"
    return f"**With {seeds}, {finding}; recipes need three seeds or more.**"


def said(verdict: Verdict) -> str:
    """The verdict's word, with the lowest seed of a row that fails."""
    unit = unit_of(verdict.metric)
    text = (
        f"no difference > {unit.margin(verdict.margin)}" if verdict.call == "no difference" else verdict.call
    )
    text = f"**{text}**" if verdict.call not in ("undecided", "no difference") else text
    if verdict.unsteady is None:
        return text
    return f"{text} ({unit.lowest} seed {unit.score(verdict.unsteady.lowest)})"


def _ratio_interval(ratio: Ratio | None) -> str:
    if ratio is None or ratio.low == 0:
        return MISSING
    return f"{ratio.low:.2f} to {ratio.high:.2f}"


def _spread(variance: float) -> str:
    return f"{100 * variance**0.5:.2f}"
