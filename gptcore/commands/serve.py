"""`python -m gptcore serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo

from gptcore.commands.options import Device
from gptcore.commands.predict import load_classifier
from gptcore.commands.progress import show_progress
from gptcore.extras import require


def serve(
    folder: Annotated[
        Path, Argument(help="folder of a classifier, written by `fit` or `TextClassifier.save`")
    ],
    host: Annotated[
        str, Option(help="address to listen on; any other than loopback lets others in, without a password")
    ] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="0: any that is free")] = 8000,
    max_mb: Annotated[int, Option(min=1, help="MiB of a request's body")] = 10,
    max_texts: Annotated[int, Option(min=1, help="texts of a request")] = 1000,
    queue: Annotated[int, Option(min=1, help="texts of all requests that may wait for an answer")] = 4000,
    device: Device = "auto",
) -> None:
    """Answer texts over HTTP: a page at /, JSON at /predict, its description at /openapi.json.

    Requests that arrive together are answered in one batch. No text is logged. SIGTERM or Ctrl-C: what is in flight is
    answered first.
    """
    for package in ("starlette", "uvicorn"):
        require(package, "serve", "serve")
    from gptcore.serving.limits import MIB, Limits
    from gptcore.serving.run import LOOPBACK, bind, serve_app, url_of

    limits = Limits(body_bytes=max_mb * MIB, texts=max_texts, waiting=queue)
    with bind(host, port) as bound:
        show_progress(f"loading: {folder}")
        classifier = load_classifier(folder, device)
        from gptcore.serving.app import make_app

        is_local = bound.getsockname()[0] in LOOPBACK
        if not is_local:
            show_progress(f"warning: --host {host}: everyone who reaches this address can use it")
        app = make_app(folder.resolve().name, classifier, limits, LOOPBACK if is_local else ("*",))
        serve_app(app, bound, lambda: echo(f"serving {folder} on {url_of(bound)} (Ctrl-C stops it)"))
