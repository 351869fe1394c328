"""Toy classifiers, and real servers on loopback for them, in a thread of the test's process."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptcore import Dataset, Recipe, TextClassifier, fit
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.weights import random_gpt, save_gpt
from gptcore.serving.limits import Limits

# Without the extra `serve` there is nothing to test here.
collect_ignore_glob = [] if all(map(find_spec, ("starlette", "uvicorn"))) else ["test_*.py"]
CONFIG = ModelConfig(d_model=8, n_layer=2, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
WORDS = {"spam": ["win", "prize", "free", "call", "now"], "ham": ["see", "you", "at", "home", "now"]}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Asks a server on loopback."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            found = connection.getresponse()
            return Reply(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        finally:
            connection.close()

    def post(self, path: str, content: object) -> Reply:
        return self.ask("POST", path, json.dumps(content))


@contextmanager
def serving(classifier: TextClassifier, limits: Limits = Limits()) -> Iterator[Client]:
    import uvicorn

    from gptcore.serving.app import make_app
    from gptcore.serving.run import LOOPBACK, bind

    app, started = make_app("toy", classifier, limits, LOOPBACK), threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    with bind("127.0.0.1", 0) as bound:
        server = Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none", http="h11"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            assert started.wait(60)
            yield Client(bound.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


def data() -> Dataset:
    rng = np.random.default_rng(0)
    labels = ["spam", "ham"] * 40
    return Dataset.from_texts(
        [f"{' '.join(rng.choice(WORDS[each], 4))} {i}" for i, each in enumerate(labels)], labels
    )


@pytest.fixture(scope="session")
def tfidf() -> TextClassifier:
    return fit(Recipe(model="tfidf"), data()).classifier


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> TextClassifier:
    folder: Path = tmp_path_factory.mktemp("checkpoint")
    save_gpt(random_gpt(CONFIG, 3), folder)
    recipe = Recipe(model=str(folder), train="all", position="last_real", epochs=2, lr=1e-2, context=16)
    return replace(fit(recipe, data(), device="cpu").classifier, temperature=1.5)


@pytest.fixture(scope="session")
def client(tfidf: TextClassifier) -> Iterator[Client]:
    with serving(tfidf) as found:
        yield found


class Held:
    """A predictor that answers only when it is let go, and remembers how many texts it was asked at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.begun, self.go = threading.Semaphore(0), threading.Event()

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(len(texts))
        self.begun.release()
        assert self.go.wait(60)
        if any("poison" in text for text in texts):
            raise ValueError("poison")
        return np.tile([0.25, 0.75], (len(texts), 1))


@pytest.fixture
def held(tfidf: TextClassifier) -> tuple[TextClassifier, Held]:
    predictor = Held()
    return replace(tfidf, predictor=predictor), predictor


@pytest.fixture(scope="session")
def serve() -> Callable[..., Any]:
    return serving
