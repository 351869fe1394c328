"""overall.md: the verdict of each data set, the overall one, and how much they differ."""

import dataclasses
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.evidence.results import Results
from bench.records.record import WeightsFacts
from bench.report.overall import render
from gptcore.errors import UserError


@pytest.fixture
def studies(rows: ModuleType) -> Any:
    """Studies of some data sets with a row that is worse, one that is equal, and the baseline."""

    def make(names: Sequence[str], losses: Sequence[int]) -> dict[str, Results]:
        found = {}
        for name, loss in zip(names, losses, strict=True):
            random = np.random.default_rng(len(found))
            data = rows.DATASET.model_copy(update={"name": name, "source_fingerprint": name * 8})

            def wrong(n: int, random: np.random.Generator = random) -> list[list[int]]:
                return [
                    random.choice(60, n + int(random.integers(3)), replace=False).tolist() for _ in range(5)
                ]

            made = [
                rows.make_row(row, wrong(n), dataset=data)
                for row, n in (("base", 20), ("bad", loss), ("same", 20))
            ]
            results = rows.make_results(*made, dataset=data)
            against = [
                row if row.name == "base" else row.model_copy(update={"against": "base"})
                for row in results.study.rows
            ]
            study = results.study.model_copy(update={"rows": against})
            both = zip(results.rows, against, strict=True)
            found[name] = Results(
                study,
                tuple(type(one)(row, one.recipe_id, one.runs, None, None) for one, row in both),
                n_unused=0,
                margin=0.02,
            )
        return found

    return make


def test_rows_have_a_word_over_four_data_sets_and_each_has_its_own(studies: Any) -> None:
    text = render(studies(["a", "b", "c", "d"], [52, 53, 51, 53]))
    line = next(line for line in text.splitlines() if line.startswith("| bad"))
    assert line.count("(worse)") == 4
    assert "**worse**" in line
    same = next(line for line in text.splitlines() if line.startswith("| same"))
    assert "**" not in same
    assert "Friedman's test" in text
    assert "[a](a/report.md)" in text
    assert "Weights" not in text


def test_it_says_where_weights_come_from_that_do_not_ship(studies: Any) -> None:
    found = studies(["a", "b"], [30, 30])
    weights = WeightsFacts(
        source="made from toy==0.1.2 (Q4_1, dequantised)", fingerprint="f", pretrained=True
    )
    told = {
        name: dataclasses.replace(
            results,
            rows=tuple(
                dataclasses.replace(
                    row, runs=tuple(run.model_copy(update={"weights": weights}) for run in row.done)
                )
                for row in results.rows
            ),
        )
        for name, results in found.items()
    }
    text = render(told)
    assert "Weights: " in text
    assert text.count("dequantised") == 1


def test_three_data_sets_give_no_overall_word(studies: Any) -> None:
    text = render(studies(["a", "b", "c"], [52, 53, 51]))
    assert "**worse**" not in text
    assert "3 data sets say next to nothing of another one" in text


def test_data_sets_that_disagree_are_said_to(studies: Any) -> None:
    text = render(studies(["a", "b", "c", "d"], [5, 53, 20, 50]))
    line = next(line for line in text.splitlines() if line.startswith("| bad"))
    cells = [cell.strip() for cell in line.split("|")]
    assert float(cells[-3]) > 5  # points of spread
    assert cells[-2] == "< 0.001"


def test_the_same_data_twice_is_refused(studies: Any) -> None:
    made = studies(["a"], [30])
    with pytest.raises(UserError, match="a and other are the same data"):
        render({**made, "other": made["a"]})
