"""The simulation of studies, and rows with made-up right answers, shared by tests."""

import gc
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def rows() -> ModuleType:
    """rows.py, beside this file; pytest puts no folder of tests on the path."""
    spec = importlib.util.spec_from_file_location("rows", Path(__file__).with_name("rows.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def quick_holm(monkeypatch: pytest.MonkeyPatch) -> None:
    """statsmodels' multipletests collects garbage on every call, which takes most of a simulation's time."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


@pytest.fixture(scope="session")
def simulation() -> ModuleType:
    """simulate.py, beside this file; pytest puts no folder of tests on the path."""
    spec = importlib.util.spec_from_file_location("simulate", Path(__file__).with_name("simulate.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
