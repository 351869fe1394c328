"""The manifest of a study as it goes on and ends."""

from types import SimpleNamespace
from typing import Any

import pytest

from bench.evidence.scheme import with_looks
from bench.records.study import Row, Study
from bench.run.follow import manifest_at_end, manifest_so_far
from gptcore.recipe import Recipe, Seeds
from tests.bench.toys import make_record, make_study

ROWS = [
    Row(name="baseline", recipe=Recipe()),
    Row(name="other", recipe=Recipe(lr=1e-3), against="baseline"),
    Row(name="third", recipe=Recipe(lr=1e-2), against="baseline"),
]
WHY = "every row is decided"


def study_run(manifest: Study, **changes: Any) -> Any:
    """What these functions need of a study's run."""
    values = {"study": manifest, "manifest": manifest, "until_decided": True, "budget": "30m", "plan": []}
    return SimpleNamespace(**(values | changes))


@pytest.fixture
def manifest() -> Study:
    seeds = [Seeds(split=n) for n in range(6)]
    return make_study(ROWS, seeds=seeds, scheme=with_looks([], (3, 6)))


def test_the_budget_is_there_from_the_start_and_the_reason_at_the_end(manifest: Study) -> None:
    run = study_run(manifest.model_copy(update={"budget": "1m", "ended": "it was out"}))  # an earlier call
    so_far = manifest_so_far(run, [])
    assert (so_far.budget, so_far.ended, len(so_far.seeds)) == ("30m", None, 3)
    records = {record.run_id: record for record in [make_record(seed_index=3)]}
    at_end = manifest_at_end(run, records, WHY)
    assert (at_end.budget, at_end.ended, len(at_end.seeds)) == ("30m", WHY, 6)
    assert (
        manifest_at_end(study_run(at_end), records, WHY) == at_end
    )  # another process, or the same command again


def test_a_call_for_some_rows_speaks_of_these(manifest: Study) -> None:
    part = manifest.model_copy(update={"rows": ROWS[:2]})
    ended = manifest_at_end(study_run(manifest, study=part), {}, WHY).ended
    assert ended == "of the last call's rows (baseline, other): every row is decided"


def test_a_call_of_another_kind_keeps_them_unless_it_runs_something(manifest: Study) -> None:
    there = manifest.model_copy(update={"budget": "1m", "ended": WHY})
    nothing = study_run(there, until_decided=False, budget=None)
    assert manifest_so_far(nothing, []) == there
    assert manifest_at_end(nothing, {}, "") == there
    more = study_run(there, until_decided=False, budget=None, plan=[SimpleNamespace(state="todo")])
    assert manifest_at_end(more, {}, "") == manifest
