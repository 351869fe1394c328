"""Seconds for timing a trained classifier: a share of its run, or what the fewest texts of a slow one take."""

import pytest

from gptcore.training.serving_time import (
    FEWEST_ALONE,
    FEWEST_TOGETHER,
    MOST_ALONE,
    MOST_TOGETHER,
    budget_beside,
    expected_s,
    n_together,
)


def test_it_may_take_a_small_share_of_the_run() -> None:
    assert [budget_beside(run_s) for run_s in (0.1, 10, 1000)] == [0.1, 0.2, 1.0]


def test_a_slow_classifier_takes_its_fewest_texts_and_a_fast_one_its_most() -> None:
    assert expected_s(1.0, 10.0) == 10 * (1 + FEWEST_ALONE + FEWEST_TOGETHER)
    assert expected_s(1.0, 1e-6) == pytest.approx(1e-6 * (1 + MOST_ALONE + MOST_TOGETHER))
    assert expected_s(1.0, 0.05) == pytest.approx(0.05 * (1 + 10 + 10))
    assert n_together(1.0, 0.0) == MOST_TOGETHER


def test_an_adapter_is_timed_twice() -> None:
    assert expected_s(1.0, 10.0, n_ways=2) == 2 * expected_s(1.0, 10.0)
    assert expected_s(1.0, 0.01, n_ways=2) == pytest.approx(1.0, rel=0.05)
