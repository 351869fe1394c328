"""What a report says of the budget of a study, and of why it ended."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.evidence.results import Results
from bench.evidence.scheme import with_looks
from bench.records.pack import pack
from bench.records.store import load_study, save_record, save_study
from bench.report import html, markdown
from bench.report.looks import ending_note

ENDED = "1 row is undecided (a_<b>): no look is left after 5 seeds"


def ending(results: Results, budget: str | None, ended: str | None) -> Results:
    how = {"scheme": with_looks([], (3, 5)), "budget": budget, "ended": ended}
    return replace(results, study=results.study.model_copy(update=how))


@pytest.mark.parametrize(
    ("budget", "ended", "note"),
    [
        (None, None, ""),
        ("30m", None, "Budget: 30m of recorded run time; not ended: the same command goes on."),
        ("30m", ENDED, f"Budget: 30m of recorded run time; ended: {ENDED}."),
        (None, ENDED, f"No budget; ended: {ENDED}."),
    ],
)
def test_the_budget_and_the_end_are_one_line(
    results: Results, budget: str | None, ended: str | None, note: str
) -> None:
    assert ending_note(ending(results, budget, ended)) == note


def test_both_reports_have_the_line_and_others_do_not_change(results: Results) -> None:
    known, unknown = ending(results, "30m", ENDED), ending(results, None, None)
    line = "Budget: 30m of recorded run time; ended: 1 row is undecided"
    text = next(line_ for line_ in markdown.render(known).splitlines() if line_.startswith(line))
    assert "a\\_&lt;b&gt;" in text
    assert markdown.render(known).replace(f"{text}\n\n", "") == markdown.render(unknown)
    page = next(line_ for line_ in html.render(known).splitlines() if line in line_)
    assert "a_&lt;b&gt;" in page
    assert html.render(known).replace(f"{page}\n", "") == html.render(unknown)


def test_a_packed_study_keeps_them(tmp_path: Path, results: Results) -> None:
    study = ending(results, "30m", ENDED).study
    save_study(tmp_path, study)
    for record in results.done[:2]:
        save_record(tmp_path, record)
    pack(tmp_path)
    assert load_study(tmp_path) == study
