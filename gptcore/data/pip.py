"""The user's own pip, with its configuration: whether an index has a version, and wheels that are never installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PIP_LIMIT_S = 300.0  # a whole `pip download` of 32 MB at most; a large one has more, at this speed:
SLOWEST_BYTES_PER_S = 2**17


def download_wheel(requirement: str, folder: Path, n_bytes: int = 0) -> Path:
    """The wheel of one version in `folder`, which holds no other. Nothing is installed, nothing of it is run.

    n_bytes: about how large it is. Raises OSError with pip's last complaint, or TimeoutExpired.
    """
    # --only-binary: no setup.py is run.
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--retries", "1", "--dest", str(folder)]
    run_pip(["download", *options, requirement], PIP_LIMIT_S + n_bytes / SLOWEST_BYTES_PER_S)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_version(requirement: str, limit_s: float) -> None:
    """Ask the package index whether it has `name==version`. Raises OSError or TimeoutExpired if not."""
    name, _, version = requirement.partition("==")
    options = ["--no-input", "--retries", "0", "--disable-pip-version-check"]
    said = run_pip(["index", "versions", name, "--only-binary", ":all:", *options], limit_s)
    if version not in re.split(r"[\s,()]+", said):
        raise OSError(f"the index has no {requirement}")


def run_pip(arguments: list[str], limit_s: float) -> str:
    """What pip prints. Raises OSError with its last complaint, or TimeoutExpired."""
    done = subprocess.run(
        # -P: no folder named pip in the working directory is run.
        [sys.executable, "-P", "-m", "pip", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=limit_s,
    )
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")]
        raise OSError((errors or said or [f"pip ended with exit code {done.returncode}"])[-1])
    return done.stdout
