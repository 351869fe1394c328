"""The pretraining loop: windows of tokens in, a trained GPT and its log out; killed at any point, it continues."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from gptcore.backbones.gpt import GPT
from gptcore.backbones.weights import random_gpt
from gptcore.errors import UserError
from gptcore.files import replacing, write_whole
from tools.pretrain.corpus import WindowOrder

CHECKPOINT_EVERY_S = 60.0
LOG_EVERY_STEPS = 50
EVALUATE_EVERY_STEPS = 500
WARMUP_SHARE = 0.02


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that decides a pretraining run. Exactly one of `minutes` and `tokens` is the budget."""

    size: str
    minutes: float | None = None
    tokens: int | None = None
    batch: int = 16
    length: int = 256
    lr: float = 8e-3  # AdamW, for embeddings, norms and biases
    matrix_lr: float = 2e-2  # Muon, for the matrices inside the blocks
    weight_decay: float = 0.1
    seed: int = 1
    device: str = "cpu"


@dataclass
class Progress:
    """How far a run is: what a checkpoint holds besides weights and optimiser state."""

    step: int = 0
    train_s: float = 0.0

    def share(self, config: PretrainConfig) -> float:
        """Share of the budget that is spent, 0 to 1."""
        if config.minutes is not None:
            return min(1.0, self.train_s / (60 * config.minutes))
        assert config.tokens is not None
        return min(1.0, self.step * config.batch * config.length / config.tokens)


def lr_factor(share: float) -> float:
    """Linear warm-up, then linear decay to zero at the end of the budget."""
    return min(share / WARMUP_SHARE, (1.0 - share) / (1.0 - WARMUP_SHARE), 1.0) if share > 0 else 1e-3


