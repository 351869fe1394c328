"""Which runs are one job."""

from bench.run.executors.grouping import grouped, trunk_of
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe, Seeds

HEAD, BLOCK, ALL = (Recipe(model="nano", train=train) for train in ("last_layer", "last_block", "all"))
TFIDF = Recipe(model="tfidf")
LEFT = HEAD.model_copy(update={"padding": "left"})


def planned(recipe: Recipe, seed_index: int = 0) -> PlannedRun:
    seeds = Seeds(init=seed_index, order=seed_index, split=seed_index)
    return PlannedRun((), recipe, seed_index, seeds, "todo")


def names(runs: list[PlannedRun], slots: int, seconds: dict[str, float] | None = None) -> list[list[str]]:
    found = {run_id: Prediction(s, 1) for run_id, s in (seconds or {}).items()}
    jobs = grouped(runs, found, slots)
    assert sorted(run.run_id for job in jobs for run in job) == sorted(run.run_id for run in runs)
    return [
        [f"{run.recipe.train if run.recipe.backbone else 'tfidf'}-{run.seed_index}" for run in job]
        for job in jobs
    ]


def test_runs_above_the_same_states_share_a_trunk() -> None:
    assert trunk_of(planned(HEAD)) == trunk_of(planned(BLOCK)) != trunk_of(planned(LEFT))
    assert trunk_of(planned(HEAD)) != trunk_of(planned(HEAD, 1))
    assert trunk_of(planned(ALL)) is None
    assert trunk_of(planned(TFIDF)) is None
    random = HEAD.model_copy(update={"weights": "random"})
    assert trunk_of(planned(random)) != trunk_of(planned(HEAD))


def test_a_job_has_the_runs_of_one_trunk_and_a_run_without_one_is_alone() -> None:
    plan = [planned(recipe, seed) for seed in range(8) for recipe in (ALL, BLOCK, TFIDF, HEAD)]
    assert names(plan, 2)[:4] == [["all-0"], ["last_block-0", "last_layer-0"], ["tfidf-0"], ["all-1"]]


def test_a_long_group_is_divided_where_workers_would_wait_for_it() -> None:
    plan = [planned(BLOCK.model_copy(update={"lr": (1 + i) / 1000})) for i in range(8)]
    assert [len(job) for job in grouped(plan, {}, 2)] == [2, 2, 2, 2]
    assert [len(job) for job in grouped(plan, {}, 8)] == [1] * 8
    first = {plan[0].run_id: 10.0, **{run.run_id: 1.0 for run in plan[1:]}}
    assert [len(job) for job in grouped(plan, {k: Prediction(s, 1) for k, s in first.items()}, 2)] == [
        1,
        4,
        3,
    ]


def test_one_worker_gets_the_plan_run_by_run() -> None:
    assert names([planned(BLOCK), planned(ALL), planned(HEAD)], 1) == [
        ["last_block-0"],
        ["all-0"],
        ["last_layer-0"],
    ]
