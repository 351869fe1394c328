"""Training sets of a chosen size: every class in proportion, smaller ones within larger ones."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcore.data.datasets import Dataset, load_dataset
from gptcore.data.nested import nested_order
from gptcore.data.subset import first_texts, with_train_size
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training.fit import fit


@given(counts=st.lists(st.integers(1, 60), min_size=2, max_size=6), seed=st.integers(0, 2**32 - 1))
def test_every_beginning_has_the_classes_in_proportion(counts: list[int], seed: int) -> None:
    labels = np.random.RandomState(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    order = nested_order(labels)
    assert sorted(order.tolist()) == list(range(len(labels)))
    for n in range(len(counts), len(labels) + 1):
        found = np.bincount(labels[order[:n]], minlength=len(counts))
        assert (found >= 1).all()
        assert (abs(found - n * np.array(counts) / len(labels)) <= len(counts)).all()


@pytest.fixture
def data() -> Dataset:
    texts = [f"{'win a prize' if i % 4 == 0 else 'see you'} {i}" for i in range(120)]
    return Dataset.from_texts(texts, ["spam" if i % 4 == 0 else "ham" for i in range(120)])


def test_smaller_sets_are_parts_of_larger_ones_and_nothing_else_changes(data: Dataset) -> None:
    sets = [set(with_train_size(data, n).train.texts) for n in (2, 10, 11, 40, 84)]
    assert [len(texts) for texts in sets] == [2, 10, 11, 40, 84]
    assert all(small < large for small, large in pairwise(sets))
    cut = with_train_size(data, 10)
    assert (cut.test, cut.validation, cut.fingerprint) == (data.test, data.validation, data.fingerprint)
    assert np.bincount(cut.train.labels).tolist() == [7, 3]
    assert first_texts(data.train, 10).texts == cut.train.texts
    assert with_train_size(data, None) is data
    assert with_train_size(data, 84) is data


@pytest.mark.parametrize(
    ("n", "match"),
    [
        (85, "train_size = 85: the training part of texts has 84 texts"),
        (1, "2 classes: use one text of each"),
    ],
)
def test_sizes_that_cannot_be(data: Dataset, n: int, match: str) -> None:
    with pytest.raises(UserError, match=match):
        with_train_size(data, n)


@pytest.mark.parametrize("values", [{"model": "tfidf"}, {"model": "nano", "epochs": 1, "weights": "random"}])
def test_a_recipe_is_fitted_to_as_many_texts_as_it_says(data: Dataset, values: dict[str, object]) -> None:
    recipe = Recipe.model_validate(values | {"train_size": 20})
    result = fit(recipe, data, device="cpu")
    assert len(result.train.labels) == 20
    assert len(result.test.labels) == len(data.test)
    assert recipe.id != Recipe.model_validate(values).id


def test_a_first_look_keeps_a_share_of_every_part(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"text {i},{'rare' if i < 5 else 'ab'[i % 2]}\n" for i in range(205))
    path.write_text(f"text,label\n{rows}")
    whole, look = load_dataset(path), load_dataset(path, limit=20)
    assert [len(part) for part in (look.train, look.validation, look.test)] == [20, 3, 6]
    for part in ("train", "validation", "test"):
        assert set(getattr(look, part).texts) < set(getattr(whole, part).texts)
        assert set(getattr(look, part).labels.tolist()) == {0, 1, 2}
    assert look.source_fingerprint != whole.source_fingerprint
    assert "a first look: 20 of 143 training texts" in look.warnings[0]
    assert len(look.with_split(5).train) == 20
    assert load_dataset(path, limit=500).train.texts == whole.train.texts
    with pytest.raises(UserError, match="--limit 0: keep at least one"):
        load_dataset(path, limit=0)
