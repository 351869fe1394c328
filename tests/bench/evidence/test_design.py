"""What a study can show, forecast from its size: against simulated studies, and as a choice of margin."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from bench.evidence.clusters import Clusters
from bench.evidence.decide import decide
from bench.evidence.design import Design, design_of
from bench.records.groups import count_as
from bench.records.study import Row, Study
from gptcore.recipe import Recipe, Seeds
from tests.bench.evidence.simulate_groups import Truth, compare, simulate

POOL = 1494


def own(n: int, n_comparisons: int = 20) -> Design:
    return Design(n, 1 / POOL, n_comparisons)


def test_more_texts_show_smaller_differences() -> None:
    assert [Design(n, 0.1 / n, 20).margin for n in (100, 300, 3000)] == [0.05, 0.02, 0.01]
    assert [Design(n, 1 / n, 20).margin for n in (300, 3000)] == [0.05, 0.01]
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
    given = study.model_copy(update={"dataset": data.model_copy(update={"test_given": True})})
    assert design_of(given).overlap == 1 / data.n_test  # seeds of the split change the other parts alone


def test_groups_count_as_those_of_the_verdicts() -> None:
    random = np.random.default_rng(0)
    group_of = np.repeat(np.arange(200), random.integers(1, 6, 200))
    one = group_of[group_of < 40]
    assert count_as(one.tolist()) == pytest.approx(Clusters.of([one]).counts_as)

    def draw() -> np.ndarray:
        return group_of[np.isin(group_of, random.choice(200, 40, replace=False))]

    each = float(np.mean([count_as(draw().tolist()) for _ in range(50)]))
    design = Design(120, 0.2 / 120, 5, n_groups=40, groups_count_as=each)
    for n_seeds in (1, 3, 10):
        found = np.mean([Clusters.of([draw() for _ in range(n_seeds)]).counts_as for _ in range(50)])
        assert design.groups_of(n_seeds) == pytest.approx(found, rel=0.05)


def test_groups_leave_a_range() -> None:
    texts = Design(300, 1 / 300, 5)
    many = Design(300, 1 / 300, 5, n_groups=60, groups_count_as=60)
    assert many.visible_difference(5) == texts.visible_difference(5)  # at best
    unequal = Design(300, 1 / 300, 5, n_groups=60, groups_count_as=30)
    ends = [one.all_alike.visible_difference(5) for one in (many, unequal)]
    assert texts.visible_difference(5) < ends[0] < ends[1]
    few = Design(300, 1 / 300, 5, n_groups=5, groups_count_as=5)
    assert few.visible_difference(5) > texts.visible_difference(
        5
    )  # never more degrees of freedom than theirs
    assert few.can_judge
    assert not Design(300, 1 / 300, 5, n_groups=4, groups_count_as=4).can_judge
    assert Design(300, 0.2 / 300, 5, n_groups=4, groups_count_as=4).can_judge  # other seeds have others
    assert not Design(300, 0.1 / 300, 5, n_groups=1, groups_count_as=1).can_judge


@pytest.mark.parametrize("own_splits", [False, True])
def test_simulated_studies_of_groups_lie_within_the_range(own_splits: bool) -> None:
    """At its lower end where groups do not matter, and above it where rows are lucky by group."""
    n_seeds, size, tested = 5, 5, 60
    n_groups = 300 if own_splits else tested
    design = Design(tested * size, 1 / (n_groups * size), 6, n_groups=tested, groups_count_as=tested)
    like = Truth(0.0, n_groups, tested, size, own_splits, seed=0.08, liking=0.12, noise=0.2, accuracy=0.95)

    def worse(truth: Truth, difference: float) -> float:
        """Share of rows that are called worse, all of which lose so much."""
        random = np.random.default_rng(1)
        parts = (truth.liking, truth.noise, truth.seed, truth.group)
        spread = float(np.sqrt(1 + sum(each**2 for each in parts)))
        shift = spread * float(ndtri(truth.accuracy - difference) - ndtri(truth.accuracy))
        studies = (simulate(random, replace(truth, shift=shift), 6, n_seeds) for _ in range(4))
        found = [one for made in studies for one in decide(compare(*made), 0.05).values()]
        return float(np.mean([one.call == "worse" for one in found]))

    at_best, at_worst = design.visible_difference(n_seeds), design.all_alike.visible_difference(n_seeds)
    assert worse(like, at_best) >= 0.7
    lucky = replace(like, group=0.8)
    assert worse(lucky, at_best) <= 0.5
    assert worse(lucky, at_worst) >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("own_splits", [False, True])
@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_what_is_forecast_is_what_simulated_studies_show(
    simulation: Any, n_seeds: int, own_splits: bool
) -> None:
    """Rows like those of the committed studies, of which a third differs by what is forecast to be visible."""
    random = np.random.default_rng(n_seeds)
    design = Design(300, 1 / (POOL if own_splits else 300), 18)
    visible, margin = design.visible_difference(n_seeds), design.visible_margin(n_seeds)
    like = replace(simulation.LIKE_RECORDS, shift=0.0)
    spread = float(np.sqrt(1 + like.liking**2 + like.noise**2 + like.seed**2))
    lower = spread * float(ndtri(like.accuracy - visible) - ndtri(like.accuracy))
    truth = replace(like, shift=[lower] * 6 + [0.0] * 12)
    worse, none = [], []
    for _ in range(40):
        made = simulation.simulate(random, truth, 18, n_seeds, 300, own_splits)
        found = decide(simulation.compare(*made), margin)
        worse += [found[row].call == "worse" for row in range(6)]
        none += [found[row].call == "no difference" for row in range(6, 18)]
    assert 0.5 <= np.mean(worse) <= 0.99
    assert 0.4 <= np.mean(none) <= 0.98
