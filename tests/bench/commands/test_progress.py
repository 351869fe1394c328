"""What the terminal says of cut texts before any run."""

from types import SimpleNamespace
from typing import cast

from bench.commands.progress import console, show_cut_texts
from bench.run.study_run import StudyRun
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe, Seeds
from gptcore.result import CutTexts


def said(*runs: tuple[Recipe, CutTexts | None]) -> str:
    plan = [PlannedRun(("row",), recipe, 0, Seeds(), "todo") for recipe, _ in runs]
    predictions = {run.run_id: Prediction(1.0, 1, cut) for run, (_, cut) in zip(plan, runs, strict=True)}
    with console.capture() as capture:
        show_cut_texts(cast(StudyRun, SimpleNamespace(plan=plan, records={})), predictions)
    return " ".join(capture.get().split())


NANO, MINI, TFIDF = Recipe(model="nano"), Recipe(model="mini"), Recipe(model="tfidf")
MUCH, LITTLE = CutTexts(120, 120, 256), CutTexts(1, 1494, 64)


def test_models_that_cut_alike_share_a_line() -> None:
    assert said((NANO, MUCH), (MINI, MUCH)) == (
        "warning: 120 of 120 texts (100%) are longer than 256 tokens and are truncated by nano, mini"
    )
    assert said((NANO, MUCH), (MINI, LITTLE)).count("texts (") == 2


def test_the_worst_of_a_models_recipes_counts() -> None:
    assert "120 of 120" in said((NANO, LITTLE), (NANO.model_copy(update={"lr": 1.0}), MUCH))


def test_single_texts_are_no_warning_and_none_are_no_line() -> None:
    assert said((NANO, LITTLE)).startswith("1 of 1,494 texts (0.067%)")
    assert said((NANO, CutTexts(0, 9, 9)), (TFIDF, None)) == ""


def test_tfidf_reads_whole_texts() -> None:
    assert "TF-IDF reads whole texts" in said((NANO, MUCH), (TFIDF, None))
