"""The verdicts of a report, as Markdown: each row against the row it is compared with, and what each word means."""

from __future__ import annotations

from bench.evidence.cut import cut_rows
from bench.evidence.looks import repeated_looks
from bench.evidence.paired import Difference, Ratio
from bench.evidence.results import Results
from bench.evidence.variance import components, confounded, independent
from bench.evidence.verdicts import ALPHA, POWER, Verdict, judge
from bench.report.cut import MARK, cut_sentences
from bench.report.tables import titled
from bench.report.text import MISSING, escape, join, percent, points, sentence

_MEANINGS = """\
*Better* and *worse*: more and less accurate; the chance that any such word in this report is wrong is about \
{alpha} at most. *No difference larger than {margin}*: a difference of {margin} or more, either way, is ruled out \
with the same care. *Undecided*: neither can be said; *seeds needed* is how many seeds in all would decide with a \
chance of {power} if the truth is as estimated here, and {missing} that more seeds alone would not (more test \
examples might)."""
_HOW_TO_READ = """\
The *difference* is the mean over the seeds that both rows have finished, with a 95% interval over seeds and test \
examples (unadjusted: one in twenty misses). *McNemar p* pools the predictions of all seeds. *Holm p* decides: it is \
the larger p of McNemar's and the paired test, adjusted for all comparisons of the study. *Time* is the geometric \
mean of the ratios of a run on its own, with its 95% interval over the seeds. How each is computed, and how often it \
errs where the truth is known: docs/evidence.md."""
_DEPENDENT = (
    "The seeds of this study vary one thing at a time, which shows what makes them scatter; they are not "
    "independent, so the intervals are too narrow, and no row is called better or worse."
)
_ONE_SEED = "One seed shows no spread, so a row with one is undecided: three are the least that can decide."


def verdicts_section(results: Results) -> str:
    """The table of verdicts, near the top of a report; empty where no two rows can be compared."""
    verdicts = judge(results)
    if not verdicts:
        return ""
    tests = independent(results.study.seeds)
    cut = cut_rows(results)
    rows = [
        _cells(verdict, tests and verdict.n_seeds > 1, bool(cut.keys() & {verdict.row, verdict.against}))
        for verdict in verdicts.values()
    ]
    headers = ["Row", "Against", "Verdict", "Difference, points", "95% interval", "McNemar p", "Holm p"]
    headers += ["Seeds", "Seeds needed", "Time", "95% interval of time"]
    table = titled(results, "Verdicts", headers, rows, "lll" + "r" * (len(headers) - 3))
    return "\n\n".join([table, *_explanations(results, verdicts)])


def scatter_section(results: Results) -> str:
    """How far the seeds scatter, and by what; empty where no row has all of several seeds."""
    seeds = results.study.seeds
    rows = [
        result
        for result in results.finished
        if len(result.done) == len(seeds) > 1 and results.first_with_recipe(result) is result
    ]
    found = components(seeds, [result.accuracies() for result in rows])
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
            f"Here {' and '.join(together)} change together, so their shares cannot be told apart; "
            "`--vary init --vary order --vary split` varies one at a time."
        )
    if fixed:
        lines.append(f"Held fixed: {join(fixed)}. What other values would do to the verdicts is not known.")
    if any("split" in c.kinds for c in found):
        lines.append("A seed with another split is tested on other examples, which is part of its scatter.")
    return "## What the seeds change\n\n" + " ".join(lines)


def warnings_section(results: Results) -> str:
    """What the matrix was warned of: rows that change several things at once, or nothing."""
    lines = [f"- {sentence(warning)}" for warning in results.study.warnings]
    return "\n\n".join(["## Warnings", "\n".join(lines)]) if lines else ""


def _cells(verdict: Verdict, tested: bool, cut: bool) -> list[str]:
    needed = verdict.seeds_needed
    return [
        escape(verdict.row),
        escape(verdict.against),
        _said(verdict) + (f" {MARK}" if cut else ""),
        points(verdict.accuracy.mean),
        _interval(verdict.accuracy),
        _p(verdict.p_mcnemar),
        _p(verdict.p_holm) if tested else MISSING,
        str(verdict.n_seeds),
        MISSING if needed is None else str(needed),
        MISSING if verdict.time is None else f"{verdict.time.ratio:.2f} ×",
        _ratio_interval(verdict.time),
    ]


def _explanations(results: Results, verdicts: dict[str, Verdict]) -> list[str]:
    meanings = _MEANINGS.format(
        alpha=f"{ALPHA:.0%}", power=f"{POWER:.0%}", margin=_margin(results.margin), missing=MISSING
    )
    lines = [meanings, _HOW_TO_READ]
    if again := repeated_looks(results.study):
        lines.insert(0, f"**{sentence(again)}**")
    if not independent(results.study.seeds):
        lines.append(_DEPENDENT)
    elif any(verdict.n_seeds == 1 for verdict in verdicts.values()):
        lines.append(_ONE_SEED)
    if cut := cut_sentences(results):
        lines.insert(0, f"{MARK} {escape(' '.join(cut))}")
    return lines


def _said(verdict: Verdict) -> str:
    if verdict.call == "no difference":
        return f"no difference larger than {_margin(verdict.margin)}"
    return f"**{verdict.call}**" if verdict.call in ("better", "worse") else verdict.call


def _margin(margin: float) -> str:
    return f"{100 * margin:g} point" + ("" if round(100 * margin, 6) == 1 else "s")


def _interval(difference: Difference) -> str:
    return f"{points(difference.low)} to {points(difference.high)}"


def _ratio_interval(ratio: Ratio | None) -> str:
    if ratio is None or ratio.low == 0:
        return MISSING
    return f"{ratio.low:.2f} to {ratio.high:.2f}"


def _spread(variance: float) -> str:
    return f"{100 * variance**0.5:.2f}"


def _p(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"
