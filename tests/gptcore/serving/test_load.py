"""200 clients at once: no error, and memory does not grow."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LOAD = Path(__file__).parents[2] / "benchmarks" / "load.py"


@pytest.mark.slow
def test_two_hundred_clients_are_answered_in_flat_memory(network: Any, tmp_path: Path) -> None:
    network.save(tmp_path / "toy")
    command = [sys.executable, "-u", "-m", "gptcore", "serve", str(tmp_path / "toy"), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split("127.0.0.1:")[1].split()[0]
        asked = [sys.executable, str(LOAD), "--port", port, "--pid", str(server.pid), "--requests", "50"]
        found = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
        print(found)
        assert (found["requests"], found["errors"]) == (10_000, 0)
        first, _, last = found["memory_mib"]
        assert last < 1.1 * first + 10
    finally:
        server.terminate()
        server.wait()
