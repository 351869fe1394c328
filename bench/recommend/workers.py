"""The two processes of a recommendation: one that sees no test text, and one for the test part, after the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol, Self

from bench.recommend.opened import Opened
from bench.records.record import Record
from bench.run.supervisor import Supervisor
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.result import OnEpoch


class Runner(Protocol):
    """Who computes runs."""

    def forecast(self, runs: Sequence[PlannedRun]) -> Mapping[str, Prediction]:
        """Run id -> what it will take, on the development rows."""

    def develop(self, run: PlannedRun, on_epoch: OnEpoch) -> Record:
        """A run on development rows, whose test part is cut from them."""

    def test(self, run: PlannedRun, on_epoch: OnEpoch) -> Record:
        """A run that sees the test part."""


class Workers:
    """A `Runner` with a supervised process for each kind of run. Use as a context manager."""

    def __init__(self, opened: Opened) -> None:
        self._opened, self._stack = opened, ExitStack()
        self._blind: Supervisor | None = None
        self._seeing: Supervisor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def forecast(self, runs: Sequence[PlannedRun]) -> Mapping[str, Prediction]:
        """See `Runner`."""
        return self._developer.forecast(runs, lambda _done, _n: None)

    def develop(self, run: PlannedRun, on_epoch: OnEpoch) -> Record:
        """See `Runner`."""
        return self._developer.run(run, on_epoch)

    def test(self, run: PlannedRun, on_epoch: OnEpoch) -> Record:
        """See `Runner`."""
        if self._seeing is None:
            self._seeing = self._stack.enter_context(Supervisor(self._opened.spec_of_test()))
        return self._seeing.run(run, on_epoch)

    @property
    def _developer(self) -> Supervisor:
        if self._blind is None:
            self._blind = self._stack.enter_context(Supervisor(self._opened.spec()))
        return self._blind
