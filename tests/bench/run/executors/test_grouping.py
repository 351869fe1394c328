"""Which runs are one job."""

from typing import Any

import pytest

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


def names(runs: list[PlannedRun], slots: int) -> list[list[str]]:
    jobs = grouped(runs, {}, slots)
    assert sorted(run.run_id for job in jobs for run in job) == sorted(run.run_id for run in runs)
    return [
        [f"{run.recipe.train if run.recipe.backbone else 'tfidf'}-{run.seed_index}" for run in job]
        for job in jobs
    ]


def test_runs_above_the_same_states_share_a_trunk() -> None:
    assert trunk_of(planned(HEAD)) == trunk_of(planned(BLOCK)) != trunk_of(planned(LEFT))
    assert trunk_of(planned(ALL)) is None
    assert trunk_of(planned(TFIDF)) is None
    random = HEAD.model_copy(update={"weights": "random"})
    assert trunk_of(planned(random)) != trunk_of(planned(HEAD))


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({}, False),  # cut to the longest training text, which the split decides
        ({"context": 64}, True),
        ({"padding": "none"}, True),
        ({"context": 64, "train_size": 100}, False),
        ({"context": 64, "weights": "random"}, False),
    ],
)
def test_seeds_share_a_trunk_where_they_divide_the_same_texts(changes: dict[str, Any], shared: bool) -> None:
    recipe = Recipe.model_validate(HEAD.model_dump() | changes)
    assert (trunk_of(planned(recipe)) == trunk_of(planned(recipe, 1))) is shared
    runs = [planned(recipe, seed) for seed in range(4)] + [planned(ALL, seed) for seed in range(28)]
    assert (names(runs, 2)[0][:2] == ["last_layer-0", "last_layer-1"]) is shared


def test_a_forecast_says_who_shares_a_trunk() -> None:
    runs = [planned(HEAD, seed) for seed in range(4)] + [planned(ALL, seed) for seed in range(28)]
    trunks = dict(zip((run.run_id for run in runs), "aabb", strict=False))
    found = {run.run_id: Prediction(1.0, 1, trunk=trunks.get(run.run_id)) for run in runs}
    jobs = [[run.seed_index for run in job] for job in grouped(runs, found, 2)]
    assert jobs[:2] == [[0, 1], [2, 3]]
    assert {len(job) for job in jobs[2:]} == {1}


def test_jobs_begin_in_the_order_of_the_plan() -> None:
    recipe = HEAD.model_copy(update={"context": 64})
    runs = [planned(each, seed) for seed in range(8) for each in (recipe, ALL)]
    first = [job[0] for job in grouped(runs, {}, 2)]
    assert first == sorted(first, key=runs.index)


def test_a_job_has_the_runs_of_one_trunk_and_a_run_without_one_is_alone() -> None:
    plan = [planned(recipe, seed) for seed in range(8) for recipe in (ALL, BLOCK, TFIDF, HEAD)]
    assert names(plan, 2)[:4] == [["all-0"], ["last_block-0", "last_layer-0"], ["tfidf-0"], ["all-1"]]


def test_a_long_group_is_divided_where_workers_would_wait_for_it() -> None:
    plan = [planned(BLOCK.model_copy(update={"lr": (1 + i) / 1000})) for i in range(8)]
    assert [len(job) for job in grouped(plan, {}, 2)] == [2, 2, 2, 2]
    assert [len(job) for job in grouped(plan, {}, 8)] == [1] * 8
    first = {plan[0].run_id: 10.0, **{run.run_id: 1.0 for run in plan[1:]}}
    assert [
        len(job) for job in grouped(plan, {k: Prediction(s, 1, trunk="t") for k, s in first.items()}, 2)
    ] == [
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
