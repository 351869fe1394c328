"""A hub that misbehaves, for real: huggingface_hub reads its settings at import, so each case is a process."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ASK = """
from gptcore.errors import UserError
from gptcore.backbones import checkpoints
from gptcore.backbones.checkpoints import checkpoint_folder
from gptcore.backbones.gpt2_config import read_config
checkpoints.PROBE_LIMIT_S = 0.5
try:
    read_config(checkpoint_folder("gpt2"))
except UserError as error:
    print("UserError:", error)
"""
HEADERS = {"ETag": '"abc"', "X-Repo-Commit": "a" * 40}
ANSWERS = {  # status, promised length, body
    "not there": (404, 0, b""),
    "wrong bytes": (200, 5, b"hello"),
    "cut off": (200, 500, b"hello"),
    "busy": (429, 0, b""),
    "broken": (500, 0, b""),
    "silent": (None, 0, b""),
}


@pytest.fixture
def hub(request: pytest.FixtureRequest) -> Iterator[str]:
    status, length, body = ANSWERS[request.param]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if status is None:
                time.sleep(5)
                return
            self.send_response(status)
            for name, value in (HEADERS | {"Content-Length": str(length)}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hub", "reason"),
    [
        ("not there", "could not load weights for 'openai-community/gpt2'"),
        ("wrong bytes", "is not the config of a GPT-2 model"),
        ("cut off", "could not load weights for 'openai-community/gpt2'"),
        ("busy", "429"),
        ("broken", "500"),
        ("silent", "timed out"),
    ],
    indirect=["hub"],
)
def test_a_hub_that_misbehaves_is_one_line(hub: str, reason: str, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("UserError: ")
    assert done.stdout.count("\n") == 1
    assert reason in done.stdout
