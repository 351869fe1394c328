"""Values are chosen on data that hold no test text, and a split that would leak one is refused."""

from dataclasses import replace

import numpy as np
import pytest

from gptcore.data.datasets import Dataset, Split, load_dataset
from gptcore.data.holdout import check_apart, check_unseen, development, without_test
from gptcore.errors import UserError

TEXTS = [f"text {i}" for i in range(90)]


@pytest.fixture
def data() -> Dataset:
    return Dataset.from_texts(TEXTS, [i % 3 for i in range(90)])


def test_a_fixed_test_part_stays_while_the_others_are_drawn_anew(data: Dataset) -> None:
    fixed = data.with_fixed_test()
    splits = [fixed.with_split(seed) for seed in (1, 2, 123)]
    assert {frozenset(split.test.texts) for split in splits} == {frozenset(data.test.texts)}
    assert len({split.validation.texts for split in splits}) == 3
    for split in splits:
        assert sorted(split.train.texts + split.validation.texts + split.test.texts) == sorted(TEXTS)


def test_a_test_part_that_is_given_is_fixed_already() -> None:
    data = Dataset.from_texts(TEXTS[:60], [i % 2 for i in range(60)], test=(TEXTS[60:], [0, 1] * 15))
    assert data.with_fixed_test() is data


def test_trials_see_no_test_text(data: Dataset) -> None:
    fixed = data.with_fixed_test()
    hidden = without_test(fixed, [7, 8])
    for seed in (7, 8):
        split = hidden.with_split(seed)
        seen = set(split.train.texts + split.validation.texts + split.test.texts)
        assert not seen & set(data.test.texts)
        assert split.test.texts == split.validation.texts
        assert split.train.texts == fixed.with_split(seed).train.texts
    with pytest.raises(UserError, match="cannot be split with seed 9"):
        hidden.with_split(9)


def test_a_planted_leak_is_caught(data: Dataset) -> None:
    """One test row among those that train: the choice would have seen it."""
    fixed = data.with_fixed_test()
    split, test = fixed.with_split(7), fixed.test
    assert split.train.rows is not None
    assert test.rows is not None
    rows = np.array([*split.train.rows[:-1], test.rows[0]])
    leaking = replace(split, train=Split((*split.train.texts[:-1], test.texts[0]), split.train.labels, rows))
    with pytest.raises(UserError, match="1 test rows are among those that values would be chosen on"):
        check_unseen(leaking, test.rows)
    # Seeds that draw the test part anew leak by themselves, which is why a tuned study keeps it.
    with pytest.raises(UserError, match="test rows are among"):
        without_test(data, [7])


def test_rows_that_are_not_known_are_refused(data: Dataset) -> None:
    bare = replace(data, train=replace(data.train, rows=None))
    with pytest.raises(UserError, match="its rows are not known"):
        check_unseen(bare, data.test.rows)
    with pytest.raises(UserError, match="cannot be kept"):
        replace(data, source=None).with_fixed_test()


def test_texts_that_a_test_text_repeats_are_left_out_of_trials() -> None:
    texts = [f"text {i}" for i in range(60)]
    data = Dataset.from_texts(
        [*texts, "Text  0", "TEXT 1"],
        [i % 2 for i in range(62)],
        test=(["text 0 ", "text 1", "other"], [0, 1, 1]),
    )
    hidden = without_test(data, [7])
    seen = {" ".join(text.lower().split()) for text in (*hidden.train.texts, *hidden.validation.texts)}
    assert seen == {f"text {i}" for i in range(2, 60)}
    assert len(hidden.train.labels) == len(hidden.train.texts) == len(hidden.train.rows)


def test_a_first_look_is_said_of_a_fixed_test_part_too(tmp_path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("text,label\n" + "".join(f"text {i},{i % 3}\n" for i in range(90)))
    limited = load_dataset(path, limit=30)
    assert any("--limit" in warning for warning in limited.warnings)
    assert any("--limit" in warning for warning in limited.with_fixed_test().with_split(5).warnings)


def test_development_holds_no_test_text_whatever_the_seed(data: Dataset) -> None:
    dev = development(data)
    for seed in (data.split_seed, 7, 8):
        split = dev.with_split(seed)
        seen = set(split.train.texts + split.validation.texts + split.test.texts)
        assert seen == set(data.train.texts + data.validation.texts)
        check_apart(split, data.test)
    assert dev.label_names == data.label_names


def test_development_leaves_out_what_a_test_text_repeats() -> None:
    texts, labels = TEXTS[:60], [i % 2 for i in range(60)]
    data = Dataset.from_texts(texts, labels, test=(["  TEXT 3 ", "new", "newer"], [1, 0, 1]))
    dev = development(data)
    assert "text 3" not in dev.train.texts + dev.validation.texts + dev.test.texts
    assert len(dev.train) + len(dev.validation) + len(dev.test) == 59


def test_the_test_part_changes_nothing_of_development() -> None:
    labels = [i % 2 for i in range(60)]
    one, other = (
        development(Dataset.from_texts(TEXTS[:60], labels, test=test))
        for test in ((["a", "b"], [0, 1]), (["c", "d", "e"], [1, 1, 0]))
    )
    assert one.fingerprint == other.fingerprint


def test_a_test_text_among_development_rows_is_caught(data: Dataset) -> None:
    with pytest.raises(UserError, match="18 test texts are among those that a recipe would be chosen on"):
        check_apart(data, data.test)
