"""A hub on this machine, and who asks it."""

from collections.abc import Iterator

import pytest

from tests.gptcore.backbones.fake_hub import FakeHub, Visitor


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    running = FakeHub()
    yield running
    running.close()


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch) -> Visitor:
    return Visitor(monkeypatch)
