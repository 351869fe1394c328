"""Recommendations by another metric than accuracy: what decides, which rows take part, and what names it."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.evidence.metric import METRICS
from bench.recommend.answer import Answer
from bench.recommend.offered import about_weights, has_small_class, is_offered
from bench.recommend.read import read_answer
from bench.records.recommendation import load_state
from bench.records.store import load_study
from bench.report.recommended import answer_lines, answer_markdown
from bench.report.recommended_page import answer_page
from gptcore.errors import UserError
from gptcore.product.recommended import DataOf, write_recommended
from gptcore.recipe import Recipe

Recommend = Callable[..., Any]
CHEAP = {"tfidf": (0.97, 1.0), "tfidf-balanced": (0.84, 1.1), "tfidf-auto": (0.93, 3.0)}
ON_SPAM = {"tfidf": 0.2, "tfidf-balanced": 0.95, "tfidf-auto": 0.3}


def answer_of(search: Any) -> Answer:
    search.keep("toy.csv", [])
    return read_answer(search.opened.folder)


pytestmark = pytest.mark.usefixtures("few_spam")


@pytest.mark.parametrize(
    ("counts", "is_small"),
    [((400, 400), False), ((300, 101), False), ((300, 99), True), ((50, 50, 16), True)],
)
def test_a_class_is_small_below_half_of_its_even_share(counts: tuple[int, ...], is_small: bool) -> None:
    weighted, plain = Recipe(model="tfidf", class_weight="balanced"), Recipe(model="tfidf")
    assert has_small_class(counts) == is_small
    for name, metric in METRICS.items():
        weighs = name in ("macro-f1", "balanced-accuracy")
        assert is_offered(plain, counts, metric)
        assert is_offered(weighted, counts, metric) == (is_small and weighs)
        assert bool(about_weights(counts, metric)) == (is_small and not weighs)


def test_rows_are_chosen_by_the_metric_and_may_weigh_classes(
    recommend: Recommend, world: type, tmp_path: Path
) -> None:
    """By accuracy it would be the row that finds no spam."""
    truth = world().truth | CHEAP
    search, _ = recommend(world(truth=truth, spam=ON_SPAM), budget="3m", metric="macro-f1")
    assert search.ledger.choice.best.name == "tfidf-balanced"
    plain, weighted = (search.ledger.results.row(name) for name in ("tfidf", "tfidf-balanced"))
    assert plain.accuracy() > weighted.accuracy()
    assert load_study(tmp_path / "out" / "search").metric == "macro-f1"
    state = load_state(tmp_path / "out")
    assert state is not None
    assert state.metric == "macro-f1"
    assert search.opened.of.metric == "macro-f1"
    found = answer_of(search)
    lines = answer_lines(found)
    assert "small classes weigh more" in lines[0]
    (own,) = (line for line in lines if line.startswith("  macro-F1"))
    assert f"{100 * found.expected.score:.1f}% expected" in own
    assert "; accuracy: " in own
    report, page = answer_markdown(found), answer_page(found)
    for text in (report, page):
        assert "Macro-F1 over the number of labels" in text
        assert "Macro-F1, %" in text
        assert "Rows are judged by macro-F1" in text
    again, nothing = recommend(world(truth=truth, spam=ON_SPAM), budget="3m")  # the metric is the folder's
    assert not nothing.runs
    assert again.opened.metric is METRICS["macro-f1"]
    with pytest.raises(UserError, match="a recommendation by --metric macro-f1, which is fixed before"):
        recommend(budget="3m", metric="accuracy")


def test_by_log_loss_figures_are_in_nats(recommend: Recommend) -> None:
    search, _ = recommend(budget="4m", metric="log-loss", margin=None)
    assert search.opened.state.margin == 0.02
    assert not any(row.recipe.class_weight for row in search.opened.rows)
    assert any("--metric macro-f1" in message for message in search.opened.messages)
    found = answer_of(search)
    assert found.curve.doubling is not None
    assert found.curve.points[0].score < found.curve.points[-1].score < 0
    low, high = found.curve.doubling.interval(search.opened.metric)
    assert low <= found.curve.doubling.score <= high <= 0
    text = answer_markdown(found)
    for part in (
        "nats expected",
        "Difference from the best, nats",
        "power law of the loss",
        "Log-loss, nats",
    ):
        assert part in text
    assert "points" not in text
    assert answer_page(found)


def test_the_file_of_a_recipe_names_the_metric(tmp_path: Path) -> None:
    of = DataOf(name="a.csv", fingerprint="f", metric="macro-f1")
    path = write_recommended(tmp_path, Recipe(model="tfidf", class_weight="balanced"), of, "chosen")
    content = tomllib.loads(path.read_text())
    assert content["data"]["metric"] == "macro-f1"
    assert content["recipe"]["class_weight"] == "balanced"


def test_rows_that_need_more_memory_than_is_free_are_skipped(recommend: Recommend, world: type) -> None:
    needs = {"all-layers": 10**15, "lora": 10**15}
    search, one = recommend(world(needs=needs), budget="5h")
    assert search.left_out["lora"].startswith("not enough memory: needs 1000000.0 GB, ")
    assert {"all-layers", "lora"}.isdisjoint(row for row, _, _ in one.runs)
    assert search.ledger.choice is not None
    with pytest.raises(UserError, match="no row can run here: not enough memory"):
        recommend(world(needs=dict.fromkeys(one.truth, 10**15)), budget="6h", out="other")
