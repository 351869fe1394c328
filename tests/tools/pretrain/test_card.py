"""What a finished run writes: weights that open anywhere, and a card with its figures."""

import json

import pytest
import torch
from safetensors.torch import load_file

from gptcore.backbones.weights import load_gpt, weights_fingerprint
from tools.pretrain.card import write_model
from tools.pretrain.loop import PretrainConfig, Pretraining, held_out_loss


@pytest.fixture
def run(toy_size, tokens, tmp_path) -> Pretraining:
    config = PretrainConfig(size=toy_size, tokens=10 * 4 * 8, batch=4, length=8)
    meta = {"train": {"bytes": 3200, "tokens": 800}, "validation": {"bytes": 500, "tokens": 200}}
    (tmp_path / "corpus.json").write_text(json.dumps(meta))
    return Pretraining(config, tmp_path / "toy", tokens[:800], tokens[800:])


def test_weights_open_and_the_card_says_how_they_came_to_be(run, tokens, tmp_path):
    loss = run.run(lambda _entry: None)
    card = write_model(run, tmp_path, tmp_path / "out", loss)
    folder = tmp_path / "out" / "toy"
    assert json.loads((folder / "card.json").read_text()) == card
    assert (folder / "log.jsonl").read_bytes() == (run.work / "log.jsonl").read_bytes()
    stored = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}

    opened = load_gpt(folder)
    assert opened.config == run.model.config
    assert weights_fingerprint(opened) == card["weights_fingerprint"]
    assert held_out_loss(opened, tokens[800:]) == pytest.approx(loss, abs=0.001)

    assert card["model"] == "toy"
    assert card["parameters"] == sum(p.numel() for p in opened.parameters())
    assert card["tokens_seen"] == 320
    assert card["epochs_of_corpus"] == 0.4
    assert card["held_out_loss_nats_per_token"] == pytest.approx(loss, abs=1e-4)
    assert card["bits_per_byte"] == pytest.approx(loss / 0.693147 / 2.5, rel=1e-3)
    assert card["train_s"] >= 0
    # 6 FLOPs a token for every weight that multiplies, position embeddings do not
    assert card["training_flops"] == 6 * (card["parameters"] - 8 * 16) * 320
    assert card["recipe"]["seed"] == 1
    assert card["corpus"]["validation"]["tokens"] == 200


def test_writing_the_model_leaves_the_run_as_it_was(run, tmp_path):
    loss = run.run(lambda _entry: None)
    before = weights_fingerprint(run.model)
    write_model(run, tmp_path, tmp_path / "out", loss)
    assert weights_fingerprint(run.model) == before
