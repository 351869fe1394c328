"""The page on a published table, and the command that prints it."""

import csv
import dataclasses
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.evidence.claims import judge_claims
from bench.evidence.published_judge import judge_table
from bench.evidence.published_ours import answers
from bench.evidence.results import Results, collect
from bench.published.judged import judged_tables, read_table, single_run_table
from bench.records.store import load_records, load_study
from bench.records.study import TunedRow
from bench.report.judge import judgement
from gptcore.recipe import Recipe

RESULTS = Path(__file__).parents[3] / "results"


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


LORA = {"train": "lora", "lora_scaling": "alpha/rank"}


def of_recipes(rows: ModuleType, recipes: dict[str, dict[str, Any]], tuned: tuple[str, ...] = ()) -> Results:
    """A study of rows by what they set, three seeds each; tuned: fields that were chosen for each row."""
    wrong = [range(seed, seed + 15) for seed in range(3)]
    results = rows.make_results(
        *(rows.make_row(name, wrong, recipe=Recipe(**values)) for name, values in recipes.items())
    )
    chosen = [
        TunedRow(row=name, recipe_id="", grid={}, values=dict.fromkeys(tuned, 1), trials=[])
        for name in recipes
    ]
    study = results.study.model_copy(update={"tuned": chosen if tuned else []})
    return dataclasses.replace(results, study=study)


def pairs(table: str, results: Results) -> list[tuple[str, str, str]]:
    found = answers(judge_table(read_table(table)), None, results)
    return [(one.claim.id, one.claim.row, one.claim.against) for one in found]


def test_our_runs_judge_the_claims_that_they_cover(rows: ModuleType) -> None:
    few = [range(seed, seed + 15) for seed in range(3)]
    many = [range(seed, seed + 90) for seed in range(3)]
    results = rows.make_results(
        rows.make_row("full", few, recipe=Recipe(train="all")),
        rows.make_row("mine", many, recipe=Recipe(**LORA)),
    )
    found = answers(judge_table(read_table("lora_roberta")), None, results)
    assert [(one.claim.row, one.claim.against, one.judged.finding) for one in found] == [
        ("mine", "full", "contradicted")
    ]
    assert found[0].judged.difference
    assert found[0].judged.difference.mean == pytest.approx(-0.25)
    text = judgement(read_table("lora_roberta"), "lora_roberta", {"results/mine": results})
    assert "## Claims, by our runs: results/mine" in text
    assert "rows not tuned" in text
    text = judgement(read_table("tang2024"), "tang2024", {"results/mine": results})
    assert "it has no two rows that a claim is about" in text


def test_rows_are_found_by_what_they_set_whatever_their_names(rows: ModuleType) -> None:
    """Plain LoRA is the baseline of the matrices `peft` and `lora`, whose rows each have a rate of their own."""
    recipes: dict[str, dict[str, Any]] = {
        "baseline": LORA | {"lora_rank": 8, "lr": 1e-3},
        "rank-1": LORA | {"lora_rank": 1, "lr": 1e-3},
        "rslora": {"train": "rslora", "lora_rank": 8, "lr": 3e-3},
        "bitfit": {"train": "bitfit", "lr": 1e-2},
        "all-layers": {"train": "all", "lr": 1e-4},
        "other-epochs": {"train": "all", "lr": 1e-4, "epochs": 9},
    }
    tuned = of_recipes(rows, recipes, ("lr",))
    full, stabilised = ("all-layers", "baseline"), ("rslora", "baseline")
    assert pairs("peft_method_comparison", tuned) == [
        *((id_, *full) for id_ in ("1a", "1b", "1c")),
        *((id_, *stabilised) for id_ in ("2a", "2b")),
    ]
    assert pairs("lora_roberta", tuned) == [("1", "baseline", "all-layers"), ("2", "bitfit", "all-layers")]
    assert "lr chosen for each row on validation data" in judgement(
        read_table("lora_roberta"), "", {"x": tuned}
    )
    assert (
        pairs("lora_roberta", of_recipes(rows, recipes)) == []
    )  # rates that were not tuned are a difference


def test_a_claim_is_judged_by_every_pair_of_rows_that_asks_it(rows: ModuleType) -> None:
    both: dict[str, dict[str, Any]] = {
        f"{train}-{attention}": {"train": train, "attention": attention, "lr": 1e-4}
        for train in ("last_block", "all")
        for attention in ("causal", "bidirectional", "bidirectional_upper_half")
    }
    results = of_recipes(rows, both)
    trained = ("last_block", "all")
    unmasked = [("1", f"{train}-bidirectional", f"{train}-causal") for train in trained]
    assert pairs("tang2024", results) == unmasked
    upper = [("2", f"{train}-bidirectional_upper_half", f"{train}-bidirectional") for train in trained]
    assert pairs("dukic2024", results) == unmasked + upper


COMMITTED = [
    (
        "peft_method_comparison",
        "peft-micro",
        [("2a", "rslora", "baseline"), ("1a", "all-layers", "baseline")],
    ),
    (
        "peft_method_comparison",
        "lora-micro",
        [("2a", "rslora", "baseline"), ("1a", "all-layers", "baseline")],
    ),
    ("peft_method_comparison", "size-of-data-micro", [("1a", "all-layers-16", "lora-16")]),
    ("lora_roberta", "peft-micro-movies", [("1", "baseline", "all-layers"), ("2", "bitfit", "all-layers")]),
    ("tang2024", "embedded", [("1", "no-causal-mask", "baseline")]),
    ("imdb", "embedded", [("1", "all-layers", "tfidf")]),
    ("model2vec", "four-models/tweets", [("1", "minilm-l6: features", "tfidf-auto")]),
]


@pytest.mark.parametrize(("table", "study", "expected"), COMMITTED)
def test_the_committed_studies_judge_the_claims(
    table: str, study: str, expected: list[tuple[str, str, str]]
) -> None:
    folder = RESULTS / study
    results = collect(load_study(folder), list(load_records(folder).values()))
    assert set(expected) <= set(pairs(table, results))
    assert all(
        one.judged.finding != "not run" for one in answers(judge_table(read_table(table)), None, results)
    )


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
