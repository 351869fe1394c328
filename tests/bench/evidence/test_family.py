"""One family: what rows and claims ask of one pair of recipes is one test."""

from dataclasses import replace
from types import ModuleType

import pytest

from bench.evidence.claims import judge_claims
from bench.evidence.comparison import compare_rows
from bench.evidence.decide import decide
from bench.evidence.family import judge_family
from bench.evidence.holm import ALPHA
from bench.evidence.results import Results, RowResult
from bench.evidence.verdicts import judge
from tests.bench import toys


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


def not_begun(results: Results, *names: str) -> Results:
    rows = [replace(row, runs=()) if row.name in names else row for row in results.rows]
    return replace(results, rows=tuple(rows))


def test_what_has_not_begun_counts_in_the_family(results: Results) -> None:
    """A word that a row gets early would else not survive the rows that follow."""
    early = judge_family(not_begun(results, "last-two-blocks", "all-layers"))
    found = early.of("first-token", "baseline")
    assert found is not None
    assert len(early.decisions) == 1
    assert found.p_holm == pytest.approx(min(1.0, 4 * found.p))  # three rows and a claim
    assert found.differ_share == (0.25 if found.p_holm > ALPHA else 1.0)


def test_rows_that_cannot_run_do_not_count(results: Results) -> None:
    whole = not_begun(results, "last-two-blocks", "all-layers")
    skipped = toys.make_record(status="skipped", reason="too large")
    rows = [replace(row, runs=(skipped,)) if not row.runs else row for row in whole.rows]
    found = judge_family(replace(whole, rows=tuple(rows))).of("first-token", "baseline")
    assert found is not None
    assert found.p_holm == found.p


def test_a_word_stays_when_the_rest_of_the_rows_arrive(rows: ModuleType) -> None:
    """The first row's p is below 5% by itself, and above it among 21 rows: it has no word early or late."""
    made = [rows.make_row("base", [range(30), range(31), range(32)])]
    made += [
        against(rows.make_row(f"row {n}", [range(n, n + 38 + (n * s) % 5) for s in range(3)]), "base")
        for n in range(20)
    ]
    whole = replace(rows.make_results(*made), table=None)
    words = {}
    for n_begun in (1, 5, 20):
        results = not_begun(whole, *(f"row {n}" for n in range(n_begun, 20)))
        words[n_begun] = {
            key for key, one in judge_family(results).decisions.items() if one.call != "undecided"
        }
        alone = [one.p for one in judge_family(results).decisions.values()]
        assert any(p <= ALPHA for p in alone)  # a family of the rows so far would give a word to some
    assert words[1] <= words[5] <= words[20]


def test_a_row_of_more_weight_has_the_larger_share(results: Results) -> None:
    light = judge(results)["first-token"].p_holm
    heavy = [against(row, "baseline", 9.0) if row.name == "first-token" else row for row in results.rows]
    weighted = judge(replace(results, rows=tuple(heavy)))
    assert weighted["first-token"].p_holm == pytest.approx(light * (12 / 9) / 4)
    assert weighted["all-layers"].p_holm >= judge(results)["all-layers"].p_holm
