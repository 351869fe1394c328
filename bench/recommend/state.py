"""Whether a later call continues what a folder holds, and the clock of all calls together."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.evidence.metric import METRICS
from bench.records.recommendation import State
from gptcore.errors import UserError


def continued(folder: Path, there: State | None, state: State, margin: float | None) -> State:
    """The state `there` in the folder, if any, else the new one. Raises UserError where it is of something else.

    margin: of scores, None where any will do.
    """
    if there is None:
        return state
    what = None
    if there.fingerprint != state.fingerprint:
        what = f"a recommendation for other data ({there.data})"
    elif there.models != state.models:
        what = f"a recommendation on --models {there.models}"
    elif there.metric != state.metric:
        what = f"a recommendation by --metric {there.metric}, which is fixed before the first run"
    elif margin is not None and there.margin != margin:
        shown = METRICS[there.metric].shown(there.margin)
        what = f"a recommendation with --margin {shown:g}, which is fixed before the first run"
    if what is not None:
        raise UserError(f"{folder} holds {what}: choose another folder with --out")
    return there


class Clock:
    """Seconds of the budget that all calls on a folder have spent. now: seconds of a steady clock."""

    def __init__(self, budget_s: float, spent_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.budget_s, self._before, self._now = budget_s, spent_s, now
        self._began = now()

    @property
    def spent_s(self) -> float:
        """Of this call and those before it."""
        return self._before + self._now() - self._began

    @property
    def left_s(self) -> float:
        """Of the budget; below zero where it is overdrawn."""
        return self.budget_s - self.spent_s
