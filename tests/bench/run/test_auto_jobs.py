"""What `--jobs auto` chooses, from made-up forecasts, and that a study goes on as it was begun."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from bench.records.record import Record
from bench.run.auto_jobs import Choice, as_before, choose, study_s, telling_runs
from bench.study.forecast import Prediction, mean_of
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe, Seeds
from tests.bench.calling import Bench

GB = 10**9
MINI, LARGE, TFIDF = Recipe(model="mini"), Recipe(model="gpt2"), Recipe(model="tfidf")
MINI_ALL = MINI.model_copy(update={"train": "all"})


def planned(recipe: Recipe, seed_index: int = 0) -> PlannedRun:
    return PlannedRun((str(recipe.train),), recipe, seed_index, Seeds(), "todo")


PLAN = [planned(recipe, seed) for seed in range(3) for recipe in (MINI, MINI_ALL, TFIDF)]


class Forecasts:
    """Made-up forecasts, by recipe and runs at a time; `asked` are the calls."""

    def __init__(self, seconds: Mapping[int, Mapping[str, float]], gigabytes: float = 1.0) -> None:
        self.seconds, self.mem_bytes = seconds, int(gigabytes * GB)
        self.asked: list[tuple[int, int]] = []

    def __call__(self, jobs: int, runs: Sequence[PlannedRun]) -> dict[str, Prediction]:
        self.asked.append((jobs, len(runs)))
        found = self.seconds[jobs]
        return {
            run.run_id: Prediction(found[run.recipe.id], self.mem_bytes)
            for run in runs
            if run.recipe.id in found
        }


ALONE = {MINI.id: 20.0, MINI_ALL.id: 50.0, TFIDF.id: 0.5}


def chosen(
    forecasts: Forecasts,
    plan: Sequence[PlannedRun] = PLAN,
    n: int | None = None,
    free_gb: float = 64.0,
    cores: int = 2,
    rule: int = 2,
) -> Choice:
    return choose(plan, n or len(plan), int(free_gb * GB), cores, forecasts, rule)


def scaled(by: float) -> dict[str, float]:
    return {name: by * seconds for name, seconds in ALONE.items()}


def test_several_at_a_time_where_they_are_forecast_to_take_less() -> None:
    forecasts = Forecasts({1: ALONE, 2: scaled(1.5)})
    choice = chosen(forecasts, rule=1)
    assert (choice.jobs, choice.predictions) == (2, {})  # what was forecast alone does not hold
    assert choice.why == (
        "2 processes of 1 thread are forecast to take 0.75 times as long as one of 2 threads "
        "(timed: all on mini, last_block)"
    )
    assert forecasts.asked == [(1, 9), (1, 2), (2, 2)]  # the second time only what tells


def test_one_at_a_time_where_its_threads_do_more() -> None:
    choice = chosen(Forecasts({1: ALONE, 2: scaled(2.2)}))
    assert choice.jobs == 1
    assert "2 processes of 1 thread are forecast to take 1.10 times as long as one of 2 threads" in choice.why
    assert {name: found.seconds for name, found in choice.predictions.items()} == {
        run.run_id: ALONE[run.recipe.id] for run in PLAN
    }


def test_each_model_counts_with_the_time_it_takes() -> None:
    plan = [planned(MINI), planned(MINI, 1), planned(LARGE), planned(LARGE, 1)]
    alone = {MINI.id: 20.0, LARGE.id: 100.0}
    assert chosen(Forecasts({1: alone, 2: {MINI.id: 22.0, LARGE.id: 220.0}}), plan).jobs == 1
    assert chosen(Forecasts({1: alone, 2: {MINI.id: 60.0, LARGE.id: 150.0}}), plan).jobs == 2


def test_no_study_ends_before_its_longest_run() -> None:
    runs = [("mini", 10.0), ("mini", 10.0), ("gpt2", 100.0)]
    ways = {1: {"mini": 1.0, "gpt2": 1.0}, 4: {"mini": 1.0, "gpt2": 2.0}}
    assert study_s(runs, ways) == {1: 120.0, 4: 200.0}


def test_no_more_at_a_time_than_fit_into_memory() -> None:
    choice = chosen(Forecasts({1: ALONE}, gigabytes=5), free_gb=8)
    assert (choice.jobs, choice.why) == (1, "a run needs up to 5.0 GB, and 8.0 GB are free")
    assert choice.predictions
    assert chosen(Forecasts({1: ALONE, 3: scaled(1.5)}, gigabytes=5), free_gb=16, cores=8).jobs == 3


def test_a_run_that_does_not_even_fit_alone_counts_for_nothing() -> None:
    """It will be skipped whatever is chosen."""

    def forecast(jobs: int, runs: Sequence[PlannedRun]) -> dict[str, Prediction]:
        small, large = Prediction(100.0 * (1 + 0.1 * jobs), GB), Prediction(1.0, 99 * GB)
        return {run.run_id: large if run.recipe == LARGE else small for run in runs}

    plan = [planned(MINI), planned(MINI, 1), planned(LARGE)]
    assert choose(plan, 3, 8 * GB, 2, forecast, 2).jobs == 2


@pytest.mark.parametrize(("rule", "says"), [(2, "no model has"), (1, "a model has")])
def test_the_rule_where_nothing_can_be_timed(rule: int, says: str) -> None:
    choice = chosen(Forecasts({1: {}}), rule=rule)
    assert (choice.jobs, choice.why) == (
        rule,
        f"nothing could be timed; {says} more than 30M parameters",
    )


def test_one_at_a_time_where_several_cannot_be_timed() -> None:
    choice = chosen(Forecasts({1: ALONE, 2: {}}))
    assert (choice.jobs, choice.why) == (1, "2 at a time could not be timed")


def test_a_short_study_has_no_trial() -> None:
    forecasts = Forecasts({1: scaled(0.1)})
    choice = chosen(forecasts)
    assert (choice.jobs, choice.why) == (1, "they take less than 60 s in all")
    assert forecasts.asked == [(1, 9)]
    # The first look of a long study is not short.
    assert chosen(Forecasts({1: scaled(0.1), 2: scaled(0.1)}), n=99).jobs == 2


@pytest.mark.parametrize(
    ("plan", "cores", "says"), [(PLAN, 1, "this program may use one core"), (PLAN[:1], 8, "one run is to do")]
)
def test_nothing_is_timed_where_there_is_nothing_to_choose(
    plan: list[PlannedRun], cores: int, says: str
) -> None:
    forecasts = Forecasts({})
    assert chosen(forecasts, plan, cores=cores) == Choice(1, says)
    assert not forecasts.asked


def test_a_telling_run_of_each_model_is_that_which_takes_most_in_all() -> None:
    plan = [*PLAN, planned(LARGE)]
    often = {run.run_id: Prediction({MINI: 3.0, MINI_ALL: 8.0}.get(run.recipe, 1.0), 1) for run in plan}
    del often[planned(MINI_ALL, 1).run_id], often[planned(MINI_ALL, 2).run_id]
    assert telling_runs(plan, often) == [planned(MINI), planned(TFIDF), planned(LARGE)]


def test_a_study_goes_on_as_it_was_begun(toy_record: Callable[..., Record]) -> None:
    """So that its times compare, whatever the rest of it is forecast to take."""
    environment = toy_record().environment.model_copy(update={"device": "cpu"})

    def done(jobs: int, device: str = "cpu", status: str = "done") -> Record:
        place = environment.model_copy(update={"jobs": jobs, "device": device})
        return toy_record(environment=place, status=status)

    assert as_before([], 2) is None
    assert as_before([done(2), done(2), done(1)], 2) == Choice(
        2, "as the finished runs of this study were done"
    )
    assert as_before([done(4)], 2) is None  # on another machine
    assert as_before([done(2, device="NVIDIA H200"), done(2, status="failed")], 2) is None


def test_forecasts_of_processes_at_once_are_averaged() -> None:
    one = {"a": Prediction(1.0, 5, checks={"padding": 3.0}), "b": Prediction(9.0, 9)}
    other = {"a": Prediction(2.0, 7, checks={"padding": 4.0})}
    assert mean_of([one, other]) == {"a": Prediction(1.5, 7, checks={"padding": 3.5})}


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    lines = [f"{'buy now' if i % 2 else 'see you'} {i},{i % 2}" for i in range(40)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *lines, ""]))
    return tmp_path / "texts.csv"


def test_run_and_plan_say_what_was_chosen(bench: Bench, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    study = ["--matrix", "quick", "--only", "baseline,tfidf", "--models", "nano", "--set", "epochs=1"]
    study += ["--data", str(texts), "--seeds", "1", "--jobs", "auto", "--out", "out"]
    short = "--jobs auto: 1 run at a time: they take less than 60 s in all"
    assert short in bench("plan", *study).words
    monkeypatch.setattr("bench.run.auto_jobs.WORTH_S", 0.0)
    assert "(timed: baseline on nano, tfidf)" in bench("plan", *study).words
    monkeypatch.setattr(
        "bench.run.auto_jobs.study_s", lambda *_: {1: 4.0, 2: 3.0}
    )  # whatever this machine is like
    answer = bench("run", *study)
    assert "--jobs auto: 2 runs at a time: 2 processes of 1 thread are forecast to take 0.75" in answer.words
    assert "(2 runs at a time)" in answer.words
    # Runs within the test's process say that they had it alone.
    more = bench("run", *study[:-6], "--seeds", "2", *study[-4:])
    assert "1 run at a time: as the finished runs of this study were done" in more.words
