"""Time and memory of each row, measured as far as that is cheap beside the budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from bench.recommend.opened import Opened
from bench.recommend.workers import Workers
from bench.run.seeds import TOGETHER, make_seeds
from bench.study.forecast import lack_of_memory
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe

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

    def measure(self, spent_s: Callable[[], float], budget_s: float, on_timed: Callable[[], object]) -> None:
        """Time the rows of which nothing is known, the cheapest group first, while that is cheap beside the budget.

        spent_s: on timing so far, of budget_s for everything; on_timed: called after each group.
        """
        known = self._opened.state.forecast.keys() | self._needs.keys()
        groups: dict[int, list[str]] = {}
        for row in sorted(self._opened.rows, key=lambda row: _expense(row.recipe)):
            if row.name not in known:
                groups.setdefault(_expense(row.recipe), []).append(row.name)
        self.untimed = {name for group in groups.values() for name in group}
        if not groups:
            return
        n_done, n = 0, len(self.untimed)
        with self._probing() as on_probe:
            for group in groups.values():
                if known and spent_s() > SHARE * budget_s:
                    return
                self._forecast(group, _counting_on(on_probe, n_done, n))
                self.untimed -= set(group)
                n_done += len(group)
                on_timed()
                known = self._opened.state.forecast.keys() | self._needs.keys()

    def too_large(self) -> dict[str, str]:
        """Rows that need more memory than is free, and why."""
        whys = {name: lack_of_memory(needs, self._opened.free_bytes) for name, needs in self._needs.items()}
        return {name: why for name, why in whys.items() if why is not None}

    def _forecast(self, names: Sequence[str], on_probe: Callable[[int, int], None]) -> None:
        state, seeds = self._opened.state, make_seeds(1, TOGETHER)[0]
        runs = [PlannedRun((name,), self._opened.row(name).recipe, 0, seeds, "todo") for name in names]
        predictions = self._workers.development.forecast(runs, on_probe)
        found = {run.rows[0]: predictions[run.run_id] for run in runs if run.run_id in predictions}
        self._needs |= {name: one.mem_bytes for name, one in found.items()}
        # What does not fit has not been timed: a later call, with more memory, asks again.
        fit = {name: one for name, one in found.items() if name not in self.too_large()}
        state.forecast = state.forecast | {name: one.busy_s for name, one in fit.items()}
        state.mem_bytes = state.mem_bytes | {name: one.mem_bytes for name, one in fit.items()}


def _counting_on(on_probe: Callable[[int, int], None], n_before: int, n: int) -> Callable[[int, int], None]:
    return lambda done, _: on_probe(n_before + done, n)


def _expense(recipe: Recipe) -> int:
    """In which group a row is timed: without a model, with a frozen one, training upper blocks, training all."""
    if recipe.backbone is None:
        return 0
    if recipe.trainer != "network":
        return 1
    return 2 if recipe.method.upper_blocks is not None else 3
