"""Threads that wait let others have the core, unless the user has said how they wait."""

import os
import subprocess
import sys

import pytest

from gptcore.threads import SPIN_COUNT, share_cores


@pytest.mark.parametrize("said", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}])
def test_what_the_user_said_stands(monkeypatch: pytest.MonkeyPatch, said: dict[str, str]) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    share_cores()
    assert dict(os.environ) == before


@pytest.mark.parametrize("module", ["bench.cli", "tools.pretrain.__main__"])
def test_commands_say_it_before_torch_is_loaded(module: str) -> None:
    code = f"""
import atexit, os, sys
from {module} import main
assert "torch" not in sys.modules
atexit.register(lambda: print("spins", os.environ["GOMP_SPINCOUNT"]))
sys.argv = ["program", "--help"]
main()
"""
    clean = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"spins {SPIN_COUNT}"


def clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment() | variables,
        capture_output=True,
        text=True,
        check=True,
    )


def spin_counts(*imports: str) -> set[str]:
    """What each GNU OpenMP that a new process loads says at its start."""
    code = "".join(f"import {name}\n" for name in imports)
    told = python(code, OMP_DISPLAY_ENV="verbose").stderr
    return {line.split("=")[1].strip(" '") for line in told.splitlines() if "GOMP_SPINCOUNT" in line}


@pytest.mark.slow
def test_openmp_takes_over_what_importing_the_library_says() -> None:
    if not spin_counts("torch"):
        pytest.skip("this torch comes without GNU OpenMP")
    assert spin_counts("gptcore", "torch") == {str(SPIN_COUNT)}
    assert spin_counts("torch", "gptcore").isdisjoint({str(SPIN_COUNT)})


LATE = """
import logging, sys, types, unittest.mock
logging.basicConfig()
if {late}: sys.modules["torch"] = types.ModuleType("torch")
from gptcore.threads import warn_if_threads_spin
with unittest.mock.patch("psutil.cpu_percent", return_value={busy}):
    warn_if_threads_spin()
    warn_if_threads_spin()
"""


@pytest.mark.parametrize(
    ("late", "busy", "said", "warnings"),
    [
        (True, 90, {}, 1),
        (True, 10, {}, 0),
        (False, 90, {}, 0),
        (True, 90, {"OMP_WAIT_POLICY": "PASSIVE"}, 0),
    ],
    ids=["late and busy", "idle", "in time", "said by the user"],
)
def test_a_late_import_is_told_once_where_it_hurts(
    late: bool, busy: int, said: dict[str, str], warnings: int
) -> None:
    told = python(LATE.format(late=late, busy=busy), **said).stderr
    assert told.count("torch was imported before gptcore") == warnings
    assert told.count("90% of the processor") == warnings
