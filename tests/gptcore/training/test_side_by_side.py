"""Threads that share the texts answer as one does, and leave torch its threads."""

from collections.abc import Iterator
from threading import get_ident

import numpy as np
import pytest
import torch

from gptcore import Dataset, Recipe, fit
from gptcore.training import side_by_side
from gptcore.training.predictors import TokenPredictor

TEXTS = [f"{'buy now' if i % 2 else 'see you at'} {i} {'!' * (i % 5)}" for i in range(41)]


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(side_by_side, "FEWEST", 2)
    monkeypatch.setattr(side_by_side, "MOST", 8)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=["last_block", "features"])
def predictor(request: pytest.FixtureRequest) -> TokenPredictor:
    data = Dataset.from_texts(TEXTS, [i % 2 for i in range(41)])
    recipe = Recipe(model="nano", train=request.param, position="last_real", epochs=1)
    found = fit(recipe, data, 1, device="cpu").classifier.predictor
    assert isinstance(found, TokenPredictor)
    return found


@pytest.mark.usefixtures("two_threads")
def test_threads_answer_as_one_does(predictor: TokenPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    together = predictor.probabilities(TEXTS)
    monkeypatch.setattr(side_by_side, "can_run_at_once", lambda _: False)
    np.testing.assert_allclose(predictor.probabilities(TEXTS), together, atol=1e-6)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("n", [1, 3, 4, 16, 17, 41])
def test_pieces_are_whole_in_order_and_as_many_as_the_threads_can_share(
    predictor: TokenPredictor, n: int
) -> None:
    seen = []

    def run(some: list[list[int]]) -> list[list[int]]:
        seen.append((get_ident(), torch.get_num_threads()))
        return some

    pieces = side_by_side.side_by_side(predictor.network, run, [[i] for i in range(n)])
    assert [token for piece in pieces for (token,) in piece] == list(range(n))
    assert max(map(len, pieces)) <= 8
    assert len(pieces) % 2 == 0 or n < 4
    assert {threads for _, threads in seen} == ({2} if n < 4 else {1})


@pytest.mark.usefixtures("two_threads")
def test_an_error_comes_through_and_torch_has_its_threads_again(predictor: TokenPredictor) -> None:
    def fail(_: object) -> None:
        raise FloatingPointError("no number")

    with pytest.raises(FloatingPointError, match="no number"):
        side_by_side.side_by_side(predictor.network, fail, [[1]] * 10)
    assert torch.get_num_threads() == 2


def test_what_cannot_run_at_once_runs_in_turn(
    predictor: TokenPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert side_by_side.can_run_at_once(predictor.network)
    for of, name, value in (
        (predictor.network, "n_processes", 2),
        (predictor.network.backbone, "reentrant", False),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(of, name, value)
            assert not side_by_side.can_run_at_once(predictor.network)
