"""The order of looks: what is decided soonest per second comes first."""

from math import inf
from types import ModuleType

import numpy as np
import pytest

from bench.evidence.decide import Decision, decide
from bench.evidence.looks import Look
from bench.evidence.next_look import next_looks, together
from bench.evidence.scheme import LOOKS, with_looks

SCHEME = with_looks([], LOOKS)
MARGIN = 0.02


@pytest.fixture
def decisions(simulation: ModuleType) -> dict[int, Decision]:
    """Rows of which some are clearly worse, some a little, and some not at all, after their first look."""
    truth = simulation.Truth(0.08, 0.12, 0.2, accuracy=0.95, shift=[-1.0, -0.35, 0.0] * 6)
    right, shown = simulation.simulate(np.random.default_rng(4), truth, 18, 5, 300, True)
    compared = simulation.compare(right, shown)
    looks = [Look(look.seeds, look.share, compared if look.seeds == 5 else {}) for look in SCHEME]
    return decide(compared, MARGIN, looks=looks)


def test_decided_rows_are_done_and_the_soonest_decision_is_first(decisions: dict[int, Decision]) -> None:
    found = next_looks(decisions, SCHEME, MARGIN, lambda _row, seeds: seeds - 5.0)
    assert {one.name for one in found} == {row for row, one in decisions.items() if one.call == "undecided"}
    assert {one.seeds for one in found} == {10}
    hopeful = [one for one in found if one.decides_at is not None]
    assert found[: len(hopeful)] == hopeful
    assert [one.seconds for one in hopeful] == sorted(one.seconds for one in hopeful)
    assert {one.decides_at for one in hopeful} >= {10, 20}


def test_a_cheap_row_comes_before_a_dear_one(decisions: dict[int, Decision]) -> None:
    found = next_looks(decisions, SCHEME, MARGIN, lambda _row, seeds: float(seeds))
    likely = [one for one in found if one.decides_at == found[0].decides_at]
    dear = likely[0].name
    again = next_looks(decisions, SCHEME, MARGIN, lambda row, seeds: seeds * (1000.0 if row == dear else 1))
    assert again[0].name != dear
    assert dear in [one.name for one in again]


def test_rows_that_go_as_far_go_together(decisions: dict[int, Decision]) -> None:
    found = next_looks(decisions, SCHEME, MARGIN, lambda _row, seeds: float(seeds))
    batch = together(found)
    assert batch[0] == found[0]
    assert len({(one.seeds, one.decides_at) for one in batch}) == 1
    assert len(batch) > 1


def test_what_cannot_be_reached_is_left_out(decisions: dict[int, Decision]) -> None:
    assert not next_looks(decisions, SCHEME, MARGIN, lambda _row, _seeds: inf)
    assert not next_looks(decisions, SCHEME[:1], MARGIN, lambda _row, seeds: float(seeds))
