"""The claims of a published table judged by the runs of a study of ours that asks the same."""

from __future__ import annotations

from dataclasses import dataclass

from bench.evidence.claims import Judged, judge_ours
from bench.evidence.published_judge import JudgedTable
from bench.evidence.results import Results
from bench.published.figures import TableClaim
from bench.published.table import Claim, PublishedTable


@dataclass(frozen=True)
class OurAnswer:
    """What a study says of a claim: id and text of the claim, our two rows, and the judgement."""

    id: str
    text: str
    row: str
    against: str
    judged: Judged


def answers(judged: JudgedTable, single_runs: PublishedTable | None, results: Results) -> list[OurAnswer]:
    """Every claim of which both of our rows are in the study, with what its runs say.

    single_runs: the table of single runs by that name, whose claims on times are judged too; None for others.
    """
    names = {result.name for result in results.rows}
    claims = [claim for one in judged.table.claims if (claim := _claim(one))]
    if single_runs is not None:
        claims += [claim for claim in single_runs.claims if claim.metric == "training time"]
    shown = [claim for claim in claims if {claim.row, claim.against} <= names]
    found = judge_ours(shown, results, _sizes(judged))
    return [OurAnswer(claim.id, claim.text, claim.row, claim.against, found[claim.id]) for claim in shown]


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


def _sizes(judged: JudgedTable) -> dict[str, float]:
    """Claim id -> the largest published difference, a share, of those in its columns."""
    sizes: dict[str, float] = {}
    for one in judged.claims:
        if one.compared and one.compared.difference:
            mean = one.compared.difference.mean
            sizes[one.claim.id] = max(sizes.get(one.claim.id, 0.0), mean, key=abs)
    return sizes
