"""Published tables, judged: against statsmodels and scipy, by hand, and as the report on single runs judges them."""

from decimal import Decimal
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_ind_from_stats
from statsmodels.stats.multitest import multipletests

from bench.evidence.claims import judge_published
from bench.evidence.published_counts import counts_of, difference_range, nearest, p_range
from bench.evidence.published_errata import inconsistencies
from bench.evidence.published_judge import Compared, judge_table
from bench.evidence.published_visible import harshest, items_needed, kindest, visible
from bench.published.figures import FigureTable
from bench.published.judged import read_table
from bench.published.table import load_table


def table_of(
    figures: dict[str, Any], n: int | str = 1319, metric: str = "accuracy", **more: Any
) -> FigureTable:
    """One column; figures by row, as text or as a whole row."""
    rows = {
        name: value if isinstance(value, dict) else {"figures": {"test": Decimal(value)}}
        for name, value in figures.items()
    }
    column = {"name": "test", "metric": metric, "n": n}
    raw = {"title": "t", "source": "s", "seeds": 1, "columns": {"test": column}, "rows": rows} | more
    return FigureTable.model_validate(raw)


def of(table: FigureTable) -> dict[str, Compared]:
    return {one.row: one for one in judge_table(table).compared.values()}


# --- rounded figures ---------------------------------------------------------------------------------------


def test_counts_are_all_that_print_as_the_figure() -> None:
    for n, digits in product((7, 149, 300, 1319), (0, 1, 2)):
        for figure in {Decimal(f"{100 * k / n:.{digits}f}") for k in range(n + 1)}:
            printed = [
                k
                for k in range(n + 1)
                if abs(Decimal(100 * k) / n - figure) <= Decimal(5) / 10 ** (digits + 1)
            ]
            assert list(counts_of(figure, n)) == printed
            assert printed
    assert not counts_of(Decimal("99.81"), 149)
    assert nearest(Decimal("99.81"), 149) == ((148, pytest.approx(99.33, abs=0.005)), (149, 100.0))
    assert list(counts_of(Decimal("95.1"), 872, averaged=True)) == [828, 829, 830]


def test_p_is_over_every_count_and_pairing() -> None:
    n = 40
    for a, b in product(
        (range(20, 23), range(30, 31), range(38, 41)), (range(12, 15), range(21, 25), range(0, 2))
    ):
        every = [
            binomtest(x - both, x + y - 2 * both).pvalue if x + y > 2 * both else 1.0
            for x, y in product(a, b)
            for both in range(max(0, x + y - n), min(x, y) + 1)
        ]
        assert p_range(a, b, n) == pytest.approx((min(every), max(every)))
        found = difference_range(a, b, n)
        assert found.low <= found.mean <= found.high


# --- tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_what_stands_is_what_scipy_and_statsmodels_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, reference = 1319, 631
    rights = rng.integers(380, 730, size=20)
    figures = {"lora": f"{100 * reference / n:.2f}"} | {
        f"r{i}": f"{100 * k / n:.2f}" for i, k in enumerate(rights)
    }
    found = of(table_of(figures, n, against="lora"))
    for side, pairing in enumerate((_least, _most)):
        p = [binomtest(*pairing(int(k), reference, n)).pvalue for k in rights]
        expected = multipletests(p, method="holm")[1]
        assert [one.p[side] for one in found.values() if one.p] == pytest.approx(list(expected), rel=1e-6)
    assert {one.standing for one in found.values()} >= {"stands", "depends"}


def _most(ours: int, theirs: int, n: int) -> tuple[int, int]:
    both = max(0, ours + theirs - n)
    return ours - both, ours + theirs - 2 * both


def _least(ours: int, theirs: int, _n: int) -> tuple[int, int]:
    apart = abs(ours - theirs)
    return (0, apart) if apart else (1, 2)


@pytest.mark.slow
def test_no_pairing_makes_a_difference_fall_that_stands_or_rise_that_does_not() -> None:
    rng = np.random.default_rng(1)
    n, reference = 300, 270
    rights = rng.integers(200, 299, size=8)
    figures = {"a": f"{100 * reference / n:.2f}"} | {
        f"r{i}": f"{100 * k / n:.2f}" for i, k in enumerate(rights)
    }
    found = of(table_of(figures, n, against="a"))
    standings = [found[f"r{i}"].standing for i in range(len(rights))]
    assert {"stands", "does not stand"} <= set(standings)
    for _ in range(50):
        both = [int(rng.integers(max(0, k + reference - n), min(k, reference) + 1)) for k in rights]
        p = [
            binomtest(int(k) - b, int(k) + reference - 2 * b).pvalue if k + reference > 2 * b else 1.0
            for k, b in zip(rights, both, strict=True)
        ]
        for standing, adjusted in zip(standings, multipletests(p, method="holm")[1], strict=True):
            assert standing != "stands" or adjusted < 0.05
            assert standing != "does not stand" or adjusted >= 0.05


