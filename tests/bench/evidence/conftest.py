"""The simulation of studies, shared by tests."""

from types import ModuleType

import pytest

from tests.bench.evidence import simulate


@pytest.fixture(scope="session")
def simulation() -> ModuleType:
    """Studies whose truth is known."""
    return simulate
