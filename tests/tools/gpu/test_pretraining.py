"""Stage 4 at toy size: tokens as they were packed, and a comparison that is paired."""

import lzma

import numpy as np
import pytest

from gptcore.data import assets
from tools.gpu import pack, pretraining


def test_tokens_come_back_as_they_were_packed(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "ASSETS", ())
    pack.pack(corpus, tmp_path / "packed")
    monkeypatch.setattr(pretraining, "CARRIED", tmp_path / "packed" / "tokens")
    work = tmp_path / "work"
    work.mkdir()
    assert pretraining.unpack(work, small=False)
    for split in ("train", "validation"):
        packed = lzma.decompress((tmp_path / "packed" / "tokens" / f"{split}.u16.xz").read_bytes())
        assert (work / f"{split}.u16").read_bytes() == packed
        assert len(np.frombuffer(packed, dtype=np.uint16)) > 100


def test_assets_are_copied(tmp_path, monkeypatch):
    source = tmp_path / "here"
    source.write_text("texts")
    monkeypatch.setattr(pack, "ASSETS", (assets.SMS_SPAM,))
    monkeypatch.setattr(pack, "fetch", lambda _asset: source)
    monkeypatch.setattr(pack, "SPLITS", ())
    monkeypatch.setattr(pack, "tokenise", lambda _corpus, work: (work / "corpus.json").write_text("{}"))
    pack.pack(tmp_path, tmp_path / "packed")
    assert (tmp_path / "packed" / "cache" / assets.SMS_SPAM.name).read_text() == "texts"


def test_without_tokens_there_is_nothing_to_train_on(tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "CARRIED", tmp_path / "nowhere")
    assert not pretraining.unpack(tmp_path, small=False)


def test_the_interval_is_over_windows_that_are_paired():
    before = np.linspace(2.0, 6.0, 100)  # windows differ far more than the models do
    after = before - 0.5 + 0.01 * np.resize([1, -1], 100)
    found = pretraining._compared(before, after, bytes_per_token=4.0)
    low, mean, high = found["difference"]
    assert mean == pytest.approx(-0.5 / np.log(2) / 4, abs=1e-4)
    assert low < mean < high < 0
    assert high - low == pytest.approx(2 * 1.96 * 0.01005 / 10 / np.log(2) / 4, abs=2e-4)
    assert found["bits_per_byte_before"] > found["bits_per_byte_after"]
