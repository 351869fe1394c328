"""The simulation of studies, shared by tests."""

import gc
from types import ModuleType

import pytest

from tests.bench.evidence import simulate


@pytest.fixture(scope="session")
def simulation() -> ModuleType:
    """Studies whose truth is known."""
    return simulate


@pytest.fixture
def quick_holm(monkeypatch: pytest.MonkeyPatch) -> None:
    """statsmodels' multipletests collects garbage on every call, which takes most of a simulation's time."""
    monkeypatch.setattr(gc, "collect", lambda: 0)
