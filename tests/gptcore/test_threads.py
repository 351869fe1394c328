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
