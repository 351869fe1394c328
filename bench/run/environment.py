"""The environment of a run: machine, versions, state of the code. No environment variables, host names or paths.

Also free memory and GPU detection for planning. Imports no torch.
"""

from __future__ import annotations

import math
import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from bench.records.record import Environment

PACKAGES = (
    *("torch", "numpy", "pandas", "scikit-learn", "scipy", "tiktoken", "tokenizers", "safetensors"),
    *("transformers", "peft"),
)
CHECKOUT = Path(__file__).parents[2]  # the project's folder, if it runs from a checkout
_CGROUP = Path("/sys/fs/cgroup")
_COMMAND_LIMIT_S = 10


def describe_environment(device: str, dtype: str, threads: int, jobs: int = 1, nproc: int = 1) -> Environment:
    """The machine and the code as they are now. device, dtype, threads: as the run uses them; jobs: runs at a time;
    nproc: processes of a run.
    """
    sha, dirty = git_state(CHECKOUT)
    return Environment(
        device=device,
        cpu=_cpu_name(),
        threads=threads,
        jobs=jobs,
        nproc=nproc,
        memory_bytes=psutil.virtual_memory().total,
        dtype=dtype,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        versions={name: found for name in PACKAGES if (found := _version(name)) is not None},
        git_sha=sha,
        git_dirty=dirty,
    )


def unknown_environment(dtype: str, threads: int, jobs: int) -> Environment:
    """The code as it is now, on a machine that nothing is known of: it was lost before it could say."""
    here = describe_environment("unknown", dtype, threads, jobs)
    return here.model_copy(update={"cpu": "unknown", "platform": "unknown", "memory_bytes": 0})


_DECIDE_TIMES = {
    "device": "device",
    "cpu": "processor",
    "dtype": "precision",
    "threads": "threads",
    "jobs": "jobs",
    "nproc": "processes per run",
}


def differences(pairs: Iterable[tuple[Environment, Environment]]) -> list[str]:
    """Differences in what affects times and predictions, such as "precision float32, here bfloat16".

    pairs: where an earlier run was made, and where it would be made now. Library versions count where both know them: a
    package that was not recorded then may have been the same.
    """
    pairs = list(pairs)
    found = []
    for field, name in _DECIDE_TIMES.items():
        found += _told(name, ((getattr(there, field), getattr(here, field)) for there, here in pairs))
    for package in dict.fromkeys(name for _, here in pairs for name in here.versions):
        found += _told(
            package, ((there.versions.get(package), here.versions.get(package)) for there, here in pairs)
        )
    return found


def _told(name: str, pairs: Iterable[tuple[object, object]]) -> list[str]:
    """A line for each value that there is here where there were others; None is an unknown one."""
    others: dict[object, set[str]] = {}
    for was, now in pairs:
        if None not in (was, now) and was != now:
            others.setdefault(now, set()).add(str(was))
    return [f"{name} {' and '.join(sorted(those))}, here {now}" for now, those in others.items()]


_BUSY_SAMPLE_S = 0.1
BUSY = 0.5  # share of the CPU used by others above which timings are unreliable
BUSY_REMEDY = (
    "timings are unreliable while other programs use the CPU: wait for them, stop them, "
    "or set OMP_NUM_THREADS=1"
)


def busy_share() -> float:
    """Share of the CPU that other programs use, 0 to 1, sampled while this process sleeps."""
    return psutil.cpu_percent(interval=_BUSY_SAMPLE_S) / 100


def free_memory_bytes(device: str = "cpu") -> int:
    """Memory that a run may still take: what the machine, its container or the first GPU has left."""
    if device.startswith("cuda"):
        free = _output(["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]) or ""
        mebibytes = free.partition("\n")[0].strip()
        if mebibytes.isdigit():
            return int(mebibytes) * 2**20
    return int(min(psutil.virtual_memory().available, _container_bytes()))


def n_threads() -> int:
    """Threads that this program may use: OMP_NUM_THREADS, or the physical cores that it is allowed to run on."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return max(1, min(len(os.sched_getaffinity(0)), psutil.cpu_count(logical=False) or 1))


def has_cuda() -> bool:
    """Whether torch will find a CUDA GPU: a driver that lists one, none hidden, and no CPU-only torch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    if (_version("torch") or "").endswith("+cpu"):
        return False
    return "GPU" in (_output(["nvidia-smi", "-L"]) or "")


def visible_gpus() -> list[str]:
    """The GPUs that this program may use, as CUDA_VISIBLE_DEVICES names them: numbers, or identifiers it was given."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name for part in given.split(",") if (name := part.strip()) not in ("", "-1")]
    listed = (_output(["nvidia-smi", "-L"]) or "").splitlines()
    return [str(i) for i in range(sum(line.startswith("GPU") for line in listed))]


@cache  # the running code is that of the program's start
def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Commit and whether the code differs from it; (None, None) where `folder` is not the top of a checkout.

    Looks at the packages only: results that lie in the checkout make no code dirty.
    """
    git = ["git", "--no-optional-locks", "-C", str(folder)]
    top = _output([*git, "rev-parse", "--show-toplevel"])
    if top is None or Path(top) != folder.resolve():
        return None, None
    sha = _output([*git, "rev-parse", "HEAD"])
    code = ["gptcore", "bench", "pyproject.toml"]
    changes = _output([*git, "status", "--porcelain", "--", *code])
    return (sha, changes != "") if sha and changes is not None else (None, None)


def _output(command: list[str]) -> str | None:
    """The output of a command; None if it is missing, fails or hangs."""
    # Inside a git hook, GIT_DIR and its like would point git at another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=_COMMAND_LIMIT_S
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _container_bytes() -> float:
    """Memory left under the container's limit (cgroup v2); infinite without one."""
    try:
        limit, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(stat["inactive_file"]))  # cached files make room when asked to
    except (OSError, ValueError, KeyError):  # no container, or the limit is "max"
        return math.inf
