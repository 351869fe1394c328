"""`serve` as a process: it says where it listens, and SIGTERM lets what is in flight be answered."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gptcore.cli import app
from gptcore.errors import UserError


def test_sigterm_finishes_what_is_in_flight_and_no_text_is_logged(tfidf: Any, tmp_path: Path) -> None:
    tfidf.save(tmp_path / "toy")
    command = [sys.executable, "-u", "-m", "gptcore", "serve", str(tmp_path / "toy"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"serving {tmp_path / 'toy'} on http://127.0.0.1:")
        port = int(line.split("127.0.0.1:")[1].split()[0])
        body = json.dumps({"texts": ["win a secretive prize"]}).encode()
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100")  # the request is in flight
            process.send_signal(signal.SIGTERM)
            while is_open(port):
                pass
            connection.sendall(body)
            reply = http.client.HTTPResponse(connection)
            reply.begin()
            assert reply.status == 200
            assert (
                json.loads(reply.read())["answers"][0]["label"] == tfidf.predict(["win a secretive prize"])[0]
            )
        out, errors = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGTERM)
        assert (out, errors) == ("", f"loading: {tmp_path / 'toy'}\n")
    finally:
        process.kill()
        process.wait()


def is_open(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["serve", str(tmp_path), "--port", "0"])
    assert isinstance(done.exception, UserError)
    assert "does not hold a classifier" in str(done.exception)
    done = CliRunner().invoke(app, ["serve", str(tmp_path), "--queue", "5"])
    assert "--queue 5" in str(done.exception)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    done = CliRunner().invoke(app, ["serve", str(tmp_path)])
    assert "gpt-classifier-bench[serve]" in str(done.exception)
