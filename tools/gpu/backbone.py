"""Stage 3: a Hugging Face backbone of SmolLM2-135M's shape against a conventional loop on `transformers`, same card.

The loop is what a careful user writes: bfloat16 autocast, fused attention, batches padded to their longest row, frozen
weights without gradients, fused AdamW, no needless wait. Both sides fit the same texts with the same tokenizer, predict
the validation texts after every epoch and the test texts at the end. Weights are random.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.gpu.rows import _data, time_row
from tools.gpu.stage import Stage, missing, stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import Tensor

    from gptcore.data.datasets import Dataset, Split

METHODS = ("last_block", "all", "lora")
EPOCHS, BATCH, PREDICTED_AT_A_TIME, LR = 2, 8, 64, 5e-5
RANK = 16
GOAL = 3.0  # times faster
SMOLLM2_135M = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "rope_theta": 100000.0,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
SMALL = {"hidden_size": 36, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 256}


def main() -> None:
    """Run the stage."""
    if lacking := missing("torch", "pydantic", "pandas", "tokenizers"):
        sys.exit(f"missing: {', '.join(lacking)} (tools/gpu/pack.sh makes a folder to carry)")
    import gptcore  # noqa: F401  (before torch: it decides how idle threads wait)

    with stage("backbone") as running, tempfile.TemporaryDirectory() as folder:
        data = _data(running.small)
        write_checkpoint(Path(folder), data, running.small)
        settings = {"epochs": EPOCHS, "batch": BATCH, "texts": len(data.train), "goal": GOAL}
        running.put("settings", settings)
        for method in METHODS:
            for side, action in (("ours", ours), ("transformers", conventional)):
                running.attempt(f"{side} {method}", partial(action, Path(folder), data, method), need_s=8)
        running.put("times faster", ratios(running))


def write_checkpoint(folder: Path, data: Dataset, small: bool) -> None:
    """A folder with SmolLM2-135M's shape and a tokenizer trained on the texts, without weights."""
    from tools.pretrain.vocabulary import train_bpe

    bpe = train_bpe(data.train.texts, 400 if small else 8000)
    bpe.add_special_tokens(["<|endoftext|>"])
    end = bpe.token_to_id("<|endoftext|>")
    bpe.save(str(folder / "tokenizer.json"))
    described = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
    described |= {"pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(described), encoding="utf-8")
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), end)
    config = {**SMOLLM2_135M, **ids, **(SMALL if small else {})}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def ours(folder: Path, data: Dataset, method: str) -> dict[str, Any]:
    """The project's own fit, with an engine that has no trunk yet."""
    if missing("transformers"):
        return {"skipped": "missing here: transformers"}
    from gptcore.engine.engine import Engine, probe_precision
    from gptcore.recipe import make_recipe

    device = _device()
    changes: dict[str, Any] = {
        "model": str(folder),
        "weights": "random",
        "train": method,
        "position": "last_real",
    }
    changes |= (
        {"lora_targets": ["all-linear"], "lora_rank": RANK, "lora_alpha": RANK} if method == "lora" else {}
    )
    recipe = make_recipe(changes | {"epochs": EPOCHS, "batch_size": BATCH, "lr": LR}, where="stage 3")
    engine = partial(Engine, "fast", probe_precision(device))
    time_row(recipe.model_copy(update={"epochs": 1, "train_size": 24}), data, engine(), device)
    return time_row(recipe, data, engine(), device)


def conventional(folder: Path, data: Dataset, method: str) -> dict[str, Any]:
    """Seconds of the conventional loop, after a few steps of warm-up."""
    wanted = ("transformers", "peft") if method == "lora" else ("transformers",)
    if lacking := missing(*wanted):
        return {"skipped": f"missing here: {', '.join(lacking)}"}
    import torch
    from tokenizers import Tokenizer

    device, bpe = _device(), Tokenizer.from_file(str(folder / "tokenizer.json"))
    splits = [_encoded(bpe, split) for split in (data.train, data.validation, data.test)]
    model = _model(folder, method, len(data.label_names)).to(device)
    learns = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learns, lr=LR, weight_decay=0.1, fused=True)
    loop = partial(_epoch, model, optimiser, device)
    pad = int(model.config.pad_token_id)
    loop(list(_batches(splits[0], BATCH, pad))[:3])
    _predict(model, list(_batches(splits[1], PREDICTED_AT_A_TIME, pad))[:1], device)
    _wait(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    for _ in range(EPOCHS):
        loop(list(_batches(splits[0], BATCH, pad)))
        _predict(model, _batches(splits[1], PREDICTED_AT_A_TIME, pad), device)
    for split in (splits[0], splits[2]):
        _predict(model, _batches(split, PREDICTED_AT_A_TIME, pad), device)
    _wait(device)
    return {
        "standalone_s": round(time.perf_counter() - began, 3),
        "n_trained": sum(p.numel() for p in learns),
        "peak_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else None,
    }


def ratios(running: Stage) -> dict[str, float]:
    """How many times faster ours is, where both sides were timed."""
    found = {}
    for method in METHODS:
        sides = [running.results.get(f"{side} {method}", {}) for side in ("ours", "transformers")]
        if all("standalone_s" in side for side in sides):
            found[method] = round(sides[1]["standalone_s"] / sides[0]["standalone_s"], 2)
    return found


def _device() -> torch.device:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _model(folder: Path, method: str, n_classes: int) -> Any:
    """A sequence classifier with random weights in which what `method` says learns."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.from_pretrained(folder, num_labels=n_classes)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa")
    if method == "lora":
        from peft import LoraConfig, get_peft_model

        lora = LoraConfig(task_type="SEQ_CLS", r=RANK, lora_alpha=RANK, target_modules="all-linear")
        return get_peft_model(model, lora)
    if method == "last_block":
        model.requires_grad_(False)
        for part in (model.model.layers[-1], model.model.norm, model.score):
            part.requires_grad_(True)
    return model


def _encoded(bpe: Any, split: Split) -> tuple[list[list[int]], list[int]]:
    ids = [encoding.ids or [0] for encoding in bpe.encode_batch(list(split.texts))]
    return ids, [int(label) for label in split.labels]


def _batches(
    split: tuple[list[list[int]], list[int]], size: int, pad: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Tokens (B, T), attention mask (B, T) and labels (B,), padded on the right to the longest of the batch."""
    import torch

    texts, labels = split
    for begin in range(0, len(texts), size):
        rows = texts[begin : begin + size]
        width = max(map(len, rows))
        tokens = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        yield tokens, mask, torch.tensor(labels[begin : begin + size])


def _epoch(model: Any, optimiser: torch.optim.Optimizer, device: torch.device, batches: Any) -> None:
    import torch

    model.train()
    for batch in batches:
        tokens, mask, labels = (_moved(part, device) for part in batch)
        with torch.autocast(device.type, torch.bfloat16):
            loss = model(input_ids=tokens, attention_mask=mask, labels=labels).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def _predict(model: Any, batches: Any, device: torch.device) -> None:
    import torch

    model.eval()
    found = []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for tokens, mask, _ in batches:
            found.append(model(input_ids=_moved(tokens, device), attention_mask=_moved(mask, device)).logits)
    torch.cat(found).cpu()


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def _wait(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
