"""Data sets of a hub, which is a server on this machine: parts, configurations, revisions, offline."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import pyarrow
import pyarrow.parquet
import pytest

from gptcore.data.hub import HubName, parse_hub_name
from gptcore.errors import UserError

COMMIT = "d" * 40
SCRIPT = """
import json, sys
from gptcore.data.datasets import load_dataset
from gptcore.errors import UserError
for name in sys.argv[1:]:
    try:
        data = load_dataset(name)
        sizes = [len(data.train), len(data.validation), len(data.test)]
        print(json.dumps([data.name, sizes, data.label_names, data.given, data.notes]))
    except UserError as error:
        print(json.dumps(str(error)))
"""


def parquet(n: int, label: int | None = None, start: int = 0) -> bytes:
    """n texts, of classes 0 and 1 in turn, whose names are in the schema as `datasets` writes them."""
    labels = [i % 2 if label is None else label for i in range(n)]
    table = pyarrow.table({"text": [f"text {start + i}" for i in range(n)], "label": labels})
    info = {"info": {"features": {"label": {"names": ["bad", "good"], "_type": "ClassLabel"}}}}
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), buffer)
    return buffer.getvalue()


# Repository -> revision -> its files
REPOS: dict[str, dict[str, dict[str, bytes]]] = {
    "owner/shards": {
        "main": {
            "README.md": b"#",
            "data/train-00000-of-00002.parquet": parquet(30),
            "data/train-00001-of-00002.parquet": parquet(10, start=30),
            "data/test-00000-of-00001.parquet": parquet(8, start=100),
        }
    },
    "owner/hidden": {
        "main": {
            "train-00000-of-00001.parquet": parquet(40),
            "validation-00000-of-00001.parquet": parquet(6, start=100),
            "test-00000-of-00001.parquet": parquet(4, label=-1),
            "unsupervised-00000-of-00001.parquet": parquet(4, label=-1),
        }
    },
    "owner/several": {
        "main": {"one/train-00000-of-00001.parquet": parquet(30), "two/train-0-of-1.parquet": parquet(40)}
    },
    "owner/script": {
        "main": {"script.py": b"#"},
        "refs/convert/parquet": {
            "default/train/0000.parquet": parquet(20),
            "default/train/0001.parquet": parquet(20),
        },
    },
    "owner/none": {"main": {"data.csv": b"a,b\n"}, "refs/convert/parquet": {}},
}


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> bytes:
            path = unquote(self.path.partition("?")[0])
            content, code, error = b"", 404, "RepoNotFound"
            for repo, revisions in REPOS.items():
                at = {f"/api/datasets/{repo}": "main"}
                at |= {f"/api/datasets/{repo}/revision/{revision}": revision for revision in revisions}
                if path in at:
                    siblings = [{"rfilename": file} for file in revisions[at[path]]]
                    content, code = (
                        json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode(),
                        200,
                    )
                elif path.startswith(f"/api/datasets/{repo}/revision/"):
                    error = "RevisionNotFound"
                for files in revisions.values():
                    for file, data in files.items():
                        if path == f"/datasets/{repo}/resolve/{COMMIT}/{file}":
                            content, code = data, 200
            self.send_response(code)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hash(content):x}"')
            self.send_header("Content-Length", str(len(content)))
            if code == 404:
                self.send_header("X-Error-Code", error)
            self.end_headers()
            return content

        def do_HEAD(self) -> None:
            self._reply()

        def do_GET(self) -> None:
            self.wfile.write(self._reply())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def load(home: Path, endpoint: str, *names: str) -> list[object]:
    variables = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home / "hf"), "GPTCORE_CACHE": str(home / "cache")}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *names],
        env=clean | variables | {"HF_HUB_DISABLE_XET": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_parts_shards_configurations_and_what_is_missing(hub: str, tmp_path: Path) -> None:
    names = (
        "shards",
        "hidden",
        "several:two",
        "script",
        "shards@main",
        "several",
        "none",
        "gone",
        "shards@old",
    )
    found = load(tmp_path, hub, *(f"hub:owner/{name}" for name in names))
    shards, hidden, two, script, main, several, none, gone, old = found
    assert shards[:4] == ["owner/shards", [36, 4, 8], ["bad", "good"], ["test"]]
    assert f"hub:owner/shards at commit {COMMIT}" in shards[4]
    assert main == shards
    assert hidden[1] == [36, 4, 6]
    assert any("labels of its part test are hidden" in note for note in hidden[4])
    assert any("its validation part is the test part here" in note for note in hidden[4])
    assert any("parts that are not read: test, unsupervised" in note for note in hidden[4])
    assert (two[1], script[1]) == ([28, 4, 8], [28, 4, 8])
    assert "has the configurations one, two: name one, as in hub:owner/several:one" in several
    assert "has no Parquet files" in none
    assert "the hub has no data set owner/gone" in gone
    assert "has no revision old" in old
    nobody = "http://127.0.0.1:9"
    again, never = load(tmp_path, nobody, "hub:owner/shards", "hub:owner/never")
    assert again == shards
    assert "the hub does not answer, and it is not in the cache" in never


def test_names() -> None:
    assert parse_hub_name("hub:a/b") == HubName("a/b", None, None)
    assert parse_hub_name("hub:a/b:c@refs/pr/1") == HubName("a/b", "c", "refs/pr/1")
    for bad in ("hub:", "hub: a", "hub:@main"):
        with pytest.raises(UserError, match="write hub:NAME"):
            parse_hub_name(bad)
