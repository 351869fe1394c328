"""Stage 1: does the project run here, and does the fast engine give the plain one's numbers on this card?"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.gpu.stage import Stage, missing, stage

if TYPE_CHECKING:
    from bench.records.record import Record

NEEDED = (
    *("torch", "numpy", "pandas", "tiktoken", "tokenizers", "sklearn", "scipy", "statsmodels", "safetensors"),
    *("huggingface_hub", "psutil", "pydantic", "typer", "rich", "tabulate", "matplotlib", "jinja2"),
)
FOR_TESTS = ("pytest", "hypothesis", "xdist", "pytest_benchmark", "transformers", "peft")
N_QUICK_ROWS = 6
TEST_LIMIT_S = 75.0
OUTCOME = re.compile(r"(?P<test>tests/\S+::.+?) (?P<outcome>PASSED|FAILED|SKIPPED|ERROR)\b")
VERIFY_LIMIT_S = 90.0
# Two precisions: in float32 the engines must agree to 1e-4, which shows what bfloat16's rounding hides.
VERIFIED = (("mini", "float32"), ("gpt2", "auto"), ("mini", "auto"), ("gpt2", "float32"))
SMALL_VERIFIED = (("nano", "auto"),)


def main() -> None:
    """Run the stage."""
    with stage("environment") as running:
        lacking = missing(*NEEDED)
        running.put("missing", {"needed": lacking, "for tests": missing(*FOR_TESTS)})
        if lacking:
            sys.exit(f"missing: {', '.join(lacking)} (tools/gpu/pack.sh makes a folder to carry)")
        running.attempt("device", describe_device)
        running.attempt("tests", lambda: gpu_tests(min(TEST_LIMIT_S, running.left_s)), need_s=5)
        with tempfile.TemporaryDirectory() as folder:
            for model, precision in SMALL_VERIFIED if running.small else VERIFIED:
                running.attempt(
                    f"verify {model} {precision}",
                    partial(verify, running, model, precision, Path(folder)),
                    need_s=15,
                )


def describe_device() -> dict[str, Any]:
    """What torch finds, how fast one large product is in both precisions, and what `--precision auto` makes of it."""
    import torch

    from gptcore.engine.engine import PRODUCT_FLOPS, probe_precision, product_seconds

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rates = {
        str(dtype): round(PRODUCT_FLOPS / product_seconds(dtype, device) / 1e12, 2)
        for dtype in (torch.float32, torch.bfloat16)
    }
    found: dict[str, Any] = {"torch": torch.__version__, "device": str(device), "tflops of a product": rates}
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        found |= {"name": torch.cuda.get_device_name(), "free_bytes": free, "total_bytes": total}
        found |= {"cuda": torch.version.cuda, "capability": list(torch.cuda.get_device_capability())}
    return found | {
        "precision auto": probe_precision(device),
        "varlen": not missing("torch.nn.attention.varlen"),
    }


def gpu_tests(limit_s: float) -> dict[str, Any]:
    """`pytest -m gpu`: how many tests ended how, those that failed with their last lines, also where time ran out."""
    # Neither the plugins nor the warnings of this project's own versions of packages decide here.
    options = [
        "-o",
        "addopts=--import-mode=importlib",
        "-o",
        "filterwarnings=default",
        "-p",
        "no:cacheprovider",
    ]
    return outcomes(
        _call(["-m", "pytest", "-m", "gpu", "-v", "--tb=short", *options, "tests/gptcore/engine"], limit_s)
    )


def outcomes(said: str) -> dict[str, Any]:
    """What `pytest -v` has said so far, in figures."""
    lines = said.splitlines()
    ended = [found for line in lines if (found := OUTCOME.match(line))]
    counts = Counter(found["outcome"].lower() for found in ended)
    failed = [found["test"] for found in ended if found["outcome"] in ("FAILED", "ERROR")]
    return {
        **counts,
        "last line": lines[-1] if lines else "no output",
        "which failed": failed,
        "tail": lines[-60:] if failed or not ended else [],
    }


def verify(running: Stage, model: str, precision: str, folder: Path) -> dict[str, Any]:
    """`run --verify` of the quick matrix with random weights: the largest disagreement of each run, or its error."""
    from bench.records.store import load_records
    from bench.run.workload import write_texts

    out, data = folder / f"{model}-{precision}", folder / "texts.csv"
    write_texts(data)
    arguments = ["run", "--matrix", "quick", "--models", model, "--precision", precision, "--verify"]
    arguments += ["--set", "weights=random", "--set", "epochs=2", "--seeds", "1"]
    arguments += ["--data", str(data), "--out", str(out)]
    said = _call(["-m", "bench", *arguments], min(VERIFY_LIMIT_S, running.left_s))
    records = load_records(out).values() if out.exists() else ()
    return {
        "runs": {record.run_id: _verdict(record) for record in records},
        "said": said.splitlines()[-10:] if len(records) < N_QUICK_ROWS else [],
    }


def _verdict(record: Record) -> dict[str, Any]:
    found = {"status": record.status, "reason": record.reason, "device": record.environment.device}
    if record.verified is not None:
        found |= {**record.verified.model_dump(), "dtype": record.environment.dtype}
    return found


def _call(arguments: list[str], limit_s: float) -> str:
    """What a program prints, up to its limit in seconds."""
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        said = (
            error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
        )
        return f"{said}\nended after {limit_s:.0f} s"
    return done.stdout


if __name__ == "__main__":
    main()