def build_optimizers(model: GPT, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the blocks' matrices, AdamW for everything else."""
    matrices = [p for p in model.h.parameters() if p.dim() == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=config.matrix_lr, weight_decay=config.weight_decay),
        torch.optim.AdamW(others, lr=config.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def language_model_loss(model: Callable[[Tensor], Tensor], windows: Tensor) -> Tensor:
    """Mean next-token cross-entropy in nats; windows (B, T + 1) int64, model: tokens -> logits (B, T, V)."""
    logits = model(windows[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1).float(), windows[:, 1:].flatten())


@torch.no_grad()
def window_losses(
    model: GPT, tokens: np.ndarray, n_windows: int = 512, batch: int = 16
) -> npt.NDArray[np.float64]:
    """Mean loss in nats a token of each of at most `n_windows` evenly spread windows of the full context.

    tokens: (N,) of held-out text. Raises UserError where they do not fill one window.
    """
    length = model.config.context
    available = (len(tokens) - 1) // length
    if available < 1:
        raise UserError(f"the held-out text has {len(tokens)} tokens: fewer than one window of {length}")
    chosen = np.linspace(0, available - 1, min(n_windows, available)).astype(np.int64)
    found = []
    for start in range(0, len(chosen), batch):
        rows = np.stack([tokens[w * length : (w + 1) * length + 1] for w in chosen[start : start + batch]])
        windows = to_device(rows.astype(np.int64), model.wte.weight.device)
        logits = model.lm_logits(windows[:, :-1]).float()
        losses = F.cross_entropy(logits.transpose(1, 2), windows[:, 1:], reduction="none")  # (B, T)
        found.append(losses.mean(dim=1))
    return torch.cat(found).double().cpu().numpy()


def held_out_loss(model: GPT, tokens: np.ndarray, n_windows: int = 512, batch: int = 16) -> float:
    """Mean loss in nats a token over evenly spread windows of the held-out tokens, see `window_losses`."""
    return float(window_losses(model, tokens, n_windows, batch).mean())


def to_device(array: np.ndarray, device: torch.device | str) -> Tensor:
    """The array as a tensor there; a GPU fetches it while the program goes on."""
    tensor, device = torch.from_numpy(array), torch.device(device)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class Pretraining:
    """One run in one folder: `checkpoint.pt`, `log.jsonl`, `config.json`."""

    def __init__(self, config: PretrainConfig, work: Path, train: np.ndarray, validation: np.ndarray) -> None:
        self.config, self.work, self.validation = config, work, validation
        self.order = WindowOrder(train, config.length, config.batch, config.seed)
        self.model = random_gpt(config.size, config.seed).to(config.device)
        self.optimizers = build_optimizers(self.model, config)
        self.base_lrs = [group["lr"] for opt in self.optimizers for group in opt.param_groups]
        self.progress = Progress()
        self.stopping = False
        work.mkdir(parents=True, exist_ok=True)
        if (work / "checkpoint.pt").exists():
            self._restore()
        write_whole(work / "config.json", json.dumps(asdict(config), indent=2) + "\n")

    def run(self, report: Callable[[dict[str, float]], None]) -> float:
        """Train to the end of the budget (or until SIGINT/SIGTERM) and return the held-out loss in nats.

        A run that was stopped returns NaN at once: it has not reached its end.
        """
        # The loss is compiled with the model: the softmax over the vocabulary is half of the work, and fused
        # it never leaves the cache (measured on 2 cores: 2.1 times faster at nano, 1.2 times at mini).
        loss_of = torch.compile(partial(language_model_loss, self.model.lm_logits))
        on_device = torch.device(self.config.device).type
        last_save = time.monotonic()
        losses: list[Tensor] = []
        with _stop_on_signal(self):
            while self.progress.share(self.config) < 1.0 and not self.stopping:
                began = time.monotonic()
                self._set_lr()
                windows = to_device(self.order.batch_at(self.progress.step), self.config.device)
                with torch.autocast(on_device, torch.bfloat16, enabled=_has_bfloat16(on_device)):
                    loss = loss_of(windows)
                loss.backward()
                for optimizer in self.optimizers:
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                losses.append(loss.detach())
                self.progress.step += 1
                if len(losses) == LOG_EVERY_STEPS or self.progress.step == 1:
                    mean_loss = float(torch.stack(losses).mean())  # waits for the device
                    losses = []
                    self.progress.train_s += time.monotonic() - began
                    self._log(mean_loss, report)
                else:
                    self.progress.train_s += time.monotonic() - began
                if time.monotonic() - last_save > CHECKPOINT_EVERY_S:
                    self._save()
                    last_save = time.monotonic()
        self._save()
        if self.stopping:
            return math.nan
        return held_out_loss(self.model, self.validation, n_windows=2048)

    def _set_lr(self) -> None:
        factor = lr_factor(self.progress.share(self.config))
        groups = [group for opt in self.optimizers for group in opt.param_groups]
        for group, base in zip(groups, self.base_lrs, strict=True):
            group["lr"] = base * factor

    def _log(self, loss: float, report: Callable[[dict[str, float]], None]) -> None:
        done = self.progress
        tokens = done.step * self.config.batch * self.config.length
        entry = {
            "step": done.step,
            "tokens": tokens,
            "train_s": round(done.train_s, 2),
            "loss": round(loss, 4),
            "share": round(done.share(self.config), 5),
            "tokens_per_s": round(tokens / done.train_s, 1),
        }
        if done.step % EVALUATE_EVERY_STEPS == 0:
            entry["held_out_loss"] = round(held_out_loss(self.model, self.validation, n_windows=128), 4)
        with (self.work / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        report(entry)

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizers": [opt.state_dict() for opt in self.optimizers],
            "progress": asdict(self.progress),
        }
        with replacing(self.work / "checkpoint.pt") as part:
            torch.save(state, part)

    def _restore(self) -> None:
        state = torch.load(self.work / "checkpoint.pt", map_location=self.config.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        _drop_log_after(self.work / "log.jsonl", self.progress.step)


def bits_per_byte(loss_nats: float, bytes_per_token: float) -> float:
    """Cross-entropy in nats a token -> bits per byte of text."""
    return loss_nats / math.log(2) / bytes_per_token


def _has_bfloat16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _drop_log_after(path: Path, step: int) -> None:
    """Forget log lines past the checkpoint: those steps are done again."""
    if path.exists():
        kept = [
            line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["step"] <= step
        ]
        write_whole(path, "".join(f"{line}\n" for line in kept))


@contextmanager
def _stop_on_signal(run: Pretraining) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the current step, with a checkpoint."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        run.stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
