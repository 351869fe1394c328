"""The page on a published table, and the command that prints it."""

import csv
from pathlib import Path
from types import ModuleType

import pytest

from bench.evidence.claims import judge_claims
from bench.evidence.published_judge import judge_table
from bench.evidence.published_ours import answers
from bench.published.judged import judged_tables, read_table, single_run_table
from bench.report.judge import judgement


@pytest.mark.parametrize("name", judged_tables())
def test_every_table_has_a_page(name: str) -> None:
    table = read_table(name)
    text = judgement(table, name, {})
    assert text.startswith(f"# {table.title}\n")
    for heading in ("## Differences", "## What does not add up"):
        assert heading in text
    for claim in table.claims:
        assert claim.text in text.replace("\\", "")


def test_the_page_counts_what_stands(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerows(
            [("row", "figure", "n"), ("lora", "47.84", 1319), ("up", "52.0", 1319), ("down", "20.0", 1319)]
        )
    text = judgement(read_table(str(path)), str(path), {})
    assert "Of 2 comparisons with lora: 1 stands, 1 depends on the pairing." in text
    assert "Of 1 above the row they are compared with, none stands." in text
    assert "Of 1 below the row they are compared with, 1 stands." in text
    assert "How many runs a figure is of is not known." in text
    assert "20.0% is impossible, unless it is an average over runs" not in text  # 264 of 1,319


def test_our_runs_judge_the_claims_that_they_cover(rows: ModuleType) -> None:
    few = [range(seed, seed + 15) for seed in range(3)]
    many = [range(seed, seed + 90) for seed in range(3)]
    results = rows.make_results(rows.make_row("all-layers", few), rows.make_row("lora", many))
    found = answers(judge_table(read_table("lora_roberta")), None, results)
    assert [(one.claim.row, one.claim.against, one.judged.finding) for one in found] == [
        ("lora", "all-layers", "contradicted")
    ]
    assert found[0].judged.difference
    assert found[0].judged.difference.mean == pytest.approx(-0.25)
    text = judgement(read_table("lora_roberta"), "lora_roberta", {"results/mine": results})
    assert "## Claims, by our runs: results/mine" in text
    text = judgement(read_table("ettin"), "ettin", {"results/mine": results})
    assert "it has no two rows that a claim is about" in text


def test_the_single_runs_claims_on_times_are_judged_by_our_runs_too(rows: ModuleType) -> None:
    few = [range(seed, seed + 15) for seed in range(3)]
    results = rows.make_results(rows.make_row("baseline", few), rows.make_row("all-layers", few))
    name = "llms_from_scratch"
    found = answers(judge_table(read_table(name)), single_run_table(name), results)
    assert {one.claim.id for one in found} == {"4a", "4b"}


def test_our_answers_are_those_of_the_report(rows: ModuleType) -> None:
    few, many = ([range(seed, seed + n) for seed in range(3)] for n in (15, 90))
    results = rows.make_results(
        rows.make_row("baseline", few), rows.make_row("first-token", many), rows.make_row("last-layer", few)
    )
    name = "llms_from_scratch"
    found = {
        one.claim.id: one for one in answers(judge_table(read_table(name)), single_run_table(name), results)
    }
    reported = judge_claims(results)
    assert found.keys() == {one.claim.id for one in reported} == {"1", "2"}
    for one in reported:
        assert found[one.claim.id].judged == one.ours
        assert found[one.claim.id].sizes_agree == one.sizes_agree
