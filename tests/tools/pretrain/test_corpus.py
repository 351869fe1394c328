"""From text files to token files and windows."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcore.data.tokenizer import load_tokenizer
from gptcore.errors import UserError
from tools.pretrain.corpus import (
    WindowOrder,
    bytes_per_token,
    open_tokens,
    read_documents,
    split_of,
    tokenise,
)


def test_documents_come_in_the_order_of_the_files(corpus, documents):
    assert list(read_documents(corpus)) == documents


def test_a_folder_without_text_is_refused(tmp_path):
    (tmp_path / "notes.md").write_text("no corpus")
    with pytest.raises(UserError, match=r"--corpus .* no \.txt or \.txt\.xz file there"):
        list(read_documents(tmp_path))


def test_the_split_depends_on_the_text_alone():
    texts = [f"document {i}" for i in range(5000)]
    held_out = [text for text in texts if split_of(text) == "validation"]
    assert {split_of(text) for text in texts} == {"train", "validation"}
    assert 25 < len(held_out) < 75  # one in a hundred
    # A change here would move documents between the two parts of corpora that models were trained on.
    assert held_out[:3] == ["document 138", "document 150", "document 157"]


@pytest.fixture(scope="module")
def work(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    tokenise(corpus, folder)
    return folder


def test_token_files_hold_every_document_of_their_split(work, documents):
    tokenizer = load_tokenizer("embedded")
    meta = json.loads((work / "corpus.json").read_text())
    for split in ("train", "validation"):
        ids = open_tokens(work / f"{split}.u16")
        assert ids.dtype == np.uint16
        assert ids[-1] == tokenizer.pad_id
        ends = np.flatnonzero(ids == tokenizer.pad_id)
        starts = [0, *(ends[:-1] + 1)]
        found = [tokenizer.decode(ids[a:b].tolist()) for a, b in zip(starts, ends, strict=True)]
        expected = [text for text in documents if split_of(text) == split]
        assert sorted(found) == sorted(expected)
        assert found != expected  # mixed
        n_bytes = sum(len(text.encode()) for text in expected)
        assert meta[split] == {"documents": len(expected), "bytes": n_bytes, "tokens": len(ids)}
        assert bytes_per_token(work, split) == n_bytes / len(ids)


def test_the_order_of_the_files_does_not_matter(work, documents, tmp_path):
    (tmp_path / "c.txt").write_text("\n<|endoftext|>\n".join(reversed(documents)), encoding="utf-8")
    paths = tokenise(tmp_path, tmp_path / "work")
    for split, path in paths.items():
        assert path.read_bytes() == (work / f"{split}.u16").read_bytes()


def test_tokenising_is_done_once_and_again_if_it_was_cut_off(corpus, tmp_path):
    paths = tokenise(corpus, tmp_path)
    whole = {split: path.read_bytes() for split, path in paths.items()}
    assert tokenise(tmp_path / "gone", tmp_path) == paths  # the corpus is not read again
    (tmp_path / "corpus.json").unlink()
    paths["train"].write_bytes(whole["train"][:100])
    tokenise(corpus, tmp_path)
    assert {split: path.read_bytes() for split, path in paths.items()} == whole


@given(
    n_tokens=st.integers(60, 400), length=st.integers(1, 9), batch=st.integers(1, 6), seed=st.integers(0, 9)
)
def test_an_epoch_sees_every_window_once(n_tokens, length, batch, seed):
    tokens = np.arange(n_tokens, dtype=np.uint16)  # a window's first token tells which it is
    order = WindowOrder(tokens, length, batch, seed)
    steps = order.n_windows // batch
    for epoch in (0, 1):
        batches = [order.batch_at(step) for step in range(epoch * steps, (epoch + 1) * steps)]
        windows = np.concatenate(batches)
        assert windows.shape == (steps * batch, length + 1)
        assert windows.dtype == np.int64
        assert (np.diff(windows, axis=1) == 1).all()  # consecutive, so targets are inputs shifted by one
        assert (windows[:, 0] % length == 0).all()
        assert len(set(windows[:, 0])) == steps * batch
        assert order.n_windows - steps * batch < batch


def test_batches_depend_on_seed_and_step_alone():
    tokens = np.arange(200, dtype=np.uint16)
    order = WindowOrder(tokens, 4, 5, seed=1)
    batches = [order.batch_at(step) for step in range(30)]  # more than three epochs
    for step in (29, 3, 17, 3):
        assert np.array_equal(WindowOrder(tokens, 4, 5, seed=1).batch_at(step), batches[step])
        assert np.array_equal(order.batch_at(step), batches[step])  # back and forth
    assert not any(np.array_equal(a, b) for a, b in itertools.combinations(batches, 2))
    assert not np.array_equal(WindowOrder(tokens, 4, 5, seed=2).batch_at(0), batches[0])


def test_too_few_tokens_for_a_batch_are_refused():
    with pytest.raises(UserError, match="the corpus has 20 tokens: too few for one batch of 5 x 4"):
        WindowOrder(np.arange(20, dtype=np.uint16), 4, 5, seed=1)
    WindowOrder(np.arange(21, dtype=np.uint16), 4, 5, seed=1)
