"""The sections of a report that say what is known of each row: words and figures of the verdicts themselves."""

import re
from types import ModuleType

import pytest

from bench.evidence.results import Results, collect
from bench.evidence.verdicts import judge
from bench.records.record import Record
from bench.records.study import Study
from bench.report.verdicts import scatter_section, verdicts_section, warnings_section
from gptcore.recipe import Seeds


def lines_of(section: str) -> dict[str, list[str]]:
    """Row name -> cells of its line."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines[2:]}


def test_every_verdict_has_its_line(results: Results) -> None:
    verdicts = judge(results)
    lines = lines_of(verdicts_section(results))
    assert list(lines) == list(verdicts)
    assert len(verdicts) > 10
    for name, verdict in verdicts.items():
        against, said, difference, interval, p_mcnemar, p_holm, n_seeds, needed = lines[name][:8]
        assert against == verdict.against
        assert verdict.call in said
        assert float(difference.replace("−", "-")) == pytest.approx(100 * verdict.accuracy.mean, abs=0.005)
        low, high = (float(bound.replace("−", "-")) for bound in interval.split(" to "))
        assert low <= 100 * verdict.accuracy.mean <= high
        for text, p in ((p_mcnemar, verdict.p_mcnemar), (p_holm, verdict.p_holm)):
            assert text == "< 0.0001" if p < 1e-4 else float(text) == pytest.approx(p, abs=0.005)
        assert n_seeds == str(verdict.n_seeds)
        assert needed == ("–" if verdict.seeds_needed is None else str(verdict.seeds_needed))
    assert lines["first-token"][1] == "**worse**"


def test_the_margin_is_named(study: Study, records: list[Record]) -> None:
    section = verdicts_section(collect(study, records, margin=0.02))
    assert "no difference larger than 2 points" in section
    assert "1 point" not in section
    assert lines_of(section)["ignore-index"][1] == "no difference larger than 2 points"


def test_a_study_of_one_seed_says_that_it_decides_nothing(study: Study, records: list[Record]) -> None:
    one = study.model_copy(update={"seeds": study.seeds[:1]})
    section = verdicts_section(collect(one, records))
    assert "One seed shows no spread" in section
    assert {cells[5] for cells in lines_of(section).values()} == {"–"}  # nothing is tested
    calls = {name: cells[1] for name, cells in lines_of(section).items() if name != "ignore-index"}
    assert calls.pop("context-64") == "undecided †"
    assert set(calls.values()) == {"undecided"}
    assert "† 23 of 1,494 texts (1.5%) are longer than 120 tokens and were cut there by context-64" in section


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
    assert "init, order and split change together, so their shares cannot be told apart" in section
    assert "tested on other examples" in section
    assert "Held fixed" not in section


def test_one_thing_at_a_time_splits_the_variance(study: Study, studies: ModuleType) -> None:
    seeds = [Seeds(), Seeds(init=1), Seeds(init=2), Seeds(order=1), Seeds(order=2)]
    section = scatter_section(with_seeds(study, studies, seeds, [0.8, 0.7, 0.9, 0.8, 0.8]))
    shares = dict(re.findall(r"(init|order) (\d+)%", section))
    assert set(shares) == {"init", "order"}
    assert int(shares["init"]) > 90
    assert "Held fixed: split" in section
    assert "cannot be told apart" not in section
