"""A local web server and a cache of its own for every test, so that fetching is tested without a network."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from hypothesis import settings

settings.register_profile("shared-machine", deadline=None)  # a busy machine is no failure
settings.load_profile("shared-machine")


@dataclass(frozen=True)
class Fault:
    """An answer that is no good: a status with headers, or a body that breaks off or never comes."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang_s: float = 0.0


class FileServer:
    """Serves `files` (path -> bytes) on 127.0.0.1 and keeps the paths that were asked for.

    The first answers are the `faults`, one after the other.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if outer.faults:
                    self.fail(outer.faults.pop(0))
                    return
                content = outer.files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.end_headers()
                self.wfile.write(content or b"")

            def do_HEAD(self) -> None:
                self.send_response(200 if self.path in outer.files else 404)
                self.end_headers()

            def fail(self, fault: Fault) -> None:
                self.send_response(fault.status)
                for name, value in fault.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(fault.body)
                self.wfile.flush()
                Event().wait(fault.hang_s)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def fault() -> type[Fault]:
    return Fault


@pytest.fixture
def server() -> Iterator[FileServer]:
    running = FileServer()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, so that no test reads or writes the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GPTCORE_CACHE", str(folder))
    return folder
