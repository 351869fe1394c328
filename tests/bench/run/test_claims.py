"""How many runs one process may claim: what the system lets it open, and no more."""

import sys

import pytest

from bench.run import claims
from bench.run.claims import FILES_PER_CLAIM, SPARE_FILES, most_claims


@pytest.mark.parametrize(
    ("hard", "most"),
    [
        (SPARE_FILES + 10 * FILES_PER_CLAIM, 10),
        (64, 1),
        (claims.resource.RLIM_INFINITY, sys.maxsize),
    ],
)
def test_the_limit_of_open_files_is_raised_and_kept(
    hard: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [(32, hard)]
    monkeypatch.setattr(claims.resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(claims.resource, "setrlimit", lambda _, asked: limits.append(asked))
    assert most_claims() == most
    assert limits[-1] == (hard, hard)


def test_where_it_cannot_be_raised_it_holds_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(claims.resource, "getrlimit", lambda _: (SPARE_FILES + FILES_PER_CLAIM, 10**6))
    monkeypatch.setattr(claims.resource, "setrlimit", refuse)
    assert most_claims() == 1
