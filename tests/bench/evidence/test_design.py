"""What a study can show, forecast from its size: against simulated studies, and as a choice of margin."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from bench.evidence.decide import decide
from bench.evidence.design import Design, design_of
from bench.records.study import Row, Study
from gptcore.recipe import Recipe, Seeds

POOL = 1494


def own(n: int, n_comparisons: int = 20) -> Design:
    return Design(n, 1 / POOL, n_comparisons)


def test_more_texts_show_smaller_differences() -> None:
    assert [Design(n, 0.1 / n, 20).margin for n in (100, 300, 3000)] == [0.05, 0.02, 0.01]
    assert Design(20, 1 / 20, 20).margin == 0.05  # the widest, where none can be shown


def test_more_seeds_show_smaller_differences_and_shared_texts_larger_ones() -> None:
    shown = [own(300).visible_difference(n) for n in (3, 5, 10, 40)]
    assert shown == sorted(shown, reverse=True)
    margins = [own(300).visible_margin(n) for n in (3, 5, 10, 40)]
    assert margins == sorted(margins, reverse=True)
    assert Design(300, 1 / 300, 20).visible_difference(10) > own(300).visible_difference(10)
    assert own(300, 2).visible_difference(5) < own(300, 40).visible_difference(5)


def test_the_design_of_a_study(toy_study: Callable[..., Study]) -> None:
    recipes = [Recipe(epochs=i) for i in (1, 2, 3)]
    rows = [
        Row(name="base", recipe=recipes[0]),
        Row(name="twin", recipe=recipes[0], against="base"),  # by construction, not a comparison
        Row(name="a", recipe=recipes[1], against="base"),
        Row(name="again", recipe=recipes[1], against="base"),
        Row(name="b", recipe=recipes[2], against="a"),
    ]
    study = toy_study(rows, seeds=[Seeds(init=i, split=i) for i in range(3)])
    data = study.dataset
    found = design_of(study)
    assert (found.n_comparisons, found.n_examples) == (2, data.n_test)
    assert found.overlap == 1 / (data.n_train + data.n_validation + data.n_test)
    fixed = study.model_copy(update={"seeds": [Seeds(init=i) for i in range(3)]})
    assert design_of(fixed).overlap == 1 / data.n_test


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_what_is_forecast_is_what_simulated_studies_show(simulation: Any, n_seeds: int) -> None:
    """Rows like those of the committed studies, of which a third differs by what is forecast to be visible."""
    random = np.random.default_rng(n_seeds)
    design = Design(300, 1 / POOL, 18)
    visible, margin = design.visible_difference(n_seeds), design.visible_margin(n_seeds)
    like = replace(simulation.LIKE_RECORDS, shift=0.0)
    spread = float(np.sqrt(1 + like.liking**2 + like.noise**2 + like.seed**2))
    lower = spread * float(ndtri(like.accuracy - visible) - ndtri(like.accuracy))
    truth = replace(like, shift=[lower] * 6 + [0.0] * 12)
    worse, none = [], []
    for _ in range(40):
        made = simulation.simulate(random, truth, 18, n_seeds, 300, True)
        found = decide(simulation.compare(*made), margin)
        worse += [found[row].call == "worse" for row in range(6)]
        none += [found[row].call == "no difference" for row in range(6, 18)]
    assert 0.5 <= np.mean(worse) <= 0.99
    assert 0.4 <= np.mean(none) <= 0.98
