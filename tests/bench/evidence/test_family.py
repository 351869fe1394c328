"""One family: what rows and claims ask of one pair of recipes is one test."""

from dataclasses import replace
from types import ModuleType

import pytest

from bench.evidence.claims import judge_claims
from bench.evidence.comparison import compare_rows
from bench.evidence.decide import decide
from bench.evidence.family import judge_family
from bench.evidence.results import Results, RowResult
from bench.evidence.verdicts import judge


def against(result: RowResult, name: str, weight: float | None = None) -> RowResult:
    return replace(result, row=result.row.model_copy(update={"against": name, "weight": weight}))


def spread(start: int, number: int) -> list[range]:
    return [range(start + seed, start + seed + number + seed) for seed in range(3)]


@pytest.fixture
def results(rows: ModuleType) -> Results:
    """Rows of the published study: three of four claims on them are also verdicts, one the other way round."""
    made = [
        rows.make_row("baseline", spread(0, 15)),
        against(rows.make_row("first-token", spread(0, 29)), "baseline"),
        against(rows.make_row("last-two-blocks", spread(4, 14)), "baseline"),
        against(rows.make_row("all-layers", spread(8, 16)), "baseline"),
    ]
    found: Results = rows.make_results(*made)
    return found


def test_a_claim_and_a_verdict_on_one_pair_have_one_p(results: Results) -> None:
    """Fault E6: they were two families, so one difference was "undecided" here and "holds" there."""
    claims = {one.claim.id: one.ours for one in judge_claims(results)}
    assert set(claims) >= {"1", "3", "4a", "4c"}
    verdicts = judge(results)
    for claim, row in (("1", "first-token"), ("3", "last-two-blocks"), ("4a", "all-layers")):
        assert claims[claim].p == (verdicts[row].p_holm, verdicts[row].p_holm)
    found = claims["1"].difference  # the baseline against the first token: the verdict's other way round
    assert found is not None
    assert found.mean == -verdicts["first-token"].difference.mean
    assert (found.low, found.high) == (
        -verdicts["first-token"].difference.high,
        -verdicts["first-token"].difference.low,
    )


def test_the_family_holds_each_pair_once(results: Results) -> None:
    pairs = [
        ("first-token", "baseline"),
        ("last-two-blocks", "baseline"),
        ("all-layers", "baseline"),
        ("all-layers", "last-two-blocks"),  # of claim 4c alone
    ]
    compared = {}
    for row, other in pairs:
        compared[row, other] = compare_rows(results.row(row), results.row(other))
        assert compared[row, other]
    expected = decide({key: c for key, c in compared.items() if c}, results.margin)
    family = judge_family(results)
    assert len(family.decisions) == 4
    for (row, other), decision in expected.items():
        found = family.of(row, other)
        assert found is not None
        assert (found.p_holm, found.call) == (decision.p_holm, decision.call)
        back = family.of(other, row)
        assert back is not None
        assert back.estimate.value == -found.estimate.value
    assert family.of("first-token", "all-layers") is None


def test_a_row_of_more_weight_has_the_larger_share(results: Results) -> None:
    light = judge(results)["first-token"].p_holm
    heavy = [against(row, "baseline", 9.0) if row.name == "first-token" else row for row in results.rows]
    weighted = judge(replace(results, rows=tuple(heavy)))
    assert weighted["first-token"].p_holm == pytest.approx(light * (12 / 9) / 4)
    assert weighted["all-layers"].p_holm >= judge(results)["all-layers"].p_holm
