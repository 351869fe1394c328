"""The seeds of a study, and what varies between them (`--vary`). Imports no torch."""

from __future__ import annotations

from typing import Literal

from bench.run.options import split_names
from gptcore.errors import UserError
from gptcore.recipe import Seeds

FIRST_SEED = 123  # of the published study; further seeds count on from it
SeedKind = Literal["init", "order", "split"]
Series = tuple[SeedKind, ...]  # what differs between the seeds of a series, together
SEED_KINDS: Series = ("init", "order", "split")
TOGETHER: tuple[Series, ...] = (SEED_KINDS,)


def parse_vary(texts: list[str]) -> tuple[Series, ...]:
    """From ["init,order"] to what varies together, one series a text. Raises UserError for other names."""
    series = []
    for text in texts:
        asked = split_names([text])
        if not asked or (unknown := set(asked) - set(SEED_KINDS)):
            what = f"no seed is called {sorted(unknown)[0]!r}" if asked else "nothing would vary"
            raise UserError(f"--vary {text!r}: {what}: use one or more of {','.join(SEED_KINDS)}")
        series.append(tuple(kind for kind in SEED_KINDS if kind in asked))
    return tuple(dict.fromkeys(series))


def make_seeds(n: int, vary: tuple[Series, ...]) -> list[Seeds]:
    """The seeds of a study: the published one, then n - 1 for each series, further by one in what varies."""
    seeds = [Seeds(init=FIRST_SEED, order=FIRST_SEED, split=FIRST_SEED)]
    seeds += [
        seeds[0].model_copy(update=dict.fromkeys(kinds, FIRST_SEED + i))
        for kinds in vary
        for i in range(1, n)
    ]
    return seeds
