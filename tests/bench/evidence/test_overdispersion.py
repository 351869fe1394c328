"""Overdispersion and what is learned from other comparisons, against distributions with known parameters."""

import numpy as np
import pytest
from scipy.special import polygamma

from bench.evidence.overdispersion import Scatter, inverse_trigamma, moderate, scatter, usual
from bench.evidence.paired import Paired, pair


def scatters(own: list[float], n_seeds: list[int]) -> list[Scatter]:
    return [Scatter(0.0, 1.0, value, 1.0, 0.0, n) for value, n in zip(own, n_seeds, strict=True)]


def some_pair(accuracy: float, n: int = 4000, n_seeds: int = 60) -> Paired:
    """Independent predictions: seeds add nothing."""
    random = np.random.default_rng(3)
    ours, theirs = (random.random((2, n_seeds, n)) < accuracy).astype(int)
    return pair(list(ours), list(theirs), [s * n + np.arange(n) for s in range(n_seeds)])


def test_the_inverse_of_the_trigamma_function() -> None:
    values = np.array([1e-3, 0.1, 1.0, 7.0, 400.0])
    assert polygamma(1, inverse_trigamma(values)) == pytest.approx(values)


def test_what_others_are_like_is_found_again() -> None:
    """Overdispersions drawn from a scaled F distribution with 6 degrees of freedom and a scale of 2."""
    random = np.random.default_rng(1)
    own = 2 * random.f(4, 6, 20_000)
    dof, value = usual(own[:200], np.full(200, 4.0))
    many = own.reshape(100, 200)
    dofs = np.array([usual(part, np.full(200, 4.0))[0][0] for part in many])
    values = np.array([usual(part, np.full(200, 4.0))[1][0] for part in many])
    assert dof.shape == value.shape == (200,)
    assert np.median(dofs) == pytest.approx(6, rel=0.1)
    assert values.mean() == pytest.approx(2, rel=0.05)


def test_others_that_differ_by_chance_alone_count_in_full() -> None:
    own = 1.5 * np.random.default_rng(2).chisquare(9, 400) / 9
    dof, value = usual(own, np.full(400, 9.0))
    assert (dof > 40).all()
    assert value == pytest.approx(np.full(400, 1.5), rel=0.05)


def test_no_comparison_learns_from_itself() -> None:
    own = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    first = usual(own, np.full(5, 4.0))
    again = usual(np.array([99.0, 2.0, 3.0, 4.0, 5.0]), np.full(5, 4.0))
    assert first[1][0] == again[1][0]
    assert first[1][1] != again[1][1]


def test_too_few_others_teach_nothing() -> None:
    found = moderate(scatters([0.2, 5.0, 9.0], [5, 5, 5]))
    assert [one.overdispersion for one in found] == [1.0, 5.0, 9.0]
    assert [one.dof for one in found] == [4.0, 4.0, 4.0]


def test_it_counts_with_no_less_than_its_own_and_no_less_than_one() -> None:
    own = [0.1, 0.4, 1.2, 3.0, 8.0, 40.0]
    found = moderate(scatters(own, [3] * 6))
    assert all(one.overdispersion >= max(1.0, value) for one, value in zip(found, own, strict=True))
    assert found[0].overdispersion > 1  # what looks steady by chance is not trusted
    assert all(2 <= one.dof <= 4 for one in found)  # the others count for no more than the seeds


def test_each_comparison_counts_with_its_own_number_of_seeds() -> None:
    """Fault E5: variances of means over 3 and over 10 seeds were once mixed; a ratio for one seed mixes nothing."""
    own = [1.0, 1.3, 0.9, 1.1, 1.2, 0.8]
    few, mixed = moderate(scatters(own, [3] * 6)), moderate(scatters(own, [3, 10, 10, 3, 10, 10]))
    assert mixed[0].overdispersion == pytest.approx(few[0].overdispersion, rel=0.3)
    assert mixed[0].dof <= 4
    assert mixed[1].dof <= 18


@pytest.mark.parametrize("accuracy", [0.6, 0.95, 0.995])
def test_independent_predictions_have_an_overdispersion_of_one_at_any_accuracy(accuracy: float) -> None:
    assert scatter(some_pair(accuracy)).overdispersion == pytest.approx(1, abs=0.45)


def test_the_logit_has_the_sign_of_the_difference() -> None:
    ours, theirs = np.ones((2, 30), dtype=int), np.ones((2, 30), dtype=int)
    theirs[:, :4] = 0
    ours[1, :3] = 0
    found = pair(list(ours), list(theirs), [np.arange(30)] * 2)
    p, q = (57 + 0.5) / 61, (52 + 0.5) / 61
    assert scatter(found).value == pytest.approx(np.log(p / (1 - p)) - np.log(q / (1 - q)))
    assert scatter(found.reversed).value == pytest.approx(-scatter(found).value)
    assert scatter(pair(list(ours), list(ours), [np.arange(30)] * 2)).value == 0
