"""The routes. No path of a request leads to a file, and no text is written to a log."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from traceback import extract_tb

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from gptcore.classifier import TextClassifier
from gptcore.data.checks import is_blank
from gptcore.errors import UserError
from gptcore.explain import MOST_PIECES
from gptcore.product.answers import answer
from gptcore.serving.batcher import Batcher, QueueFullError
from gptcore.serving.files import answered_file
from gptcore.serving.limits import Limits
from gptcore.serving.requests import RefusedError, body_of, check_texts, parsed
from gptcore.serving.schema import (
    Answer,
    ExplainRequest,
    ExplainResponse,
    Health,
    PredictRequest,
    PredictResponse,
    Word,
    openapi,
)
from gptcore.wording import one_line

Handler = Callable[[Request], Awaitable[Response]]
log = logging.getLogger("gptcore.serving")
EXPECTED = (RefusedError, QueueFullError, UserError, ClientDisconnect)
AT_A_TIME = 256  # texts in a batch
RETRY_AFTER_S = "1"
PAGE = Path(__file__).with_name("page.html")


def answers(classifier: TextClassifier, texts: Sequence[str]) -> list[Answer]:
    """What `predict` says of each text."""
    found = answer(classifier, texts)
    return [
        Answer(
            label=label or None,
            probability=float(probability),
            probabilities=dict(zip(classifier.labels, map(float, of_labels), strict=True)),
            cut=bool(cut),
        )
        for label, probability, of_labels, cut in zip(
            found.labels, found.probabilities, found.of_labels, found.cut, strict=True
        )
    ]


def explanation(classifier: TextClassifier, text: str) -> ExplainResponse:
    """What `explain` says of a text."""
    found = classifier.explain(text)
    words = [Word(text=each.text, begin=each.begin, end=each.end, weight=each.weight) for each in found.words]
    return ExplainResponse(answer=answers(classifier, [text])[0], against=found.against, words=words)


class _Service:
    """One handler for each route."""

    def __init__(self, name: str, classifier: TextClassifier, limits: Limits) -> None:
        self.name, self.classifier, self.limits = name, classifier, limits
        self.batcher = Batcher(lambda texts: answers(classifier, texts), AT_A_TIME, limits.waiting)
        self.explain_costs = min(MOST_PIECES, limits.waiting)  # in texts
        self.n_files = self.n_uploads = 0

    async def predict(self, request: Request) -> Response:
        asked = await parsed(request, PredictRequest, self.limits)
        check_texts(asked.texts, self.limits)
        return _json(PredictResponse(answers=list(await self.batcher.submit(asked.texts))))

    async def explain(self, request: Request) -> Response:
        text = (await parsed(request, ExplainRequest, self.limits)).text
        check_texts([text], self.limits)
        if is_blank(text):
            raise RefusedError(422, "the text is empty: there is no word to explain its answer by")
        return _json(await self.batcher.alone(self.explain_costs, lambda: explanation(self.classifier, text)))

    async def predict_file(self, request: Request) -> Response:
        content = await self._uploaded(request)
        if self.n_files >= self.limits.files:
            raise RefusedError(429, f"{self.n_files} files are being answered: try again later")
        self.n_files += 1
        try:
            query = request.query_params
            return await answered_file(
                content,
                query.get("kind", "csv"),
                query.get("text_column"),
                query.get("encoding"),
                self.limits,
                lambda texts: self.batcher.submit(texts, patient=True),
            )
        finally:
            self.n_files -= 1

    async def _uploaded(self, request: Request) -> bytes:
        """A file, whole. It takes a place among those that arrive, as a slow client must not keep others' answers."""
        if self.n_uploads >= self.limits.uploads:
            raise RefusedError(429, f"{self.n_uploads} files are arriving: try again later")
        self.n_uploads += 1
        try:
            return await body_of(request, self.limits)
        finally:
            self.n_uploads -= 1

    async def health(self, _request: Request) -> Response:
        labels = list(self.classifier.labels)
        return _json(Health(status="ok", name=self.name, labels=labels, waiting=self.batcher.n_waiting))


def make_app(
    name: str, classifier: TextClassifier, limits: Limits, hosts: Sequence[str] = ("*",)
) -> Starlette:
    """name: shown on the page; hosts: names under which the server may be asked.

    On loopback they keep out a page of the web whose own name is made to lead here.
    """
    service = _Service(name, classifier, limits)
    page, document = PAGE.read_text(encoding="utf-8"), openapi()
    headers = {"content-security-policy": _policy(page), "x-content-type-options": "nosniff"}

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with service.batcher.running():
            yield

    async def show_page(_request: Request) -> Response:
        return HTMLResponse(page, headers=headers)

    async def show_openapi(_request: Request) -> Response:
        return JSONResponse(document)

    return Starlette(
        routes=[
            Route("/", show_page),
            Route("/health", service.health),
            Route("/openapi.json", show_openapi),
            Route("/predict", _guarded(service.predict), methods=["POST"]),
            Route("/explain", _guarded(service.explain), methods=["POST"]),
            Route("/predict-file", _guarded(service.predict_file), methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
        exception_handlers={
            RefusedError: _refused,
            QueueFullError: _queue_full,
            UserError: _user_error,
            ClientDisconnect: _gone,
            404: _plain_error,
            405: _plain_error,
        },
        lifespan=lifespan,
    )


def _guarded(handler: Handler) -> Handler:
    """The handler, whose unforeseen errors are logged without their message: a text may stand in it."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except EXPECTED:
            raise
        except Exception as error:
            place = extract_tb(error.__traceback__)[-1]
            log.error("%s in %s, line %s", type(error).__name__, place.filename, place.lineno)
            raise RefusedError(500, f"an error of the server ({type(error).__name__}), see its log") from None

    return guarded


def _policy(page: str) -> str:
    """Of the page: its own script alone runs, nothing is loaded, and only this server is asked."""
    found = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert found is not None
    digest = base64.b64encode(hashlib.sha256(found.group(1).encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")


def _problem(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": one_line(reason)}, status_code=status, headers=headers)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return _problem(
        error.status, error.reason, {"retry-after": RETRY_AFTER_S} if error.status == 429 else None
    )


async def _queue_full(_request: Request, _error: Exception) -> Response:
    return _problem(429, "too many texts are waiting: try again later", {"retry-after": RETRY_AFTER_S})


async def _user_error(_request: Request, error: Exception) -> Response:
    return _problem(422, str(error))


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # which nobody reads


async def _plain_error(_request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    told = "no such page: see /openapi.json" if status == 404 else "not with this method: see /openapi.json"
    return _problem(status, told, getattr(error, "headers", None))
