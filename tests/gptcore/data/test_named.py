"""Data sets by name, from small made copies: read, checked and refused. Servers are on this machine."""

import csv
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gptcore.data.assets import Asset, Url, digest
from gptcore.data.datasets import load_dataset
from gptcore.data.named import NAMED, imdb
from gptcore.data.named.base import Labelled, NamedData
from gptcore.data.named.load import load_named
from gptcore.data.named.newsgroups import subject_and_body
from gptcore.errors import UserError


def as_csv(*rows: tuple[str, ...]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()


def ratings(header: bytes = b"id\tsentiment\ttext\r\n") -> bytes:
    lines = [b'%d\t%s\t text "%d\r\n' % (i, (b"-1.5", b"0.05", b"0")[i % 3], i) for i in range(30)]
    return header + b"".join(lines)


REVIEWS = {
    f"{part}/{label}/{i}_{i % 10}.txt": f"{part} {label} {i}<br />\u00e9".encode()
    for part in ("train", "test")
    for label in ("pos", "neg")
    for i in (0, 1, 10, 100, 2)
}
# Members of each data set by name, the texts of some, and sizes
COPIES: dict[str, tuple[dict[str, bytes], dict[str, int], tuple[str, str]]] = {
    "imdb": ({**REVIEWS, "train/unsup/0_0.txt": b"no"}, {"": 20}, ("test pos 0<br />\u00e9", "positive")),
    "ag-news": (
        {
            "train.csv": as_csv(*((str(1 + i % 4), f"Title {i}", 'a "b", c') for i in range(8))),
            "test.csv": as_csv(*((str(1 + i % 4), f"T {i}", "d") for i in range(4))),
        },
        {"train": 8, "test": 4},
        ('Title 1 a "b", c', "Sports"),
    ),
    "sst2": (
        {
            "train.tsv": b"sentence\tlabel\n" + b"".join(b'it "is %d \t%d\n' % (i, i % 2) for i in range(6)),
            "dev.tsv": b"sentence\tlabel\na\t0\nb\t1\n",
        },
        {"train": 6, "test": 2},
        ('it "is 1 ', "positive"),
    ),
    "trec": (
        {
            "train_5500.label": b"".join(
                b"%s What is \xe9 %d ?\n" % (label, i)
                for i in range(2)
                for label in (b"ABBR:exp", b"DESC:def", b"ENTY:word", b"HUM:ind", b"LOC:city", b"NUM:date")
            ),
            "TREC_10.label": b"NUM:date When ?\r\n",
        },
        {"train": 12, "test": 1},
        ("What is \u00e9 0 ?", "ABBR"),
    ),
    "banking77": (
        {
            "train.csv": as_csv(
                ("text", "category"), *((f"q {i}\nmore", f"intent_{i % 77}") for i in range(154))
            ),
            "test.csv": as_csv(("text", "category"), ("who?", "intent_3")),
        },
        {"train": 154, "test": 1},
        ("q 5\nmore", "intent_5"),
    ),
    "subj": (
        {
            "plot.tok.gt9.5000": b"".join(b"the hero %d dies . \n" % i for i in range(4)),
            "quote.tok.gt9.5000": b"".join(b"a fine film\xe9e %d . \n" % i for i in range(4)),
        },
        {"": 8},
        ("a fine film\u00e9e 2 .", "subjective"),
    ),
    "20newsgroups": (
        {
            f"20news-bydate-{part}/{group}/{i}": b"From: me\nSubject: Re: %d\nLines: 2\n\nbody\n\nmore\n" % i
            for part in ("train", "test")
            for group in NAMED["20newsgroups"].label_names
            for i in range(2)
        },
        {"train": 40, "test": 40},
        ("Re: 1\n\nbody\n\nmore", "alt.atheism"),
    ),
    "movie-snippets": (
        {"movieReviewSnippets_GroundTruth.txt": ratings()},
        {"": 20},
        (' text "1', "positive"),
    ),
}


def zipped(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
            archive.writestr(f"__MACOSX/{name}", b"junk")
    return buffer.getvalue()


def tarred(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def made_copy(
    name: str, folder: Path, base_url: str = "", served: dict[str, bytes] | None = None
) -> NamedData:
    """The data set with a toy copy of it: its files in `folder`, loose, and under `base_url` as they are published."""
    members, sizes, _ = COPIES[name]
    for member, content in members.items():
        path = folder / "deeper" / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    files = []
    for file, asset in NAMED[name].files:
        inside = {f"top/{member}": content for member, content in members.items()}
        content = zipped(inside) if file.endswith(".zip") else tarred(inside)
        content = members.get(file, content)
        if served is not None:
            served[f"/{file}"] = content
        files.append((file, Asset(asset.name, digest(content), (Url(f"{base_url}/{file}"),))))
    return replace(NAMED[name], files=tuple(files), sizes=sizes, check=None, hub=None)


@pytest.mark.parametrize("name", list(COPIES))
def test_each_is_read_from_its_source_and_from_a_copy_of_ones_own(name, server, tmp_path):
    data = made_copy(name, tmp_path / "own", server.url, server.files)
    fetched = load_named(data)
    assert COPIES[name][2] in list(zip(fetched.texts, fetched.labels, strict=True))
    assert data.citation in fetched.notes[0]
    assert data.licence in fetched.notes[0]
    assert load_named(data, tmp_path / "own") == fetched
    asked = len(server.asked)
    assert load_named(data) == fetched  # from the cache
    assert len(server.asked) == asked
    (tmp_path / "own.zip").write_bytes(zipped({f"x/{k}": v for k, v in COPIES[name][0].items()}))
    assert load_named(data, tmp_path / "own.zip") == fetched


def test_what_is_not_that_data_set_is_refused(server, tmp_path):
    data = made_copy("movie-snippets", tmp_path / "own", server.url, server.files)
    (file,) = (tmp_path / "own" / "deeper").iterdir()
    with pytest.raises(UserError, match="has 20 texts; movie-snippets has 21 texts"):
        load_named(replace(data, sizes={"": 21}))
    with pytest.raises(UserError, match="no such file or folder"):
        load_named(data, tmp_path / "gone")
    file.write_bytes(ratings() + b"31\t1\tmore\n")
    with pytest.raises(UserError, match="has the SHA-256"):
        load_named(data, tmp_path / "own")
    with pytest.raises(UserError, match="has the SHA-256"):
        load_named(data, file)
    file.unlink()
    with pytest.raises(UserError, match=r"has no movieReviewSnippets_GroundTruth.txt, which movie-snippets"):
        load_named(data, tmp_path / "own")
    server.files.clear()
    other = replace(data, files=((data.files[0][0], replace(data.files[0][1], name="not-cached")),))
    with pytest.raises(UserError, match=r"could not be fetched.*name your own copy of movieReviewSnippets"):
        load_named(other)
    other = made_copy("movie-snippets", tmp_path / "b")
    (tmp_path / "b" / "deeper" / file.name).write_bytes(ratings(b"other\n"))
    changed = replace(other.files[0][1], sha256=None)
    with pytest.raises(UserError, match="is not movie-snippets as it was published"):
        load_named(replace(other, files=((file.name, changed),)), tmp_path / "b")


def test_imdb_is_in_the_published_order_and_verified(tmp_path):
    data = made_copy("imdb", tmp_path)
    found = load_named(data, tmp_path)
    # By name as text, so that 100_0 comes before 10_0 and after 0_0; "0" is before "_".
    assert [text.split("<")[0] for text in found.texts[:5]] == [f"test pos {i}" for i in (0, 100, 10, 1, 2)]
    assert found.labels == (["positive"] * 5 + ["negative"] * 5) * 2
    with pytest.raises(UserError, match="imdb: the train split of these files has the SHA-256"):
        load_named(replace(data, check=imdb.check_splits), tmp_path)


def test_imdb_parts_have_the_published_numbers_of_positive_reviews():
    labels = (["positive"] * 12_500 + ["negative"] * 12_500) * 2
    parts = imdb.published_parts(labels, 123)
    found = [(len(part), sum(labels[row] == "positive" for row in part)) for part in parts]
    assert found == [(35_000, 17_498), (5_000, 2_493), (10_000, 5_009)]
    digests = imdb.split_digests(Labelled([f"t{i}" for i in range(20)], labels[:10] + labels[12_500:12_510]))
    assert list(digests) == list(imdb.PUBLISHED_SPLITS)


def test_the_two_sets_of_trec_classes():
    assert len(NAMED["trec-50"].label_names) == len(set(NAMED["trec-50"].label_names)) == 50
    assert {name.split(":")[0] for name in NAMED["trec-50"].label_names} == set(NAMED["trec"].label_names)


def test_given_parts_and_seeds(monkeypatch, tmp_path):
    monkeypatch.setitem(NAMED, "ag-news", made_copy("ag-news", tmp_path))
    data = load_dataset("ag-news", data_path=tmp_path)
    assert data.given == ("test",)
    assert data.label_names == ("World", "Sports", "Business", "Sci/Tech")
    assert len(data.test) == 4
    with pytest.raises(UserError, match="can be named for a file only"):
        load_dataset("ag-news", text_column="a")
    with pytest.raises(UserError, match="--data-path x: it is for data sets with a name"):
        load_dataset("some.csv", data_path="x")


def test_a_post_without_a_subject_keeps_its_body():
    assert subject_and_body("From: a\n\nSubject: no\n") == "Subject: no"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("sms-spam-full", {"ham": 4825, "spam": 747}),
        ("movie-snippets", {"negative": 5326, "positive": 5242}),
        ("tweets", {"negative": 1299, "positive": 2897}),
        ("amazon-snippets", {"negative": 1482, "positive": 2128}),
    ],
)
def test_the_real_ones_that_a_package_has(name, counts):
    labels = load_named(NAMED[name]).labels
    assert {label: labels.count(label) for label in sorted(set(labels))} == counts
