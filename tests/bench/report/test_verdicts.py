"""The sections of a report that say what is known of each row: words and figures of the verdicts themselves."""

import re
from dataclasses import replace
from types import ModuleType

import pytest

from bench.evidence.design import design_of
from bench.evidence.metric import ACCURACY
from bench.evidence.results import Results, collect
from bench.evidence.verdicts import judge
from bench.records.record import Record
from bench.records.study import Study
from bench.report.outlook import margin_note
from bench.report.units import unit_of
from bench.report.verdicts import scatter_section, verdicts_section, warnings_section
from gptcore.recipe import Seeds
from tests.bench.toys import make_split


def lines_of(section: str) -> dict[str, list[str]]:
    """Row name -> cells of its line."""
    first = section.split("## Open questions")[0]
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in first.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines[2:]}


def test_every_verdict_has_its_line(results: Results) -> None:
    verdicts = judge(results)
    lines = lines_of(verdicts_section(results))
    assert list(lines) == list(verdicts)
    assert len(verdicts) > 10
    for name, verdict in verdicts.items():
        against, said, difference, interval, p_holm, n_seeds = lines[name][:6]
        assert against == verdict.against
        assert verdict.call in said
        assert float(difference.replace("−", "-")) == pytest.approx(100 * verdict.difference.mean, abs=0.005)
        low, high = (float(bound.replace("−", "-")) for bound in interval.split(" to "))
        assert low <= 100 * verdict.difference.mean <= high
        p = verdict.p_holm
        assert p_holm == "< 0.0001" if p < 1e-4 else float(p_holm) == pytest.approx(p, abs=0.005)
        assert n_seeds == str(verdict.n_seeds)
    assert lines["first-token"][1] == "**worse**"


def test_the_margin_is_named(study: Study, records: list[Record]) -> None:
    section = verdicts_section(collect(study, records, margin=0.03))
    assert lines_of(section)["ignore-index"][1] == "no difference > 3 points"
    planned = unit_of(ACCURACY).margin(design_of(study).margin)
    assert f"**The margin is 3 points, not the margin that was planned ({planned}).**" in section
    planned = study.model_copy(update={"margin": 0.02})
    section = verdicts_section(collect(planned, records))
    assert lines_of(section)["ignore-index"][1] == "no difference > 2 points"
    assert "The margin is 2 points, as requested before the first run." in section
    assert "as requested" not in verdicts_section(collect(planned, records, metric="macro-f1"))
    assert "> 1 point" not in section


def test_without_a_margin_the_design_chooses_it_and_the_report_says_so(results: Results) -> None:
    section = verdicts_section(results)
    assert (
        "The margin is 5 points, the largest of 1, 2 or 5 points: 10 seeds of this design are unlikely"
        in section
    )
    assert re.search(r"10 seeds: better or worse from \d\.\d points, no difference within \d\.\d", section)
    seeds = [seeds.model_copy(update={"split": 1000 + i}) for i, seeds in enumerate(results.study.seeds)]
    own_splits = replace(results, study=results.study.model_copy(update={"seeds": seeds}), margin=0.02)
    assert "The margin is 2 points, the smallest of 1, 2 or 5 points for which 10 seeds" in margin_note(
        own_splits
    )


def test_open_rows_have_their_chances_and_what_would_decide(results: Results) -> None:
    section = verdicts_section(results).split("## Open questions")[1]
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("|")][2:]
    verdicts = judge(results)
    assert [line[0].strip() for line in lines] == [
        name for name, verdict in verdicts.items() if verdict.outlook and verdict.outlook.needs
    ]
    for name, *cells in lines:
        found = verdicts[name.strip()].outlook
        assert found is not None
        for cell, p in zip(cells, (found.worse, found.within, found.better), strict=False):
            assert float(cell.strip(" <>")) == pytest.approx(100 * p, abs=1.01)
        assert re.search("seeds|test texts", cells[-1])


def test_many_unsteady_rows_are_warned_of(study: Study, records: list[Record]) -> None:
    fails = {study.row(name).recipe.id for name in ("mean-pooling", "lora", "first-token", "all-layers")}

    def failing(record: Record) -> Record:
        if record.recipe_id not in fails or record.seed_index:
            return record
        assert record.test is not None
        assert record.metrics is not None
        test = make_split(300, 141)
        return record.model_copy(
            update={
                "metrics": record.metrics.model_copy(update={"test": test}),
                "test": record.test.model_copy(update={"predicted": [0] * 300}),
            }
        )

    broken = collect(study, [failing(record) for record in records])
    section = verdicts_section(broken)
    assert "Rows with widely spread or skewed seeds: first-token (lowest 47.00%" in section
    assert "of simulated studies like that, more than 5% had a false verdict" in section
    assert "(lowest seed 47.00%)" in lines_of(section)["mean-pooling"][1]
    assert "spread or skewed" not in verdicts_section(collect(study, records))


def test_a_study_of_one_seed_speaks_of_its_models(study: Study, records: list[Record]) -> None:
    one = study.model_copy(update={"seeds": study.seeds[:1]})
    section = verdicts_section(collect(one, records))
    assert "**With one seed, these trained models differ (worse than their reference: first-token" in section
    assert "recipes need three seeds or more" in section
    said = {name: cells[1] for name, cells in lines_of(section).items() if name != "ignore-index"}
    assert said.pop("context-64") == "undecided †"
    assert set(said.values()) == {"undecided", "**model worse**"}
    assert "† 23 of 1,494 texts (1.5%) are longer than 120 tokens and were truncated by context-64" in section


def test_no_comparison_no_section(study: Study) -> None:
    assert verdicts_section(collect(study, [])) == ""
    assert scatter_section(collect(study, [])) == ""


def test_warnings_of_the_matrix_stand_in_the_report(study: Study) -> None:
    warned = study.model_copy(update={"warnings": ["row <b> differs from a in several ways: lr, epochs"]})
    assert "- Row &lt;b&gt; differs from a in several ways: lr, epochs." in warnings_section(
        collect(warned, [])
    )
    assert warnings_section(collect(study, [])) == ""


def with_seeds(study: Study, studies: ModuleType, seeds: list[Seeds], accuracies: list[float]) -> Results:
    row = study.row("baseline")
    few = study.model_copy(update={"rows": [row], "seeds": seeds})
    records = [studies.make_record(row, 0, share, 1.0) for share in accuracies]
    runs = [
        record.model_copy(update={"seeds": seed, "seed_index": i, "run_id": f"{record.recipe_id}-s{i}"})
        for i, (record, seed) in enumerate(zip(records, seeds, strict=True))
    ]
    return collect(few, runs)


def test_what_changes_together_is_said_to_be_confounded(study: Study, studies: ModuleType) -> None:
    seeds = [Seeds(init=i, order=i, split=i) for i in range(3)]
    section = scatter_section(with_seeds(study, studies, seeds, [0.9, 0.92, 0.94]))
    assert "init, order and split change together, so their shares cannot be separated" in section
    assert "tested on different examples" in section
    assert "Held fixed" not in section


def test_one_thing_at_a_time_splits_the_variance(study: Study, studies: ModuleType) -> None:
    seeds = [Seeds(), Seeds(init=1), Seeds(init=2), Seeds(order=1), Seeds(order=2)]
    section = scatter_section(with_seeds(study, studies, seeds, [0.8, 0.7, 0.9, 0.8, 0.8]))
    shares = dict(re.findall(r"(init|order) (\d+)%", section))
    assert set(shares) == {"init", "order"}
    assert int(shares["init"]) > 90
    assert "Held fixed: split" in section
    assert "cannot be separated" not in section
