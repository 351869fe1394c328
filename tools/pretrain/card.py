"""What a finished pretraining leaves: float16 weights, and their card as data."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gptcore.backbones.weights import load_gpt, save_gpt, weights_fingerprint
from gptcore.files import write_whole
from tools.pretrain.corpus import bytes_per_token
from tools.pretrain.loop import Pretraining, bits_per_byte


def write_model(run: Pretraining, work: Path, out: Path, held_out_loss: float) -> dict[str, Any]:
    """Write OUT/SIZE/{model.safetensors, config.json, card.json, log.jsonl}; returns the card.

    The weights are stored as float16, half the size; `held_out_loss` is that of the weights before rounding.
    """
    config, progress = run.config, run.progress
    folder = out / config.size
    save_gpt(run.model, folder, dtype=torch.float16)
    size = run.model.config
    tokens = progress.step * config.batch * config.length
    card = {
        "model": config.size,
        "parameters": size.n_params,
        "tokens_seen": tokens,
        "epochs_of_corpus": round(tokens / len(run.order.tokens), 3),
        "held_out_loss_nats_per_token": round(held_out_loss, 4),
        "bits_per_byte": round(bits_per_byte(held_out_loss, bytes_per_token(work, "validation")), 4),
        "train_s": round(progress.train_s, 1),
        "device": config.device,
        "training_flops": 6 * (size.n_params - size.context * size.d_model) * tokens,
        "weights_fingerprint": weights_fingerprint(load_gpt(folder)),
        "recipe": asdict(config),
        "corpus": json.loads((work / "corpus.json").read_text(encoding="utf-8")),
    }
    write_whole(folder / "card.json", json.dumps(card, indent=2) + "\n")
    write_whole(folder / "log.jsonl", (run.work / "log.jsonl").read_bytes())
    return card
