"""What the stages share: where results go, how much time is left, and what the machine lacks.

Needs nothing but the standard library, so that a machine without a package can say which.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

VERSIONS = ("torch", "numpy", "transformers", "peft", "pydantic", "tiktoken", "tokenizers")
QUERY = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]


@dataclass
class Stage:
    """One stage's results, which lie in OUT/NAME.json after every entry, so that a cut loses one entry at most.

    seconds: how long the stage may take; small: toy shapes, for a CPU.
    """

    name: str
    seconds: float
    small: bool
    out: Path
    results: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Seconds that are left of the stage."""
        return self.seconds - (time.monotonic() - self.began)

    def put(self, name: str, value: Any) -> None:
        """Write an entry and print it."""
        self.results[name] = value
        print(f"{self.name}: {name}: {json.dumps(value)}", flush=True)
        self._write("running")

    def attempt(self, name: str, action: Callable[[], Any], need_s: float = 0.0) -> None:
        """Enter what `action` returns, or the error that it ended with, or that less than `need_s` was left."""
        if self.left_s < need_s:
            self.put(name, {"skipped": f"{max(0.0, self.left_s):.0f} s were left, {need_s:.0f} s are needed"})
            return
        began = time.monotonic()
        try:
            made = action()
        except Exception as error:  # whatever one entry meets, the next is tried
            made = {"error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}
        if isinstance(made, dict):
            made = {**made, "wall_s": round(time.monotonic() - began, 2)}
        self.put(name, made)

    def _write(self, state: str) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        whole = {
            "stage": self.name,
            "state": state,
            "small": self.small,
            "wall_s": round(time.monotonic() - self.began, 2),
            "machine": machine(),
            "results": self.results,
        }
        part = self.out / f".{self.name}.part"
        part.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        part.replace(self.out / f"{self.name}.json")


@contextmanager
def stage(name: str) -> Iterator[Stage]:
    """A stage as check.sh calls it: $OUT, $SMALL and $STAGE_S, its limit in seconds."""
    running = Stage(
        name,
        float(os.environ.get("STAGE_S", "600")),
        bool(os.environ.get("SMALL")),
        Path(os.environ.get("OUT", "results/gpu")),
    )
    running._write("running")
    try:
        yield running
    except BaseException as error:
        running.results["error"] = f"{type(error).__name__}: {error}"
        running._write("failed")
        raise
    running._write("done")


def missing(*packages: str) -> list[str]:
    """Which of the packages are not installed."""
    return [name for name in packages if importlib.util.find_spec(name) is None]


@cache
def machine() -> dict[str, Any]:
    """Card, driver and memory as the driver names them (None without one), versions, and when the stage began."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "card": _card(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in VERSIONS},
    }


def _card() -> str | None:
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.partition("\n")[0].strip() or None if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