def test_62_comparisons_as_peft_s_lie() -> None:
    """14 rows above LoRA by up to 7 points, 19 a little below, 29 far below: only these stand, and all are worse."""
    reference = 631
    above = [reference + 6 * i + 1 for i in range(14)]
    near = [reference - 4 * i - 1 for i in range(19)]
    far = [reference - 125 - 9 * i for i in range(29)]
    figures = {"lora": "47.84"} | {f"r{k}": f"{100 * k / 1319:.2f}" for k in (*above, *near, *far)}
    judged = judge_table(table_of(figures, against="lora"))
    standing = [one for one in judged.compared.values() if one.standing == "stands"]
    assert (judged.n_corrected, len(standing)) == (62, 29)
    assert not any(one.is_better for one in standing)
    assert {one.row for one in standing} == {f"r{k}" for k in far}


def test_comparisons_that_are_not_here_count_too() -> None:
    found = of(read_table("peft_method_comparison"))
    assert {one.standing for one in found.values()} == {"depends", "does not stand"}
    alone = judge_table(table_of({"lora": "47.84", "full": "42.00"}, against="lora"))
    more = judge_table(table_of({"lora": "47.84", "full": "42.00"}, against="lora", comparisons=62))
    (one,), (other,) = alone.compared.values(), more.compared.values()
    assert one.p
    assert other.p
    assert other.p[1] == pytest.approx(min(1.0, 62 * one.p[1]))
    assert (one.standing, other.standing) == ("stands", "depends")


def test_the_single_runs_get_the_report_s_answer() -> None:
    reported = judge_published(load_table("llms_from_scratch"))
    judged = judge_table(read_table("llms_from_scratch"))
    assert judged.n_corrected == 18
    for one in judged.claims:
        other = reported[one.claim.id]
        assert one.finding == other.finding, one.claim.id
        assert one.compared
        assert other.difference
        if one.claim.id != "11":
            assert one.compared.p == pytest.approx(other.p)
            assert one.compared.difference == pytest.approx(other.difference) or one.compared.difference


def test_a_pair_is_compared_once_whichever_way_it_is_asked_for() -> None:
    judged = judge_table(read_table("imdb"))
    assert judged.n_corrected == 7
    (claim,) = judged.claims
    assert claim.finding == "holds"
    assert claim.compared
    assert (claim.compared.row, str(claim.compared.ours), claim.compared.is_better) == ("gpt2", "91.88", True)


def test_errors_are_better_the_lower_they_are() -> None:
    (one,) = of(table_of({"a": "10.0", "b": "20.0"}, 2000, "error", against="b")).values()
    assert one.standing == "stands"
    assert one.is_better
    (same,) = of(table_of({"a": "90.0", "b": "80.0"}, 2000, against="b")).values()
    assert one.p == pytest.approx(same.p)


@pytest.mark.parametrize(
    ("metric", "n", "why"),
    [
        ("matthews", 1043, "a Matthews correlation is not a share of items, and a and b give no scatter"),
        ("average", "unknown", "an average over data sets is not a share of items"),
        ("accuracy", "unknown", "the number of test items is not known; with about"),
    ],
)
def test_what_cannot_be_decided_says_why(metric: str, n: int | str, why: str) -> None:
    (one,) = of(table_of({"a": "89.2", "b": "88.2"}, n, metric, against="b")).values()
    assert one.standing == "not decidable"
    assert one.why.startswith(why)


def test_a_figure_that_no_count_gives_is_not_judged() -> None:
    (one,) = of(table_of({"a": "99.81", "b": "50.34"}, 149, against="b")).values()
    assert (one.standing, one.why) == ("not decidable", "99.81 (a) is not a share of 149 items")


