"""What arrives, read within limits: a body that is too large, too slow or not understood is refused in one line."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from gptcore.errors import allowed
from gptcore.serving.limits import MIB, Limits

Model = TypeVar("Model", bound=BaseModel)


class RefusedError(Exception):
    """A request without an answer: the status and one line that says why. No text is repeated in it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


async def body_of(request: Request, limits: Limits) -> bytes:
    """The whole body. Raises RefusedError; what is too much is still read, or the client would miss the reason."""
    kept, n_bytes = bytearray(), 0
    try:
        async with asyncio.timeout(limits.body_s):
            async for chunk in request.stream():
                n_bytes += len(chunk)
                if n_bytes <= limits.body_bytes:
                    kept += chunk
    except TimeoutError:
        raise RefusedError(408, f"the body did not arrive within {limits.body_s:g} seconds") from None
    if n_bytes > limits.body_bytes:
        raise RefusedError(
            413,
            f"the body has {n_bytes / MIB:.1f} MiB, the limit is {limits.body_bytes / MIB:g}: send it in parts",
        )
    return bytes(kept)


async def parsed(request: Request, model: type[Model], limits: Limits) -> Model:
    """The body as JSON of this shape. Raises RefusedError: 400 for what is not JSON, 422 for another shape."""
    body = await body_of(request, limits)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        if found["type"] == "json_invalid":
            raise RefusedError(400, f"the body is not JSON: {found['msg']}") from None
        place = ".".join(map(str, found["loc"])) or "the body"
        expected = ", ".join(model.model_fields)
        raise RefusedError(422, f"{place}: {allowed([found])}; the keys are {expected}") from None


def check_texts(texts: list[str], limits: Limits) -> None:
    """Raises RefusedError for too many, and for one that is too long."""
    if len(texts) > limits.texts:
        raise RefusedError(
            413, f"{len(texts):,} texts, the limit is {limits.texts:,} a request: send them in parts"
        )
    for at, text in enumerate(texts):
        if len(text) > limits.characters:
            raise RefusedError(
                413, f"text {at} has {len(text):,} characters, the limit is {limits.characters:,}: shorten it"
            )
