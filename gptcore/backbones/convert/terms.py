"""Terms of use that a user has to accept before a model is fetched; what was accepted is remembered in the cache."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from gptcore.backbones.catalogue import CATALOGUE, TERMS
from gptcore.data.assets import CACHE_REMEDY, cache_dir
from gptcore.errors import UserError
from gptcore.files import write_whole


def accept_terms(names: Iterable[str]) -> list[str]:
    """Remember that the user accepts these terms; returns a line for each. Raises UserError for an unknown name."""
    lines = []
    for name in names:
        if (terms := TERMS.get(name)) is None:
            raise UserError(f"--accept-licence {name!r}: no terms of that name: use {', '.join(TERMS)}")
        write_whole(_path(name), f"{terms.title}\n{terms.url}\n{datetime.now(UTC):%Y-%m-%d}\n", CACHE_REMEDY)
        lines.append(f"accepted: {terms.title} ({terms.url}), remembered in {_path(name)}")
    return lines


def check_terms(model: str) -> None:
    """Raises UserError, which names the terms and the remedy, where a model's have not been accepted."""
    name = CATALOGUE[model].terms
    if name is None or _path(name).is_file():
        return
    terms = TERMS[name]
    raise UserError(
        f"{model} is under the {terms.title} ({terms.url}), {terms.about}: read them, and to accept them add "
        f"--accept-licence {name}"
    )


def _path(name: str) -> Path:
    return cache_dir() / "accepted" / name