def test_scatter_over_seeds_is_welch_s_test_on_one_side_and_with_the_items_on_the_other() -> None:
    rows = {
        name: {"figures": {"test": Decimal(f)}, "scatter": {"test": Decimal("0.5")}, "seeds": 5}
        for name, f in (("a", "63.4"), ("b", "61.9"))
    }
    (one,) = of(table_of(rows, 1043, "matthews", against="b")).values()
    expected = ttest_ind_from_stats(63.4, 0.5, 5, 61.9, 0.5, 5, equal_var=False).pvalue
    assert one.p == pytest.approx((expected, expected))
    assert one.standing == "stands"
    (other,) = of(table_of(rows, 1043, against="b")).values()
    assert other.p
    assert other.p[0] == pytest.approx(expected)
    assert other.p[1] > 0.3  # 1.5 points on 1,043 items that differ as much as they can
    assert other.standing == "depends"


def test_claims_hold_are_contradicted_or_stay_open() -> None:
    claims = [
        {"id": str(i), "text": "x", "row": row, "against": "b", "direction": direction}
        for i, (row, direction) in enumerate(product("ac", ("better", "worse", "equal")))
    ]
    table = table_of({"a": "90.0", "b": "80.0", "c": "80.1"}, 2000, claim=claims)
    found = [one.finding for one in judge_table(table).claims]
    assert found == ["holds", "contradicted", "contradicted", "undecided", "undecided", "undecided"]
    assert judge_table(table).claims[-1].why.startswith("the two could differ by ")


def test_claims_without_figures() -> None:
    (one,) = judge_table(read_table("tang2024")).claims
    assert (one.finding, one.why, one.compared) == ("undecided", "the source at hand gives no figures", None)


# --- what is visible ---------------------------------------------------------------------------------------


def test_the_smallest_visible_difference_is_the_first_that_stands() -> None:
    right, n = 631, 1319
    for m, pairing in product((1, 62), (kindest, harshest)):
        found = visible(right, n, m, pairing)
        assert found.above
        assert found.below
        for sign, share in ((1, found.above), (-1, found.below)):
            apart = round(share * n)
            for k, stands in ((apart, True), (apart - 1, False)):
                few, total = pairing(right + sign * k, right, n)
                assert (binomtest(few, few + total).pvalue < 0.05 / m) == stands
    # What 14 rows above LoRA did not reach.
    assert visible(right, n, 62, harshest).above == pytest.approx(0.0910, abs=5e-5)
    assert visible(300, 300, 1, kindest).above is None


def test_items_needed_is_where_a_difference_begins_to_stand() -> None:
    n = items_needed(0.892, 0.882)
    assert n is not None
    assert 8_000 < n < 10_000
    assert items_needed(0.5, 0.5) is None


# --- what does not add up ----------------------------------------------------------------------------------


def test_exchanged_rows_wrong_sizes_and_captions_of_imdb() -> None:
    found = inconsistencies(read_table("imdb"))
    texts = {one.rows: one.text for one in found}
    assert texts["roberta-large", "deberta-v3-base"].startswith(
        "exchanged: test accuracy (summary table) has 92.95"
    )
    assert "110M" in texts["bert-base",]
    assert "184M" in texts["deberta-v3-base",]
    assert "caption" in texts["distilbert",]
    assert len(found) == 6


def test_the_single_runs_inconsistencies() -> None:
    found = inconsistencies(read_table("llms_from_scratch"))
    assert found[0].rows == ("xl",)
    assert found[0].text.startswith(
        "validation accuracy of 99.81% is impossible: of 149 items 148 are 99.33%"
    )
    assert found[0].text.endswith("It equals the row's training accuracy.")
    assert [one.rows for one in found[2:4]] == [("baseline", "ignore-index"), ("lora", "all-layers")]
    assert "of 1,040: the last partial batch is left out" in found[1].text
    assert len(found) == 7


def test_disagreeing_columns_and_claims_against_the_figures() -> None:
    columns = {
        "table": {"name": "table", "metric": "accuracy", "n": 100},
        "log": {"name": "log", "metric": "accuracy", "n": 100, "reports": "table", "compared": False},
    }
    rows = {
        "a": {"figures": {"table": Decimal(90), "log": Decimal(91)}},
        "b": {"figures": {"table": Decimal(80), "log": Decimal(80)}},
    }
    claim = {"id": "1", "text": "x", "row": "a", "against": "b", "direction": "worse"}
    table = table_of({}, columns=columns, rows=rows, claim=[claim])
    assert [one.text for one in inconsistencies(table)] == [
        "table has 90, log has 91.",
        "claim 1 says that the first is worse, but the figures are 90 and 80 (table).",
    ]
    unknown = table_of({"a": "33.4"}, 3, seeds="unknown")
    assert "impossible, unless it is an average over runs" in inconsistencies(unknown)[0].text
    assert not inconsistencies(table_of({"a": "33.4"}, 3, seeds=5))
