"""The claims of a published table judged by the runs of a study of ours that asks the same."""

from __future__ import annotations

from dataclasses import dataclass

from bench.evidence.claims import ClaimResult, Judged, judge_ours
from bench.evidence.published_judge import JudgedTable
from bench.evidence.results import Results
from bench.evidence.student import Difference
from bench.published.figures import TableClaim
from bench.published.table import Claim, PublishedTable


@dataclass(frozen=True)
class OurAnswer:
    """What a study says of a claim on our two rows.

    sizes_agree: whether the claimed size, else the largest published difference, is one that ours may have; None
    where the source gives none or nothing was measured.
    """

    claim: Claim
    judged: Judged
    sizes_agree: bool | None


def answers(judged: JudgedTable, single_runs: PublishedTable | None, results: Results) -> list[OurAnswer]:
    """Every claim of which both of our rows are in the study, with what its runs say.

    single_runs: the table of single runs by that name, whose claims on times are judged too; None for others.
    """
    names = {result.name for result in results.rows}
    claims = [claim for one in judged.table.claims if (claim := _claim(one))]
    if single_runs is not None:
        claims += [claim for claim in single_runs.claims if claim.metric == "training time"]
    shown = [claim for claim in claims if {claim.row, claim.against} <= names]
    published = _published(judged)
    found = judge_ours(shown, results, {name: one.mean for name, one in published.items()})
    return [
        OurAnswer(claim, found[claim.id], _sizes_agree(claim, published.get(claim.id), found[claim.id]))
        for claim in shown
    ]


def _sizes_agree(claim: Claim, published: Difference | None, ours: Judged) -> bool | None:
    return ClaimResult(claim, Judged("undecided", "", difference=published), ours).sizes_agree


def _claim(claim: TableClaim) -> Claim | None:
    """The claim on our rows; None where no rows of ours ask the same."""
    if claim.ours is None:
        return None
    row, against = claim.ours
    return Claim(
        id=claim.id,
        text=claim.text,
        row=row,
        against=against,
        metric="test accuracy",
        direction=claim.direction,
        points=claim.points,
    )


def _published(judged: JudgedTable) -> dict[str, Difference]:
    """Claim id -> the largest published difference of those in its columns."""
    found: dict[str, Difference] = {}
    for one in judged.claims:
        if one.compared and (difference := one.compared.difference):
            larger = max(found.get(one.claim.id, difference), difference, key=lambda d: abs(d.mean))
            found[one.claim.id] = larger
    return found
