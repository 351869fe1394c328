"""The whole search in a world with known accuracies and times: budget, interruption, and what sees the test part."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.recommend.plan import LOOKS
from bench.recommend.read import read_answer
from bench.recommend.search import NO_MORE, NOT_TIMED, OUT_OF_BUDGET, OUT_OF_MEMORY
from bench.records.recommendation import load_state
from bench.records.store import load_records, load_study
from gptcore.errors import UserError

Recommend = Callable[..., Any]


def test_a_long_budget_decides_and_tests_the_choice_alone_at_the_end(
    recommend: Recommend, tmp_path: Path
) -> None:
    search, world = recommend(budget="10h")
    choice = search.ledger.choice
    assert search.ended == NO_MORE
    assert choice.is_decided
    assert choice.row.name in ("last-block", "last-two-blocks", "lora", "all-layers")
    phases = [phase for _, phase, _ in world.runs]
    assert "test" not in phases[: phases.index("test")]
    assert phases[phases.index("test") :] == ["test"] * 3
    assert {row for row, phase, _ in world.runs if phase == "test"} == {choice.row.name}
    assert len(load_records(tmp_path / "out" / "test")) == 3
    assert set(search.ledger.results.study.row(choice.row.name).recipe.choices()) >= {"lr"}
    assert all(
        row.recipe.lr == 1e-3 for row in search.ledger.results.study.rows if row.recipe.trainer == "network"
    )
    study = load_study(tmp_path / "out" / "search")  # a study as any other
    assert [look.seeds for look in study.scheme or []] == list(LOOKS)
    search.keep("toy.csv", [])
    curve = read_answer(tmp_path / "out").curve
    assert len(curve.points) == 4
    assert curve.doubling is not None


def test_cheap_rows_come_first_and_the_budget_holds(recommend: Recommend) -> None:
    search, world = recommend(budget="5m")
    order = list(dict.fromkeys(row for row, _, _ in world.runs))
    assert order[:4] == ["tfidf", "features", "tfidf-auto", "last-block"]
    assert "all-layers" not in order
    assert "needs a budget of about" in search.left_out["all-layers"]
    assert search.clock.spent_s <= 300
    assert search.ended.startswith(OUT_OF_BUDGET)
    assert [phase for _, phase, _ in world.runs][-1] == "test"


@pytest.mark.parametrize("slower", [0.3, 4.0])
def test_a_wrong_forecast_is_corrected_by_what_runs_take(
    recommend: Recommend, world: type, slower: float
) -> None:
    search, _ = recommend(world(slower=slower), budget="8m")
    assert search.clock.spent_s <= 480 + 30 * slower  # the last run at most
    assert search.ledger.choice is not None
    assert search.ledger.tests


def test_a_budget_that_is_too_small_is_refused_before_any_run(recommend: Recommend, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"--budget of 15 s: 3 seeds of the cheapest row, tfidf.* use --budget \d+s"
    ):
        recommend(budget="15s")
    assert not (tmp_path / "out").exists()


def test_timing_on_a_busy_machine_leaves_most_of_the_budget(
    recommend: Recommend, world: type, tmp_path: Path
) -> None:
    search, busy = recommend(world(probe_s=20.0), budget="3m")
    assert search.ledger.choice.row.name == "tfidf-auto"  # it needs little time itself
    assert {row for row, _, _ in busy.runs} <= {"tfidf", "features", "tfidf-auto"}
    assert {name for name, why in search.left_out.items() if why == NOT_TIMED} == {
        *("last-block", "last-two-blocks", "lora", "all-layers")
    }
    longer, _ = recommend(budget="1h")
    assert not any(why == NOT_TIMED for why in longer.left_out.values())
    assert load_state(tmp_path / "out").forecast.keys() >= {"last-block", "all-layers"}


@pytest.mark.parametrize("stop_at", [0, 4, 40])
def test_an_interrupted_call_goes_on_as_if_it_had_not_been(
    recommend: Recommend, world: type, tmp_path: Path, stop_at: int
) -> None:
    stopped, first = recommend(world(stop_at=stop_at), budget="20m")
    assert len(first.runs) == stop_at
    if stop_at:
        assert stopped.ledger.choice is not None
    search, second = recommend(budget="20m")
    done = [recipe.id for _, phase, recipe in first.runs if phase == "develop"]
    assert len(second.runs) > 0 or not done
    ids = [run for run, _, _ in (*first.runs, *second.runs)]
    assert len(ids) == sum(
        len(found) for found in (search.ledger.runs, search.ledger.trials, search.ledger.tests)
    )
    state = load_state(tmp_path / "out")
    assert state is not None
    assert state.spent_s == pytest.approx(search.clock.spent_s, abs=1)


@pytest.mark.slow
def test_the_same_command_again_does_nothing_and_a_longer_budget_goes_on(recommend: Recommend) -> None:
    search, world = recommend(budget="5m")
    name = search.ledger.choice.row.name
    again, nothing = recommend(budget="5m")
    assert not nothing.runs
    assert again.ledger.choice.row.name == name
    longer, more = recommend(budget="1h")
    assert {row for row, _, _ in more.runs} > {"last-block"}
    assert longer.ledger.choice.is_decided
    assert len(world.runs) + len(more.runs) == sum(
        len(found) for found in (longer.ledger.runs, longer.ledger.trials, longer.ledger.tests)
    )


def test_no_run_that_chooses_sees_a_test_text(recommend: Recommend, tmp_path: Path) -> None:
    search, _ = recommend(budget="20m")
    hidden = set(search.opened.data.test.texts)
    for seed in range(100, 150):
        split = search.opened.spec().data.with_split(seed)
        assert not hidden & {*split.train.texts, *split.validation.texts, *split.test.texts}
    of_dev = {r.dataset.source_fingerprint for r in load_records(tmp_path / "out" / "search").values()}
    assert search.opened.data.source_fingerprint not in of_dev


def test_a_planted_leak_is_caught(recommend: Recommend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Development rows that hold the test part, as a fault in the split would make them."""
    monkeypatch.setattr("bench.recommend.opened.development", lambda data: data)
    with pytest.raises(UserError, match="test texts are among those that a recipe would be chosen on"):
        recommend(budget="20m")


