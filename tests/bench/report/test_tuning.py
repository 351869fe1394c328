"""What a report says of values that were chosen for rows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bench.evidence.results import Results
from bench.records.study import Trial, TunedRow
from bench.report.html import render
from bench.report.tuning import end_warning, tuning_section
from bench.report.verdicts import warnings_section

GRID = {"lr": [1e-4, 1e-3, 1e-2], "epochs": [3]}


def tuned(row: str, values: Mapping[str, Any], grid: Mapping[str, list[Any]] = GRID) -> TunedRow:
    trials = [Trial(values=dict(values), epochs=1, accuracy=0.5)]
    return TunedRow(row=row, recipe_id=row, grid=dict(grid), values=dict(values), trials=trials)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], None),
        ([tuned("a", {"lr": 1e-3, "epochs": 3})], None),  # the only number of epochs is no end
        (
            [tuned("a", {"clip": True, "head": "mlp"}, {"clip": [True, False], "head": ["linear", "mlp"]})],
            None,
        ),
        (
            [tuned("a", {"weight_decay": 0.0, "epochs": 1}, {"weight_decay": [0.0, 0.1], "epochs": [1, 3]})],
            None,  # nothing lies beyond
        ),
        (
            [tuned("a", {"lr": 1e-4}), tuned("b", {"lr": 1e-3}), tuned("c", {"lr": 0.01})],
            "a (lr = 0.0001) and c (lr = 0.01)",
        ),
    ],
)
def test_a_value_at_an_end_of_what_was_tried_is_warned_of(
    results: Results, rows: list[TunedRow], said: str | None
) -> None:
    of_tuned = replace(results, study=results.study.model_copy(update={"tuned": rows}))
    warning = end_warning(of_tuned)
    if said is None:
        assert warning == ""
    else:
        assert warning.endswith(f"so one beyond it may be better: {said}")
        assert f"{warning}." in warnings_section(of_tuned)
        assert f'<p class="warning">{warning}.</p>' in render(of_tuned)


def test_the_time_of_trials_stands_beside_that_of_the_runs(results: Results) -> None:
    row = tuned("a", {"lr": 1e-3})
    timed = row.model_copy(update={"trials": [row.trials[0].model_copy(update={"seconds": 45.0})] * 2})

    def section(*rows: TunedRow) -> str:
        study = results.study.model_copy(update={"tuned": list(rows)})
        return "\n".join(tuning_section(replace(results, study=study)))

    minutes = sum(run.spent_s for run in results.runs) / 60
    assert f"Choosing the values took 1.5 min, the study's runs {minutes:.1f} min." in section(timed)
    assert "took" not in section(timed, row).split("the epochs it took")[1]  # an older manifest has no times
