"""What reports say of test texts with groups."""

from pathlib import Path

import pytest

from bench.evidence.results import Results, collect
from bench.evidence.verdicts import judge
from bench.records.record import Record
from bench.records.study import Study
from bench.report.compare import comparison
from bench.report.groups import groups_note
from bench.report.html import write_html
from bench.report.markdown import render
from bench.report.sheet import sheets


def grouped(study: Study, records: list[Record], n_groups: int, n_seeds: int = 3) -> Results:
    """The study as if its 300 test texts were of so many groups, with its first seeds."""
    facts = {"n_test_groups": n_groups}
    runs = []
    for record in records:
        test = record.test and record.test.model_copy(update={"groups": [i % n_groups for i in range(300)]})
        dataset = record.dataset.model_copy(update=facts)
        runs.append(record.model_copy(update={"test": test, "dataset": dataset}))
    dataset = study.dataset.model_copy(update=facts)
    few = study.model_copy(update={"dataset": dataset, "seeds": study.seeds[:n_seeds]})
    return collect(few, [run for run in runs if run.seed_index < n_seeds])


def test_without_groups_nothing_is_said(results: Results) -> None:
    assert groups_note(judge(results)) == ""
    assert "group-column" not in render(results)


def test_a_report_says_how_groups_count(study: Study, records: list[Record], tmp_path: Path) -> None:
    results = grouped(study, records, 30)
    assert any(one.call == "worse" for one in judge(results).values())
    text = render(results)
    assert "**Test texts of one group count together (--group-column; 30 groups in the test parts)" in text
    assert "300 test texts per seed of 30 groups): 3 seeds: better or worse from" in text
    assert text.count("hold where texts of one group are independent of each other") == 1
    write_html(tmp_path / "report.html", results)
    assert (
        "Test texts of one group count together (--group-column; 30 groups"
        in (tmp_path / "report.html").read_text()
    )


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_too_few_groups_are_said(study: Study, records: list[Record], n_seeds: int) -> None:
    results = grouped(study, records, 4, n_seeds)
    assert {one.call for one in judge(results).values()} <= {"undecided", "no difference"}
    text = render(results)
    assert (
        "**There are 4 groups in the test parts (--group-column); fewer than 5 say next to nothing of others, so no "
        "row is called better or worse, and the intervals are rough.**"
    ) in text
    line = next(line for line in text.splitlines() if line.startswith("| first-token "))
    assert line.split("|")[6].strip() == "–"  # Holm p


def test_one_seed_needs_more_groups(study: Study, records: list[Record]) -> None:
    note = groups_note(judge(grouped(study, records, 6, 1)))
    assert note.endswith("With one or two seeds, 6 groups are too few to tell trained models apart")
    assert "too few" not in groups_note(judge(grouped(study, records, 30, 1)))


def test_a_record_has_its_interval_by_group(study: Study, records: list[Record]) -> None:
    run = grouped(study, records, 10).done[0]
    sheet = next(one for one in sheets(run) if one.title == "Metrics")
    assert sheet.headings[2] == "95% interval (by group)"
    assert [row[2] for row in sheet.rows[:2]] == ["–", "–"]
    assert "to" in sheet.rows[2][2]


def test_a_comparison_of_studies_says_it_too(study: Study, records: list[Record], results: Results) -> None:
    both = {"a": grouped(study, records, 30), "b": grouped(study, records, 30)}
    assert "Test texts of one group (`--group-column`) count together" in comparison(both)
    assert "group-column" not in comparison({"a": results, "b": results})
