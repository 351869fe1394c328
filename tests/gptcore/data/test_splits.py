"""Parts that are given, texts in memory, and copies between parts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gptcore.data.datasets import Dataset, load_dataset
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
    whole = load_dataset(train, validation=test, test=test)
    assert whole.validation.texts == whole.test.texts
    assert whole.given == ("train", "validation", "test")


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
            "no train row has the label 'y', which 1 rows of other parts",
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
    assert data.n_test_seen == 1
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


def test_test_texts_that_were_seen_in_training() -> None:
    train = [f"Text  number {i}" for i in range(50)]
    test = [
        *train[:10],
        *(text.upper().replace("  ", " ") for text in train[10:15]),
        *(f"new {i}" for i in range(85)),
    ]
    data = Dataset.from_texts(train, LABELS[:40] + [0] * 10, test=(test, [0, 1] * 50))
    assert (data.n_test_seen, data.n_test_seen_alike) == (10, 15)
    (warning,) = data.warnings
    assert warning.startswith(
        "15 of 100 test texts (15%) also stand in train or validation (10 word for word, the others but for case"
    )
    few = Dataset.from_texts(
        train, [0, 1] * 25, test=([train[0], *(f"new {i}" for i in range(99))], [0, 1] * 50)
    )
    assert few.n_test_seen == 1
    assert few.warnings == ()


def test_one_text_under_two_labels(tmp_path: Path) -> None:
    rows = [(f"t{i}", "ab"[i % 2]) for i in range(40)] + [("t0", "b"), ("t0", "b"), ("t1", "a"), ("t2", "a")]
    data = load_dataset(write(tmp_path / "a.csv", rows, "text,label"))
    assert data.warnings[0] == (
        "2 texts stand under more than one label, such as 't0' at line 2 ('a') and line 42 ('b')"
    )
