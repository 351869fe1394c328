"""The claims of a published table judged by the runs of a study of ours that asks the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from bench.evidence.claims import ClaimResult, Judged, judge_ours
from bench.evidence.published_judge import JudgedTable
from bench.evidence.results import Results
from bench.evidence.student import Difference
from bench.published.figures import Side, TableClaim
from bench.published.table import Claim, PublishedTable
from bench.records.study import Row
from gptcore.methods.spelling import spell_out
from gptcore.recipe import Recipe


@dataclass(frozen=True)
class OurAnswer:
    """What a study says of a claim on two of its rows; a claim has one for each pair of rows that asks it.

    sizes_agree: whether the claimed size, else the largest published difference, is one that ours may have; None
    where the source gives none or nothing was measured.
    """

    claim: Claim
    judged: Judged
    sizes_agree: bool | None


def answers(judged: JudgedTable, single_runs: PublishedTable | None, results: Results) -> list[OurAnswer]:
    """What the study's runs say of every claim that two of its rows or more are about, in the order of the claims.

    single_runs: the table of single runs by that name, whose claims on times are judged too; None for others.
    """
    shown = [_claim(claim, *pair) for claim in judged.table.claims for pair in _pairs(claim.ours, results)]
    names = {result.name for result in results.rows}
    if single_runs is not None:
        times = (claim for claim in single_runs.claims if claim.metric == "training time")
        shown += [claim for claim in times if {claim.row, claim.against} <= names]
    published = _published(judged)
    found = judge_ours(shown, results, {name: one.mean for name, one in published.items()})
    return [
        OurAnswer(claim, one, _sizes_agree(claim, published.get(claim.id), one))
        for claim, one in zip(shown, found, strict=True)
    ]


def _pairs(ours: list[tuple[Side, Side]], results: Results) -> Iterator[tuple[str, str]]:
    """The names of the study's rows that ask a claim: `row` and `against`."""
    names = {result.name for result in results.rows}
    for row, against in ours:
        if isinstance(row, str) and isinstance(against, str):
            if {row, against} <= names:
                yield row, against
        elif isinstance(row, dict) and isinstance(against, dict):
            yield from _alike(spell_out(row), spell_out(against), results)


def _alike(row: dict[str, Any], against: dict[str, Any], results: Results) -> Iterator[tuple[str, str]]:
    """Rows with these values that agree in every other field that matters to both, but for values chosen per row.

    Where several do on one model and with the same other values, as LoRA of each rank does against all layers, only
    the first pair counts: a study's baseline comes first.
    """
    chosen = {field for tuned in results.study.tuned for field in tuned.values}
    free = row.keys() | against.keys() | chosen
    seen = []
    for ours, theirs in product(_with(row, results), _with(against, results)):
        mine, other = ours.recipe, theirs.recipe
        rest = {name for name in mine.relevant if name in other.relevant} - free
        values = {name: getattr(mine, name) for name in rest}
        setting = (mine.model, other.model, values)
        if values == {name: getattr(other, name) for name in rest} and setting not in seen:
            seen.append(setting)
            yield ours.name, theirs.name


def _with(values: dict[str, Any], results: Results) -> list[Row]:
    """The rows whose recipes have these values, as far as the study's models allow them."""
    wanted = Recipe(**values)
    return [
        result.row
        for result in results.rows
        if not result.row.excluded
        and all(getattr(result.row.recipe, name) == getattr(wanted, name) for name in values)
    ]


def _sizes_agree(claim: Claim, published: Difference | None, ours: Judged) -> bool | None:
    return ClaimResult(claim, Judged("undecided", "", difference=published), ours).sizes_agree


def _claim(claim: TableClaim, row: str, against: str) -> Claim:
    """The claim on two rows of ours."""
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
