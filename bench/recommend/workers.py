"""The two executors of a recommendation: one that sees no test text, and one for the test part, after the choice."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import Protocol, Self

from bench.recommend.opened import Opened
from bench.run.executors.base import Executor
from bench.run.executors.local import LocalExecutor
from bench.run.worker import SessionSpec


class Workers(Protocol):
    """Who computes runs; each executor starts when it is first asked for."""

    @property
    def development(self) -> Executor:
        """Runs on development rows, whose own test part is cut from them; also forecasts."""

    @property
    def seeing(self) -> Executor:
        """Runs that see the test part."""


class Processes:
    """`Workers` with processes on this machine. Use as a context manager."""

    def __init__(self, opened: Opened) -> None:
        self._opened, self._stack = opened, ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def development(self) -> Executor:
        """See `Workers`."""
        return self._start(self._opened.spec())

    @cached_property
    def seeing(self) -> Executor:
        """See `Workers`."""
        return self._start(self._opened.spec_of_test())

    def _start(self, spec: SessionSpec) -> Executor:
        return self._stack.enter_context(LocalExecutor(spec))
