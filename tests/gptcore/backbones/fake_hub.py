"""A hub on this machine, asked in this process or in a fresh one."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import pytest
from huggingface_hub import close_session, constants

from gptcore.backbones.checkpoints import checkpoint_folder
from gptcore.errors import UserError

COMMIT = "c" * 40
CONFIG = {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16, "vocab_size": 11}


class FakeHub:
    """A hub with the files in `files`, keyed "owner/name/file"; `asked` keeps method and path.

    revisions: names of what is there beside main; refusals: "owner/name" -> status and code of the hub's answer.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.revisions = {"main", COMMIT}
        self.refusals: dict[str, tuple[int, str]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> bytes:
                outer.asked.append((self.command, self.path))
                repo, _, rest = self.path.lstrip("/").partition("/resolve/")
                revision, _, file = unquote(rest).partition("/")
                content = outer.files.get(f"{repo}/{file}")
                status, code = outer.refusals.get(repo, (404, "EntryNotFound"))
                if rest and revision not in outer.revisions:
                    status, code, content = 404, "RevisionNotFound", None
                elif repo in outer.refusals:
                    content = None
                self.send_response(status if content is None else 200)
                self.send_header("X-Repo-Commit", COMMIT)
                if content is None:
                    self.send_header("X-Error-Code", code)
                else:
                    self.send_header("ETag", f'"{hash(content):x}"')
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                return content or b""

            def do_HEAD(self) -> None:
                self._answer()

            def do_GET(self) -> None:
                self.wfile.write(self._answer())

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def add(self, repo: str, weights: str) -> None:
        self.files[f"{repo}/config.json"] = json.dumps(CONFIG).encode()
        self.files[f"{repo}/{weights}"] = b"weights"

    def downloads(self) -> list[str]:
        """Files of repositories that were sent; the library also asks the hub about itself."""
        got = [path for method, path in self.asked if method == "GET" and "/resolve/" in path]
        return [path.rpartition("/")[2] for path in got]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Visitor:
    """A user of hubs in this process, where `huggingface_hub` read its variables long ago."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        for name in os.environ:
            if "proxy" in name.lower():
                patch.delenv(name)
        close_session()  # it may know a proxy
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)

    def use(self, url: str, home: Path, offline: bool = False) -> None:
        """What HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE set."""
        self._patch.setattr(constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        self._patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        self._patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        self._patch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        self._patch.setattr(constants, "HF_HUB_OFFLINE", offline)

    def open(self, url: str, home: Path, name: str, offline: bool = False) -> str:
        """`checkpoint_folder(name)`, or the error that it raises."""
        self.use(url, home, offline)
        try:
            return str(checkpoint_folder(name))
        except UserError as error:
            return f"UserError: {error}"


def open_elsewhere(hub: FakeHub, home: Path, name: str, **variables: str) -> str:
    """What `checkpoint_folder(name)` is in a fresh process, as the hub's library reads its variables once."""
    code = (
        "import sys\n"
        "from gptcore.errors import UserError\n"
        "from gptcore.backbones.checkpoints import checkpoint_folder\n"
        "try:\n    print(checkpoint_folder(sys.argv[1]))\n"
        "except UserError as error:\n    print('UserError:', error)\n"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
    environment = (
        clean | {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"} | variables
    )
    done = subprocess.run(
        [sys.executable, "-c", code, name], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
