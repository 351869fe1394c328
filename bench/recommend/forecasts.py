"""Time and memory of each row, measured as far as that is cheap beside the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from bench.recommend.opened import Opened
from bench.recommend.workers import Workers
from bench.run.seeds import TOGETHER, make_seeds
from bench.study.forecast import lack_of_memory
from bench.study.plan import PlannedRun

Probing = Callable[[], AbstractContextManager[Callable[[int, int], None]]]
SHARE = 0.3  # of the budget: where timing takes more, the machine is busy, and costlier rows will not fit


class Forecasts:
    """What is known of the rows of a recommendation, in its state and here.

    probing: who hears, while rows are timed, of how many; untimed: rows for which timing had no time left.
    """

    def __init__(self, opened: Opened, workers: Workers, probing: Probing) -> None:
        self._opened, self._workers, self._probing = opened, workers, probing
        self._needs = dict(opened.state.mem_bytes)  # row -> bytes
        self.untimed: set[str] = set()

    def measure(self, spent_s: Callable[[], float], budget_s: float) -> Iterator[str]:
        """Each row of which nothing is known, the cheapest first, once it is timed. spent_s: on timing so far."""
        known = self._opened.state.forecast.keys() | self._needs.keys()
        rows = [row for row in self._opened.rows if row.name not in known]
        # What needs no GPT says first whether the budget is enough for anything.
        rows.sort(key=lambda row: (row.recipe.backbone is not None, row.recipe.trainer == "network"))
        missing = [row.name for row in rows]
        self.untimed = set(missing)
        if not missing:
            return
        with self._probing() as on_probe:
            for number, name in enumerate(missing):
                if spent_s() > SHARE * budget_s:
                    return
                on_probe(number, len(missing))
                self._forecast(name)
                self.untimed.remove(name)
                yield name

    def too_large(self) -> dict[str, str]:
        """Rows that need more memory than is free, and why."""
        whys = {name: lack_of_memory(needs, self._opened.free_bytes) for name, needs in self._needs.items()}
        return {name: why for name, why in whys.items() if why is not None}

    def _forecast(self, name: str) -> None:
        state = self._opened.state
        run = PlannedRun((name,), self._opened.row(name).recipe, 0, make_seeds(1, TOGETHER)[0], "todo")
        found = self._workers.development.forecast([run], lambda *_: None)
        if run.run_id not in found:
            return
        one = found[run.run_id]
        self._needs[name] = one.mem_bytes
        # What does not fit has not been timed: a later call, with more memory, asks again.
        if name not in self.too_large():
            state.forecast = state.forecast | {name: one.seconds}
            state.mem_bytes = state.mem_bytes | {name: one.mem_bytes}
