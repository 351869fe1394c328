"""Stage 4: train nano, micro and mini on far more tokens than the bundled ones have seen, with the time that is left.

Float16 weights go to OUT/SIZE.safetensors every 20 seconds, so that a cut loses no more. They replace the bundled ones
only after a comparison by the matrix (docs/gpu.md); this stage compares bits per byte of the held-out text.
"""

from __future__ import annotations

import json
import lzma
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.gpu.stage import Stage, missing, stage

if TYPE_CHECKING:
    from tools.pretrain.loop import PretrainConfig

CARRIED = Path(__file__).parents[2] / ".gpu" / "tokens"  # train.u16.xz, validation.u16.xz, corpus.json
SIZES = ("nano", "micro", "mini")
MOST_S = 120.0  # of training, per size
AROUND_S = 25.0  # compiling and evaluating a size, about
LEAST_S = 20.0  # of training, or it teaches nothing
BATCH = 128  # windows of 256 tokens: a step of 16, as on a CPU, is bound by launches
SAVE_EVERY_S = 20.0
SMALL_TOKENS = 40_000  # of a made-up corpus


def main() -> None:
    """Run the stage."""
    if lacking := missing("torch", "pydantic", "tiktoken", "safetensors"):
        sys.exit(f"missing: {', '.join(lacking)} (tools/gpu/pack.sh makes a folder to carry)")
    import gptcore  # noqa: F401  (before torch: it decides how idle threads wait)

    with stage("pretraining") as running, tempfile.TemporaryDirectory() as folder:
        import torch

        work = Path(folder)
        if not unpack(work, running.small):
            running.put("skipped", f"no tokens at {CARRIED}: tools/gpu/pack.sh CORPUS makes them")
            return
        device = "cuda" if torch.cuda.is_available() else "cpu"
        compiles = not running.small and can_compile(device)
        if not compiles:
            torch._dynamo.config.disable = True
        running.put("settings", {"device": device, "compiled": compiles, "batch": BATCH})
        sizes = SIZES[:1] if running.small else SIZES
        for i, size in enumerate(sizes):
            seconds = min(MOST_S, running.left_s / (len(sizes) - i) - AROUND_S)
            if running.small:
                seconds = 2.0
            action = partial(train, running, size, seconds, device, work)
            running.attempt(size, action, need_s=0 if running.small else AROUND_S + LEAST_S)


def unpack(work: Path, small: bool) -> bool:
    """Lay the token files of both splits and their description into `work`; False where none were carried."""
    import numpy as np

    if small:
        rng = np.random.default_rng(0)
        for split in ("train", "validation"):
            rng.integers(8192, size=SMALL_TOKENS, dtype=np.uint16).tofile(work / f"{split}.u16")
        described = {
            split: {"documents": 1, "bytes": 4 * SMALL_TOKENS, "tokens": SMALL_TOKENS}
            for split in ("train", "validation")
        }
        (work / "corpus.json").write_text(json.dumps(described), encoding="utf-8")
        return True
    if not (CARRIED / "corpus.json").exists():
        return False
    for split in ("train", "validation"):
        with lzma.open(CARRIED / f"{split}.u16.xz") as packed, (work / f"{split}.u16").open("wb") as file:
            shutil.copyfileobj(packed, file, 2**20)
    shutil.copy(CARRIED / "corpus.json", work)
    return True


def can_compile(device: str) -> bool:
    """Whether `torch.compile` works here: it needs a C compiler, on a GPU also Triton."""
    import torch

    try:
        return float(torch.compile(lambda x: (2 * x).sum())(torch.ones(8, device=device))) == 16.0
    except Exception:  # whatever it lacks
        return False


def train(running: Stage, size: str, seconds: float, device: str, work: Path) -> dict[str, Any]:
    """Train one size; its bits per byte of held-out text beside the bundled model's, on the same windows."""
    import numpy as np
    import torch

    from gptcore.backbones.weights import load_gpt, save_gpt
    from tools.pretrain.corpus import bytes_per_token, open_tokens
    from tools.pretrain.loop import PretrainConfig, Pretraining, window_losses

    held_out = np.asarray(open_tokens(work / "validation.u16"))
    per_token = bytes_per_token(work, "validation")
    n_windows, batch = (8, 4) if running.small else (2048, BATCH)
    before = window_losses(load_gpt(size).to(device), held_out, n_windows, batch)
    config = PretrainConfig(size=size, minutes=seconds / 60, batch=batch, device=device)
    run = Pretraining(config, work / size, open_tokens(work / "train.u16"), held_out)
    saved = time.monotonic()

    def report(entry: dict[str, float]) -> None:
        nonlocal saved
        if time.monotonic() - saved >= SAVE_EVERY_S:
            _save(run.model, size, running.out)
            saved = time.monotonic()
            print(size, json.dumps(entry), flush=True)

    def _save(model: Any, name: str, out: Path) -> None:
        save_gpt(model, work / "saved" / name, dtype=torch.float16)
        (work / "saved" / name / "model.safetensors").replace(out / f"{name}.safetensors")

    run.run(report)
    _save(run.model, size, running.out)
    after = window_losses(run.model, held_out, n_windows, batch)
    return {**_compared(before, after, per_token), **_course(run, config)}


def _compared(before: Any, after: Any, bytes_per_token: float) -> dict[str, Any]:
    """Bits per byte of both, and their difference with a 95% interval over windows, which are paired."""
    from tools.pretrain.loop import bits_per_byte

    gap = after - before
    half = 1.96 * gap.std(ddof=1) / len(gap) ** 0.5
    bits = partial(bits_per_byte, bytes_per_token=bytes_per_token)
    return {
        "bits_per_byte_before": round(bits(float(before.mean())), 4),
        "bits_per_byte_after": round(bits(float(after.mean())), 4),
        "difference": [round(bits(float(x)), 4) for x in (gap.mean() - half, gap.mean(), gap.mean() + half)],
    }


def _course(run: Any, config: PretrainConfig) -> dict[str, Any]:
    tokens = run.progress.step * config.batch * config.length
    return {
        "steps": run.progress.step,
        "tokens": tokens,
        "epochs": round(tokens / len(run.order.tokens), 2),
        "train_s": round(run.progress.train_s, 1),
        "tokens_per_s": round(tokens / max(run.progress.train_s, 1e-9)),
        "log": [json.loads(line) for line in (run.work / "log.jsonl").read_text().splitlines()][-5:],
    }


if __name__ == "__main__":
    main()
