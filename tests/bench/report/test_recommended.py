"""The words of a recommendation: what is shown, what is ruled out, and what is open, said as such."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from bench.evidence.scheme import with_looks
from bench.recommend.answer import Answer, Expected, choose
from bench.recommend.curve import Curve, Doubling, Point
from bench.recommend.options import RecommendOptions
from bench.report.recommended import answer_lines, answer_markdown, facts, headline
from bench.report.recommended_page import answer_page, curve_marks
from bench.report.recommended_rows import row_cells
from gptcore.commands.options import FileOptions, with_options
from gptcore.recipe import Recipe

TFIDF = Recipe(model="tfidf")
AUTO = Recipe(model="tfidf", ngrams="auto")
BLOCK = Recipe(model="micro", train="last_block")
ALL = Recipe(model="micro", train="all")
EXPECTED = Expected(0.9, 0.86, 0.93, 300, 3, 0.5, 1, 2.0, None, 0.9)
POINTS = tuple(
    Point(n, 0.8 + n / 10_000, 0.75 + n / 10_000, 0.85 + n / 10_000, 3) for n in (100, 200, 400, 800)
)
BEGINS = (0, 40, 80, 20, 110)  # of the wrong answers of five seeds


@pytest.fixture
def answer(rows: ModuleType) -> Callable[..., Answer]:
    def make(
        *spec: tuple[str, Recipe, int, float],
        seeds: int = 5,
        margin: float = 0.2,
        step: int = 1,
        **changes: Any,
    ) -> Answer:
        made = [
            rows.make_row(
                name,
                [range(at + apart, at + apart + n) for at in BEGINS[:seeds]],
                [took] * seeds,
                recipe=recipe,
            )
            for apart, (name, recipe, n, took) in zip(range(0, 100, step), spec, strict=False)
        ]
        results = rows.make_results(*made)
        study = results.study.model_copy(update={"scheme": with_looks([], (3, 5))})
        results = replace(results, study=study, margin=margin)
        choice = choose(results)
        assert choice is not None
        fields: dict[str, Any] = {
            "data": "a|b.csv",
            "results": results,
            "choice": choice,
            "expected": EXPECTED,
            "curve": Curve(POINTS, None),
            "left_out": {},
            "spent_s": 120.0,
            "budget_s": 600.0,
            "ended": "done",
            "file": "a|b.csv",
        }
        return Answer(**(fields | changes))

    return make


def said(answer: Answer) -> dict[str, str]:
    return dict(facts(answer))


def test_tf_idf_is_enough_where_a_gpt_cannot_be_better_by_the_margin(answer) -> None:
    found = answer(("tfidf", TFIDF, 61, 0.1), ("all-layers", ALL, 60, 50.0))
    assert headline(found).startswith("Recommended: tfidf (TF-IDF of words")
    assert said(found)["a GPT?"].startswith("no, TF-IDF is enough")
    assert "cheapest of 2 rows for which a loss of more than 20 points is ruled out" in said(found)["why"]
    assert "500 times the training time (50.0 s instead of 0.100 s)" in said(found)["next better"]


def test_a_gpt_is_needed_where_tf_idf_is_worse(answer) -> None:
    rows = ("tfidf", TFIDF, 160, 0.1), ("last-block", BLOCK, 61, 10.0), ("all-layers", ALL, 60, 50.0)
    found = answer(*rows)
    assert headline(found).startswith("Recommended: last-block (micro, train = last_block, lr = ")
    assert said(found)["a GPT?"].startswith("yes: TF-IDF is shown to be worse")


def test_two_rows_without_a_gpt_stand_beside_each_other_and_not_in_each_others_way(answer) -> None:
    """Which of the two is better is open, and that neither needs a GPT is not."""
    rows = ("tfidf", TFIDF, 60, 0.1), ("tfidf-auto", AUTO, 60, 2.0), ("all-layers", ALL, 130, 50.0)
    found = answer(*rows, margin=0.01, step=25)
    assert not found.choice.is_decided
    assert said(found)["a GPT?"].startswith("no, TF-IDF is enough: that the GPT row that ran is better")
    report = answer_markdown(found)
    assert "| tfidf ←" in report
    assert "| best " in report


def test_what_cannot_be_told_apart_is_said_so(answer) -> None:
    found = answer(("tfidf", TFIDF, 62, 0.1), ("all-layers", ALL, 60, 50.0), margin=0.01, step=40)
    assert headline(found).startswith(
        "No recipe can be told apart from the best yet. Best so far: all-layers"
    )
    assert "not ruled out" in said(found)["why"] or "nothing is ruled out yet" in said(found)["why"]
    assert "what would help: more seeds (a longer --budget), more labelled texts" in said(found)["why"]
    assert said(found)["a GPT?"].startswith("cannot be said yet")


def test_always_the_same_answer_is_a_row_above_all_others(answer) -> None:
    found = answer(("tfidf", TFIDF, 61, 0.1), ("all-layers", ALL, 60, 50.0))
    first, second = row_cells(found)[:2]
    counts = found.choice.row.done[0].dataset.test_label_counts
    assert first[:3] == ["constant", "always answering the largest class", "5"]
    assert float(first[3]) == pytest.approx(100 * max(counts) / sum(counts), abs=0.05)
    assert second[0] == "tfidf ←"
    assert "always answering the largest class" in answer_markdown(found)


def test_one_row_or_two_seeds_say_nothing_of_recipes(answer) -> None:
    alone = answer(("tfidf", TFIDF, 5, 0.1))
    assert headline(alone).startswith("The only recipe that fitted the budget")
    assert said(alone)["a GPT?"].startswith("cannot be said")
    few = answer(("tfidf", TFIDF, 5, 0.1), ("all-layers", ALL, 4, 50.0), seeds=2)
    assert few.choice.how == "few seeds"
    assert "too few seeds" in said(few)["why"]
    for each in (alone, few):
        assert answer_markdown(each)
        assert answer_page(each)


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (None, "not measured on the test part yet"),
        (EXPECTED, "90.0% expected (86.0 to 93.0; 300 test texts, 3 seeds)"),
        (replace(EXPECTED, constant=0.88), "which it is not shown to beat"),
        (
            replace(EXPECTED, n_groups=4),
            "which it is not shown to beat (test texts of 4 groups, too few to show anything of others)",
        ),
        (replace(EXPECTED, n_groups=5), "always answering the largest class: 50.0%"),
        (
            replace(EXPECTED, n_recipes=2),
            "has been used for 2 recipes in this folder, so it is no longer fresh",
        ),
    ],
)
def test_the_expected_accuracy(answer, measured: Expected | None, text: str) -> None:
    found = answer(("tfidf", TFIDF, 61, 0.1), ("all-layers", ALL, 60, 50.0), expected=measured)
    assert text in said(found)["accuracy"]


@pytest.mark.parametrize(
    ("gain", "text"),
    [
        ((0.03, 0.01, 0.05), "more labels would help: 81.0% with 100"),
        ((0.01, -0.01, 0.03), "more labels would gain less than 20 points"),
        ((0.03, -0.3, 0.39), "whether more labels would help cannot be told"),
    ],
)
def test_more_labels(answer, gain: tuple[float, float, float], text: str) -> None:
    from bench.evidence.student import Difference

    curve = Curve(POINTS, Doubling(1600, 0.91, Difference(*gain)))
    found = answer(("tfidf", TFIDF, 61, 0.1), ("all-layers", ALL, 60, 50.0), curve=curve)
    assert said(found)["more labels"].startswith(text)
    now = f"goes from {100 * (0.91 - gain[0]):.1f}% to about 91.0% with 1,600"
    assert now in said(found)["more labels"]
    assert len(curve_marks(found)) == 5
    none = answer(("tfidf", TFIDF, 61, 0.1), ("all-layers", ALL, 60, 50.0), curve=Curve((), None))
    assert said(none)["more labels"].startswith("no learning curve")
    assert curve_marks(none) == []


def test_names_from_files_are_escaped(answer) -> None:
    found = answer(
        ("tfidf", TFIDF, 6, 0.1),
        ("all-layers", ALL, 5, 50.0),
        data="<b>a|b\x1b[31m.csv",
        file="<b>a|b\x1b[31m.csv",
        left_out={"lora": "needs <i>more</i>"},
    )
    page, text = answer_page(found), answer_markdown(found)
    assert "<b>" not in page
    assert "<i>" not in page + text
    assert "\x1b" not in page + text + "".join(answer_lines(found))
    assert "Left out: lora needs" in said(found)["budget"]


def test_the_command_that_trains_it_reads_the_file_in_the_same_way(answer) -> None:
    options = RecommendOptions(
        group_column="user id", no_header=True, separator=";", test=Path("rest.csv"), budget="2h", limit=9
    )
    rows = ("tfidf", TFIDF, 61, 0.1), ("all-layers", ALL, 60, 50.0)
    shown = said(answer(*rows, reading=options.arguments()))["train it"]
    assert shown == (
        "python -m gptcore fit 'a|b.csv' --separator ';' --no-header --group-column 'user id' --test rest.csv "
        "--recipe best --out my-classifier"
    )
    assert said(answer(*rows))["train it"].startswith("python -m gptcore fit 'a|b.csv' --recipe best")


def test_all_reading_options_come_back_from_their_words() -> None:
    changed = {
        field.name: Path("v w")
        if field.name in ("validation", "test", "data_path")
        else True
        if field.name == "no_header"
        else "-a b"
        for field in fields(FileOptions)
    }
    called: list[FileOptions] = []
    app = Typer(add_completion=False)

    @app.command()
    @with_options
    def command(options: FileOptions) -> None:
        called.append(options)

    options = FileOptions(**changed)
    assert CliRunner().invoke(app, options.arguments()).exit_code == 0
    assert called == [options]
