"""The server process: a socket first, then the model; SIGTERM ends it when what is in flight is answered."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from gptcore.errors import UserError

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


def bind(host: str, port: int) -> socket.socket:
    """A socket that requests can be sent to; port 0: any that is free. Raises UserError."""
    bound = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        return bound
    except OSError as error:
        if bound is not None:
            bound.close()
        raise UserError(
            f"--host {host} --port {port}: {error.strerror or error}: name another, or --port 0 for any that is free"
        ) from error


def url_of(bound: socket.socket) -> str:
    """Where to open it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve_app(app: Starlette, bound: socket.socket, started: Callable[[], None]) -> None:
    """Answer requests until SIGTERM or Ctrl-C; started: called when the first one can be sent.

    Requests are not logged, so that no text is.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, ws="none", http="h11", loop="asyncio"
    )
    Server(config).run(sockets=[bound])
