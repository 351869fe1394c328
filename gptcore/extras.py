"""Packages that only some uses need: asked for before anything expensive."""

from __future__ import annotations

import importlib.util

from gptcore.errors import UserError


def require(package: str, what: str, extra: str) -> None:
    """Raises UserError, which names the extra to install, where a package is not installed. what: needs it."""
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"{what} needs {package}, which is not installed: pip install 'gpt-classifier-bench[{extra}]'"
        )
