"""Parts that are given, texts in memory, and copies between parts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcore.data.datasets import Dataset, Split, load_dataset
from gptcore.errors import UserError

PARTS = ["train"] * 7 + ["test"] * 2 + ["dev"]
ROWS = [(f"text {i}", "ab"[i // 10 % 2], PARTS[i % 10]) for i in range(80)]


def write(path: Path, rows: list[tuple[str, ...]], header: str = "text,label,split") -> Path:
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return path


def test_a_split_column_is_used_and_no_seed_changes_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ROWS)
    data = load_dataset(path, split_column="split")
    for split, part in ((data.train, "train"), (data.validation, "dev"), (data.test, "test")):
        assert sorted(split.texts) == sorted(text for text, _, p in ROWS if p == part)
        assert split.rows is not None
        assert [ROWS[row][0] for row in split.rows] == list(split.texts)
    other = data.with_split(7)
    assert (other.train.texts, other.test.texts) == (data.train.texts, data.test.texts)
    assert other.fingerprint == data.fingerprint
    assert data.given == ("train", "validation", "test")
    assert any("no seed splits them anew" in note for note in data.notes)
    labels = data.train.labels.tolist()
    assert labels != sorted(labels)  # mixed, though the file is not


def test_another_assignment_is_another_source(tmp_path: Path) -> None:
    first = load_dataset(write(tmp_path / "a.csv", ROWS), split_column="split")
    moved = [(text, label, "test" if i == 0 else part) for i, (text, label, part) in enumerate(ROWS)]
    second = load_dataset(write(tmp_path / "a.csv", moved), split_column="split")
    assert first.source_fingerprint != second.source_fingerprint


def test_a_split_column_that_is_not_used_is_said(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path / "a.csv", ROWS))
    (warning,) = data.warnings
    assert "'split' says which part a row belongs to and is not used" in warning
    assert "--split-column split" in warning
    assert data.given == ()
    other = [(text, label, "x") for text, label, _ in ROWS]
    assert load_dataset(write(tmp_path / "b.csv", other)).warnings == ()


def test_missing_validation_is_cut_from_train_within_each_class(tmp_path: Path) -> None:
    rows = [
        (f"t{i}", "rare" if i < 3 else "ab"[i % 2], "test" if i % 5 == 4 else "TRAIN ") for i in range(100)
    ]
    data = load_dataset(write(tmp_path / "a.csv", rows), split_column="split")
    counts = [np.bincount(s.labels, minlength=3).tolist() for s in (data.train, data.validation, data.test)]
    assert counts[1] == [4, 4, 1]
    assert len(data.train) + len(data.validation) == 80
    other = data.with_split(5)
    assert other.test.texts == data.test.texts
    assert other.validation.texts != data.validation.texts
    assert set(other.train.texts) | set(other.validation.texts) == set(data.train.texts) | set(
        data.validation.texts
    )
    assert any("seeds of the split change these alone" in note for note in data.notes)


def test_files_of_parts(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", [(t, la) for t, la, p in ROWS if p != "test"], "text,label")
    test = write(tmp_path / "test.tsv", [(t, la) for t, la, p in ROWS if p == "test"], "sentence,class")
    test.write_text(test.read_text().replace(",", "\t"))
    data = load_dataset(train, test=test)
    assert sorted(data.test.texts) == sorted(t for t, _, p in ROWS if p == "test")
    assert data.given == ("test",)
    assert "test: the 16 rows of test.tsv" in data.notes
    assert len({*data.train.rows, *data.validation.rows, *data.test.rows}) == 80  # type: ignore[misc]
    validation = write(tmp_path / "validation.csv", [("other", "a"), ("others", "b")], "text,label")
    whole = load_dataset(train, validation=validation, test=test)
    assert sorted(whole.validation.texts) == ["other", "others"]
    assert whole.given == ("train", "validation", "test")
    with pytest.raises(
        UserError, match="no validation row is left, as 16 validation rows repeat a text of a later"
    ):
        load_dataset(train, validation=test, test=test)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (
            [("a", "x", "train"), ("b", "y", "unsup")],
            "line 3: the split 'unsup' is not understood: use train",
        ),
        ([("a", "x", "train"), ("b", "y", "")], "line 3: the split '' is not understood"),
        ([("a", "x", "train"), ("b", "y", "train")], "no row is given as test"),
        ([("a", "x", "test"), ("b", "y", "test")], "no row is given as train"),
        (
            [("a", "x", "train"), ("b", "y", "test")],
            "no train row has the label 'y', which 1 row of other parts has: add train rows with it, or remove",
        ),
        ([("a", "x", "train"), ("b", "y", "train"), ("c", "x", "test")], "each class has one train row"),
    ],
)
def test_given_parts_that_cannot_be(tmp_path: Path, rows: list[tuple[str, ...]], match: str) -> None:
    with pytest.raises(UserError, match=match):
        load_dataset(write(tmp_path / "a.csv", rows), split_column="split")


def test_test_rows_from_two_places_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ROWS)
    with pytest.raises(UserError, match="its split column has test rows too: leave out --test"):
        load_dataset(path, split_column="split", test=path)


# --- texts in memory -------------------------------------------------------------------------------------

TEXTS, LABELS = [f"text {i}" for i in range(40)], [i % 2 for i in range(40)]


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (TEXTS, LABELS),
        (tuple(TEXTS), np.array(LABELS)),
        (np.array(TEXTS), [np.int64(label) for label in LABELS]),
        (pd.Series(TEXTS, index=range(100, 140)), pd.Series(LABELS, index=range(100, 140))),
        (iter(TEXTS), (label for label in LABELS)),
    ],
)
def test_texts_in_memory(texts: object, labels: object) -> None:
    data = Dataset.from_texts(texts, labels)  # type: ignore[arg-type]
    assert data.label_names == ("0", "1")
    assert [len(split) for split in (data.train, data.validation, data.test)] == [28, 4, 8]
    for split in (data.train, data.test):
        assert [int(text.split()[1]) % 2 for text in split.texts] == split.labels.tolist()


def test_memory_and_file_are_one_dataset(tmp_path: Path) -> None:
    rows = [(text, str(label)) for text, label in zip(TEXTS, LABELS, strict=True)]
    file = load_dataset(write(tmp_path / "a.csv", rows, "text,label"), split_seed=3)
    memory = Dataset.from_texts(TEXTS, LABELS, split_seed=3)
    assert memory.fingerprint == file.fingerprint
    assert memory.with_split(9).fingerprint == load_dataset(tmp_path / "a.csv", split_seed=9).fingerprint


def test_given_parts_in_memory() -> None:
    data = Dataset.from_texts(TEXTS, LABELS, test=(["new", "text 1"], [0, 1]), name="mine")
    assert data.name == "mine"
    assert data.test.texts == ("new", "text 1")
    assert data.n_test_seen == 0
    assert len(data.train) + len(data.validation) == 39
    frame = pd.DataFrame({"text": ["v", "w"], "label": [1, 0]})
    whole = Dataset.from_texts(TEXTS, LABELS, validation=(frame.text, frame.label), test=(["n"], [0]))
    assert whole.validation.texts == ("v", "w")


@pytest.mark.parametrize(
    ("texts", "labels", "match"),
    [
        (TEXTS, LABELS[:-1], "40 train texts and 39 labels"),
        ([], [], "needs a list of texts"),
        ("abc", [1, 2, 3], "needs a list of texts"),
        (["a", ""], [0, 1], "train text 1: the text is empty"),
        (["a", 5], [0, 1], "the text is not a string but int"),
        (["a", "b"], [0, None], "train text 1: the label is missing"),
        (["a", "b"], [0, float("nan")], "the label is missing"),
        (["a", "b"], [0, [1]], "neither a string nor a number"),
    ],
)
def test_memory_that_is_refused(texts: object, labels: object, match: str) -> None:
    with pytest.raises(UserError, match=match):
        Dataset.from_texts(texts, labels)  # type: ignore[arg-type]


def test_what_load_dataset_takes() -> None:
    with pytest.raises(UserError, match=r"takes a name or a path, not list: .*Dataset.from_texts"):
        load_dataset(["a", "b"])  # type: ignore[arg-type]


# --- copies ----------------------------------------------------------------------------------------------


def seen_texts(part: Split) -> set[str]:
    """By hand: lower case, words with one blank between them."""
    return {" ".join(text.lower().split()) for text in part.texts}


def test_rows_that_repeat_a_given_test_text_are_left_out() -> None:
    train = [f"Text  number {i}" for i in range(50)]
    test = [
        *train[:10],
        *(text.upper().replace("  ", " ") for text in train[10:15]),
        *(f"new {i}" for i in range(85)),
    ]
    data = Dataset.from_texts(train, LABELS[:40] + [0] * 10, test=(test, [0, 1] * 50))
    assert data.test.texts == tuple(test)  # as published
    assert (data.n_test_seen, data.n_test_seen_alike, data.warnings) == (0, 0, ())
    assert len(data.train) + len(data.validation) == 35
    assert "15 train rows repeat a text of a later part, but for case and blanks: left out" in data.notes[-1]
    one = Dataset.from_texts(train, [0, 1] * 25, test=([train[0], "new"], [0, 1]))
    assert "1 train row repeats a text of a later part" in one.notes[-1]


def test_no_text_stands_in_two_given_parts() -> None:
    data = Dataset.from_texts(
        [*TEXTS, "Both ", "v", "V"],
        [*LABELS, 0, 1, 0],
        validation=(["v", "w", "BOTH", "both"], [1, 0, 0, 0]),
        test=(["both", "Text 3"], [0, 1]),
    )
    parts = [seen_texts(part) for part in (data.train, data.validation, data.test)]
    assert parts == [{text for text in TEXTS if text != "text 3"}, {"v", "w"}, {"both", "text 3"}]
    assert "4 train and 2 validation rows repeat a text of a later part" in data.notes[-1]


def test_a_class_that_test_texts_leave_no_train_row_is_refused() -> None:
    with pytest.raises(UserError, match=r"no train row has the label 'c'.*1 train row repeats .*left out"):
        Dataset.from_texts([*TEXTS, "x"], [*map(str, LABELS), "c"], test=(["X"], ["c"]))


@pytest.mark.parametrize("lost", ["C", "z"])  # sorts before the other classes, and after them
def test_a_class_that_only_left_out_rows_have_is_refused(lost: str) -> None:
    labels = ["Da" if label else "M" for label in LABELS]
    with pytest.raises(
        UserError, match=f"no train row has the label '{lost}' \\(1 train row repeats .*left out"
    ):
        Dataset.from_texts([*TEXTS, "foo bar"], [*labels, lost], test=(["Foo  bar", "else"], ["Da", "M"]))


@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_no_seed_and_no_way_of_splitting_puts_a_text_into_two_parts(
    seed: int, given_test: bool, fixed: bool
) -> None:
    """Many copies, also under other labels and in another case."""
    random = np.random.default_rng(seed)
    numbers = random.integers(30, size=150)
    texts = [f"{random.choice(['Text', '  text'])} {n}" for n in numbers]
    texts += [f"own {label} {i}" for label in "ab" for i in range(4)]
    labels = [*random.choice(["a", "b"], size=150).tolist(), *"aaaabbbb"]
    test = (["TEXT 1", "text 2", "else"], ["a", "b", "a"]) if given_test else None
    data = Dataset.from_texts(texts, labels, split_seed=seed, test=test)
    if fixed:
        data = data.with_fixed_test().with_split(seed + 1)
    train, validation, test_texts = (seen_texts(part) for part in (data.train, data.validation, data.test))
    assert len(train | validation | test_texts) == len(train) + len(validation) + len(test_texts)


def test_one_text_under_two_labels(tmp_path: Path) -> None:
    rows = [(f"t{i}", "ab"[i % 2]) for i in range(40)] + [("t0", "b"), ("t0", "b"), ("t1", "a"), ("t2", "a")]
    data = load_dataset(write(tmp_path / "a.csv", rows, "text,label"))
    assert data.warnings[0] == (
        "2 texts stand under more than one label, such as 't0' at line 2 ('a') and line 42 ('b')"
    )
