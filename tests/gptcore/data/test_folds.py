"""K-fold splits: every text is a test text once in five seeds, and the published split comes first."""

import numpy as np
import pytest

from gptcore.data.datasets import Dataset
from gptcore.data.folds import fold_parts
from gptcore.data.sms_spam import published_parts
from gptcore.errors import UserError

LABELS = np.array([0, 0, 1] * 40)
TEXTS = [f"text {i if i % 10 else 0}" for i in range(120)]  # 12 copies


def test_five_seeds_test_every_text_once_and_copies_stay_together() -> None:
    data = Dataset.from_texts(TEXTS, LABELS).with_folds()
    for first in (123, 128):
        parts = [data.with_split(first + i) for i in range(5)]
        rows = np.concatenate([part.test.rows for part in parts])
        assert sorted(rows.tolist()) == list(range(120))
        for part in parts:
            every = np.concatenate([part.train.rows, part.validation.rows, part.test.rows])
            assert sorted(every.tolist()) == list(range(120))
            assert part.duplicates == 0
            assert part.given == ()
    assert data.fingerprint == data.with_split(123).fingerprint
    assert data.with_split(128).test.texts != data.test.texts  # another round
    assert any("5 seeds test every text once" in note for note in data.notes)


def test_the_published_split_is_the_first() -> None:
    labels = ["spam" if i % 5 == 0 else "ham" for i in range(500)]
    indices = np.array([label == "spam" for label in labels], dtype=np.int64)
    published = published_parts(labels, 123)
    folds = [fold_parts("x", indices, np.arange(500), 123 + i, published) for i in range(5)]
    assert all((a == b).all() for a, b in zip(folds[0], published, strict=True))
    tested = np.concatenate([test for _, _, test in folds])
    assert sorted(tested.tolist()) == sorted(np.concatenate(published).tolist())
    assert [len(test) for _, _, test in folds] == [40] * 5
    for train, validation, test in folds:
        assert len(set(train) | set(validation) | set(test)) == 200


def test_what_cannot_be_folded() -> None:
    given = Dataset.from_texts(TEXTS, LABELS, test=(["a", "b"], [0, 1]))
    with pytest.raises(UserError, match="--splits kfold: the test rows of texts are given"):
        given.with_folds()
    few = Dataset.from_texts([f"t{i}" for i in range(24)], [0] * 20 + [1] * 4)
    with pytest.raises(UserError, match="needs 5 different texts of each class"):
        few.with_folds()
