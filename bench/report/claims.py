"""The published claims next to the findings of this study, and inconsistencies in the source, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.evidence.claims import ClaimResult, Judged, judge_claims, published_difference
from bench.evidence.holm import ALPHA
from bench.evidence.published_errata import inconsistencies
from bench.evidence.published_judge import Finding
from bench.evidence.results import Results
from bench.evidence.stats import wilson
from bench.published.judged import as_figures
from bench.published.table import Claim, PublishedTable
from bench.report.tables import section
from bench.report.text import MISSING, escape, interval, join, percent, points, points_between

_IN_A_COUNT: dict[Finding, str] = {
    "holds": "hold",
    "contradicted": "contradicted",
    "undecided": "not decidable",
    "not run": "not run",
}
_HOW_TO_READ = """\
*Published*: both test accuracies in percent, each with its 95% Wilson interval for {n} messages, and their difference \
in points. Which messages each row got right is not published, so the difference has the widest interval, and *p* the \
range, that any pairing of the two rows' answers gives (McNemar's exact test); a claim holds only if the largest p \
is below {alpha}. *Here*: means over the seeds, with the paired 95% interval. Every p is corrected by Holm's \
method: the published ones over the claims on accuracy, ours over these and the verdicts together, so that a pair of \
rows has one answer in a report; the intervals are each claim's own. A claimed size is compared with ours with the \
errors of both. Published times are single runs in minutes with the ratios that their rounding allows; times here are \
of the conventional loop only (`--engine plain`), which is what the claims are about, corrected over the claims on \
times. One run per row says nothing about other seeds: a claim that holds in the published figures holds for those two \
trained models."""


def claims_section(results: Results) -> list[str]:
    """The claims whose rows are in the study and the source's errata; nothing for other data or other rows."""
    table, judged = results.table, judge_claims(results)
    if table is None or not judged:
        return []
    headers = [
        "No.",
        "Claim",
        "Published",
        "Do the published figures show it?",
        "Here",
        "Does this study show it?",
    ]
    rows = [
        [
            one.claim.id,
            f"{escape(one.claim.text)} ({escape(one.claim.row)} against {escape(one.claim.against)})",
            _published_figures(one, table),
            _published_verdict(one),
            _our_figures(one, results),
            _our_verdict(one, table),
        ]
        for one in judged
    ]
    return [
        section(results, "The published claims", headers, rows, "llllll"),
        _summary(judged, results, len(table.of_accuracy)),
        _HOW_TO_READ.format(n=table.n_test, alpha=ALPHA),
        *_errata(results),
    ]


def _summary(judged: Sequence[ClaimResult], results: Results, n_compared: int) -> str:
    """Counts of the findings, and the published differences that hold for every pairing."""
    model = results.study.row(results.study.baseline).recipe.model
    standing = [one for one in judged if one.published.p and one.published.p[1] < ALPHA]
    perhaps = [one for one in judged if one.published.p and one.published.p[0] < ALPHA <= one.published.p[1]]
    text = (
        f"Of {len(judged)} claims, by the published figures: {_counts([one.published for one in judged])}; by this "
        f"study, whose baseline is {escape(model)}: {_counts([one.ours for one in judged])}. "
        f"After Holm's correction over all {n_compared} published comparisons of accuracy, "
    )
    stand = "stands" if len(standing) == 1 else "stand"
    text += (
        f"{_named(standing)} {stand} whichever messages each row got right"
        if standing
        else "none of these stands"
    )
    if perhaps:
        text += (
            f"; {_named(perhaps)} would under the most favourable pairing, which the source does not report"
        )
    return text + "."


def _counts(findings: Sequence[Judged]) -> str:
    found = Counter(one.finding for one in findings)
    return ", ".join(f"{found[finding]} {words}" for finding, words in _IN_A_COUNT.items() if found[finding])


def _named(judged: Sequence[ClaimResult]) -> str:
    return join(
        f"{one.claim.id} ({escape(one.claim.row)} against {escape(one.claim.against)})" for one in judged
    )


def _published_figures(one: ClaimResult, table: PublishedTable) -> str:
    row, against = table.rows[one.claim.row], table.rows[one.claim.against]
    if one.published.ratio:
        return f"{row.minutes_a100:.2f} against {against.minutes_a100:.2f} min: {_effect(one.published)}"
    shares = [published.test_acc / 100 for published in (row, against)]
    both = [f"{percent(share)} ({interval(wilson(share, table.n_test))})" for share in shares]
    return f"{both[0]} against {both[1]}: {_effect(one.published)}"


def _our_figures(one: ClaimResult, results: Results) -> str:
    row, against = results.row(one.claim.row), results.row(one.claim.against)
    if one.ours.finding == "not run":
        return MISSING
    if one.ours.ratio:
        return _effect(one.ours)
    both = [percent(result.accuracy()) for result in (row, against)]
    return f"{both[0]} against {both[1]}" + (f": {_effect(one.ours)}" if one.ours.difference else "")


def _effect(judged: Judged) -> str:
    if judged.difference:
        return points_between(judged.difference.mean, judged.difference.low, judged.difference.high)
    if judged.ratio:
        r = judged.ratio
        return f"{r.ratio:.2f} times ({r.low:.2f} to {r.high:.2f})"
    return MISSING


def _published_verdict(one: ClaimResult) -> str:
    return _verdict(one.claim, one.published, {"undecided": "not decidable from the published data"})


def _our_verdict(one: ClaimResult, table: PublishedTable) -> str:
    text = _verdict(one.claim, one.ours, {})
    agree, claim = one.sizes_agree, one.claim
    if agree is None:
        return text
    if claim.metric == "training time":
        size = f"the stated {claim.times:g} times"
    elif claim.points is not None:
        size = f"the stated {claim.points:g} {'point' if claim.points == 1 else 'points'}"
    else:
        size = f"the published {points(published_difference(claim, table))}"
    return f"{text}; {size} is {'' if agree else 'not '}compatible with ours"


def _verdict(claim: Claim, judged: Judged, words: dict[Finding, str]) -> str:
    text = f"**{words.get(judged.finding, judged.finding)}**"
    if judged.p and claim.direction != "equal":
        text += f" ({_p(judged.p)})"
    return f"{text}: {escape(judged.why)}"


def _p(p: tuple[float, float]) -> str:
    low, high = (f"{value:.3f}" if value >= 0.001 else "<0.001" for value in p)
    return f"p {low}" if low == high else f"p {low} to {high}"


def errata(results: Results) -> list[tuple[str, str]]:
    """Inconsistencies in the source about rows of this study: the rows and the text, unescaped."""
    if results.table is None:
        return []
    table = results.table.of_rows({result.name for result in results.rows})
    found = inconsistencies(as_figures(table)) if table.rows else []
    return [(_numbered(one.rows, table), one.text) for one in found]


def _errata(results: Results) -> list[str]:
    lines = [f"- **{escape(about)}**: {escape(text)}" for about, text in errata(results)]
    return ["### Inconsistencies in the source", "\n".join(lines)] if lines else []


def _numbered(names: Sequence[str], table: PublishedTable) -> str:
    return f"Row{'s' if len(names) > 1 else ''} " + join(f"{table.rows[name].row} ({name})" for name in names)
