"""Every row of the matrix of encoders trains on toy encoders, and both engines agree on it."""

import numpy as np
import pytest

from bench.study.axis import resolve_on
from bench.study.matrix import load_matrix
from gptcore import Dataset, Engine, fit
from gptcore.data.datasets import Split
from gptcore.recipe import Recipe
from gptcore.training import build, features, tokenizing
from tests.parity.toys import VOCAB, toy_backbone


class Numbers:
    """A tokenizer of texts such as "3 14 15"."""

    name, fingerprint, pad_id, unk_id, notes = "numbers", "n" * 64, 1, None, ()
    prefix, suffix = (0,), (2,)

    def encode_batch(self, texts: tuple[str, ...]) -> list[list[int]]:
        return [[0, *(int(word) for word in text.split()), 2] for text in texts]


def make_split(n: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    texts = [" ".join(str(rng.integers(3, VOCAB)) for _ in range(rng.integers(1, 9))) for _ in range(n)]
    return Split(tuple(texts), np.arange(n) % 2)


ROWS = [
    row
    for row in resolve_on(load_matrix("encoders"), ["distilbert-base-uncased"], {"context": "longest"}).rows
    if row.recipe.backbone
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("family", ["distilbert", "roberta"])
def test_every_row_trains_on_an_encoder(family: str, row: object, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe: Recipe = row.recipe.model_copy(update={"model": family})  # type: ignore[attr-defined]
    monkeypatch.setattr(
        build, "build_backbone", lambda recipe, seed: (toy_backbone(recipe.model, seed), "toy")
    )
    for module in (features, tokenizing):
        monkeypatch.setattr(module, "checkpoint_tokenizer", lambda _name: Numbers())
    data = Dataset("toy", make_split(24, 0), make_split(8, 1), make_split(8, 2), ("a", "b"), "", "", 0, 0)
    plain, fast = (fit(recipe, data, 0, Engine(name), "cpu") for name in ("plain", "fast"))
    np.testing.assert_allclose(fast.test.probabilities, plain.test.probabilities, atol=1e-2)
    assert np.isfinite(fast.test.probabilities).all()