@pytest.mark.slow
def test_another_choice_is_a_second_look_at_the_test_part(recommend: Recommend) -> None:
    from bench.recommend.answer import expected

    search, _ = recommend(budget="2m")
    assert search.ledger.choice.row.name in ("tfidf", "tfidf-auto", "features")
    longer, _ = recommend(budget="5h")
    choice = longer.ledger.choice
    found = expected(choice.row.recipe_id, list(longer.ledger.tests.values()))
    assert found is not None
    assert found.n_recipes == 2


@pytest.mark.parametrize(
    ("margin", "models", "message"),
    [(1.0, "nano", "with --margin 5, which is fixed"), (None, "mini", "on --models nano")],
)
def test_what_is_fixed_before_the_first_run_stays(
    recommend: Recommend, toy_csv: Path, tmp_path: Path, margin: float | None, models: str, message: str
) -> None:
    from bench.recommend.opened import open_recommend
    from bench.recommend.options import RecommendOptions

    recommend(budget="2m")
    options = RecommendOptions(models=models, budget="2m", out=tmp_path / "out")
    with pytest.raises(UserError, match=message):
        open_recommend(str(toy_csv), options, margin)
    toy_csv.write_text(toy_csv.read_text().replace("see you", "see them"))
    with pytest.raises(UserError, match="a recommendation for other data"):
        open_recommend(str(toy_csv), RecommendOptions(models="nano", out=tmp_path / "out"), None)


@pytest.mark.slow
def test_rows_whose_trials_all_fail_are_left_out(
    recommend: Recommend, world: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = world()
    real = one.record

    def record(run, data, phase):
        record = real(run, data, phase)
        if run.rows[0] != "lora":
            return record
        nothing = dict.fromkeys(("metrics", "test", "cost"))
        return record.model_copy(update={"status": "failed", "reason": "diverged", **nothing})

    monkeypatch.setattr(one, "record", record)
    search, _ = recommend(one, budget="5h")
    assert "every trial failed: diverged" in search.left_out["lora"]
    assert search.ledger.choice.row.name != "lora"


def test_rows_that_have_begun_stay_where_less_memory_is_free(
    recommend: Recommend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def free(n_bytes: int) -> None:
        monkeypatch.setattr("bench.recommend.opened.free_memory_bytes", lambda _device: n_bytes)

    free(10**9)
    first, _ = recommend(budget="5m")
    free(10)  # less than any row needs
    again, more = recommend(budget="20m")
    assert not more.runs
    assert again.ledger.choice == first.ledger.choice
    assert set(again.ledger.names) == set(first.ledger.names)
    assert again.ended.startswith(OUT_OF_MEMORY)
    assert "last-block has no more runs: not enough memory: needs 0.1 GB" in again.ended
    assert not set(again.left_out) & {row.name for row in first.ledger.results.finished}
