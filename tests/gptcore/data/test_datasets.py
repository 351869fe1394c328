"""Datasets from files: kept whole, split within each class, known again by their fingerprint."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcore.data import assets
from gptcore.data.datasets import DATASETS, Dataset, load_dataset, split_source
from gptcore.data.named import NAMED
from gptcore.data.source import Source
from gptcore.data.splits import stratified_parts
from gptcore.errors import UserError
from gptcore.files import write_whole


def write(path, rows):
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8")
    return path


@pytest.fixture
def three_classes(tmp_path):
    """100 texts of class 10, 60 of 9, 3 of 2."""
    rows = [(f"text {i}", "10" if i < 100 else "9" if i < 160 else "2") for i in range(163)]
    return write(tmp_path / "three.tsv", rows)


def splits(data):
    return data.train, data.validation, data.test


def test_a_file_becomes_three_stratified_splits(three_classes):
    data = load_dataset(three_classes)
    assert data.name == "three.tsv"
    assert data.label_names == ("2", "9", "10")  # in numeric order
    counts = [np.bincount(split.labels, minlength=3).tolist() for split in splits(data)]
    assert counts == [[1, 42, 70], [1, 6, 10], [1, 12, 20]]
    texts = [text for split in splits(data) for text in split.texts]
    assert sorted(texts) == sorted(f"text {i}" for i in range(163))
    for split in splits(data):
        assert split.labels.dtype == np.int64
        assert len(split) == len(split.texts) == len(split.labels)
        names = [data.label_names[label] for label in split.labels]
        assert names == ["10" if int(t[5:]) < 100 else "9" if int(t[5:]) < 160 else "2" for t in split.texts]
    assert data.train.labels.tolist() != sorted(data.train.labels)  # shuffled
    with pytest.raises(ValueError, match="read-only"):
        data.train.labels[0] = 1


def test_the_seed_decides_the_split_and_nothing_else(three_classes):
    first, again, other = (load_dataset(str(three_classes), split_seed=seed) for seed in (1, 1, 2))
    assert first.train.texts == again.train.texts
    assert first.fingerprint == again.fingerprint
    assert first.train.texts != other.train.texts
    assert first.fingerprint != other.fingerprint
    assert first.source_fingerprint == other.source_fingerprint
    assert (first.split_seed, other.split_seed) == (1, 2)


def test_fingerprints_tell_a_changed_text_label_or_label_name(tmp_path):
    rows = [(f"t{i}", "ab"[i % 2]) for i in range(10)]
    changed = [
        [("T0", "a"), *rows[1:]],
        [("t0", "b"), *rows[1:]],
        [(text, label.upper()) for text, label in rows],
        list(reversed(rows)),
    ]
    data = [load_dataset(write(tmp_path / "a.tsv", version)) for version in (rows, *changed)]
    assert len({d.fingerprint for d in data}) == len(data)
    assert len({d.source_fingerprint for d in data}) == len(data)


def test_the_split_of_a_seed_never_changes(three_classes):
    assert load_dataset(three_classes).test.texts[:4] == ("text 54", "text 133", "text 80", "text 6")


def test_texts_in_more_than_one_split_are_counted_once_each():
    """Only a published split has any."""
    texts = ["same"] * 10 + [f"own {i}" for i in range(8)] + ["other", "same", "own 1"]
    source = Source(
        "x",
        texts,
        ["a", "b"] * 10 + ["a"],
        ("a", "b"),
        published=lambda *_: np.split(np.arange(21), [15, 18]),
    )
    data = split_source(source, 1)
    assert (data.duplicates, data.n_test_seen) == (2, 2)
    assert any("also stand in train or validation" in warning for warning in data.warnings)
    fixed = data.with_fixed_test()
    assert len(fixed.train) + len(fixed.validation) == 18
    assert (fixed.duplicates, fixed.n_test_seen) == (2, 2)


def test_copies_of_a_text_stay_in_one_part(tmp_path):
    rows = [
        (f"{' Text' if copy else 'text'} {i}", "ab"[i % 2]) for i in range(40) for copy in range(1 + i % 3)
    ]
    data = load_dataset(write(tmp_path / "a.tsv", rows))
    assert (data.duplicates, data.n_test_seen, data.n_test_seen_alike) == (0, 0, 0)
    assert sorted(np.concatenate([split.rows for split in splits(data)]).tolist()) == list(range(len(rows)))
    assert any("39 texts repeat another" in note for note in data.notes)
    few = [("same", "a")] * 5 + [(f"own {i}", "b") for i in range(10)]
    with pytest.raises(UserError, match="label 'a' has 1 different text, too few for train, validation"):
        load_dataset(write(tmp_path / "b.tsv", few))
    both = [(f"t {i}", label) for i in range(9) for label in ("a", "b")]
    data = load_dataset(write(tmp_path / "c.tsv", both))
    assert data.duplicates == 0
    assert all(set(split.labels.tolist()) == {0, 1} for split in splits(data))


def test_copies_stay_together_where_validation_is_cut_off():
    texts = [f"t {i // 2}" for i in range(80)] + ["both", "both"]
    labels = ["ab"[i // 2 % 2] for i in range(80)] + ["a", "c"]
    data = Dataset.from_texts(texts, labels, test=(["x"], ["a"]))
    assert data.duplicates == 0
    assert set(data.train.labels.tolist()) == {0, 1, 2}
    assert len(data.validation) == 8


def test_label_names_are_sorted_numbers_first(tmp_path):
    labels = ["b", "10", "a", "9", "-1", "01", "1", "9" * 30]
    rows = [(f"{label} {i}", label) for label in labels for i in range(3)]
    data = load_dataset(write(tmp_path / "a.tsv", rows))
    assert data.label_names == ("-1", "01", "1", "9", "10", "9" * 30, "a", "b")


def test_notes_tell_of_texts_that_may_have_swallowed_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('label,text\nham,"never\nclosed"\n' + "".join(f"ham,x{i}\nspam,y{i}\n" for i in range(4)))
    assert load_dataset(path).notes == ("1 text holds line breaks, the first at line 2",)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([("t", "x")] * 5, "all 5 rows have the label 'x'"),
        ([("t", "x")] * 5 + [("t", "y")] * 2, "label 'y' has 2 of the 3 rows"),
        ([(f"t{i}", f"{i}") for i in range(9)], "label '0' has 1 of the 3 rows .*and 8 more classes"),
    ],
)
def test_too_few_classes_or_rows(tmp_path, rows, match):
    with pytest.raises(UserError, match=match):
        load_dataset(write(tmp_path / "a.tsv", rows))


def test_names_and_arguments_that_are_refused(tmp_path):
    with pytest.raises(UserError, match="unknown dataset 'sms-spm', and no such file: did you mean sms-spam"):
        load_dataset("sms-spm")
    for missing in ("gone.csv", tmp_path / "sms-spam", f"{tmp_path}/gone"):
        with pytest.raises(UserError, match="no such file"):
            load_dataset(missing)
    with pytest.raises(UserError, match="split seed -1: it must be between"):
        load_dataset("sms-spam", split_seed=-1)
    with pytest.raises(UserError, match="can be named for a file only"):
        load_dataset("sms-spam", text_column="text")


def test_sms_spam_from_a_toy_file(cache, monkeypatch):
    lines = [f"{'spam' if i % 4 == 0 else 'ham'}\tmessage {i % 70}\n" for i in range(80)]
    content = "".join(lines).encode()
    toy = assets.Asset("toy", assets.digest(content), ())
    changes = {"files": (("SMSSpamCollection", toy),), "sizes": {"": 80}}
    monkeypatch.setitem(NAMED, "sms-spam", replace(NAMED["sms-spam"], **changes))
    write_whole(cache / "toy", content)
    data = load_dataset()
    assert [len(split) for split in splits(data)] == [28, 4, 8]
    assert data.label_names == ("ham", "spam")
    assert sum(split.labels.sum() for split in splits(data)) == 20
    assert data.notes[2] == "balanced as published: all 20 spam, as many of 60 ham"


@given(
    counts=st.lists(st.integers(3, 40), min_size=2, max_size=6),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_row_in_one_part_and_every_class_in_every_part(counts, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    parts = stratified_parts(labels, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for part in parts:
        assert set(labels[part].tolist()) == set(range(len(counts)))
    train, validation, test = (np.bincount(labels[part]) for part in parts)
    assert (validation == np.maximum(1, np.round(np.array(counts) * 0.1))).all()
    assert (test == np.maximum(1, np.round(np.array(counts) * 0.2))).all()
    assert (train >= 1).all()


def test_listing_datasets_imports_nothing_heavy():
    heavy = "{'torch', 'pandas', 'numpy', 'sklearn'} & {*sys.modules}"
    code = f"import sys, gptcore.data.datasets as d; print(*d.DATASETS, *({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(DATASETS)
