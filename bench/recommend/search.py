"""The search itself: forecast, plan, trials, seeds, learning curve and, once, the test part.

Everything that is done is a record in the folder, so a call that was stopped goes on where it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.recommend.costs import RowCosts
from bench.recommend.forecasts import Forecasts, Probing
from bench.recommend.ledger import Ledger
from bench.recommend.opened import Opened
from bench.recommend.plan import LOOKS, TEST_SEEDS, TEST_SIZE, Plan, end_seconds, make_plan
from bench.recommend.race import may_win, next_steps
from bench.recommend.state import Clock
from bench.recommend.workers import Workers
from bench.records.recommendation import LastCall, save_state
from bench.records.record import Record
from bench.records.store import find_record, save_study
from bench.run.execute import execute
from bench.run.executors.base import Executor
from bench.run.listener import Listener
from bench.run.tune import FOLDER as TUNING
from bench.study.plan import PlannedRun
from gptcore.errors import UserError

Listen = Callable[[str, Sequence[PlannedRun]], AbstractContextManager[Listener]]
Follows = Callable[[RowCosts], float]
OUT_OF_BUDGET = "the rest of the budget is too short for another run"
OUT_OF_MEMORY = "not enough free memory for the next runs"
NOT_TIMED = "was not timed, as timing the others took much of the budget: use a longer --budget"
NO_ROOM = "does not fit in the remaining budget"
NO_MORE = f"every row is decided, no longer worth a look, or had its {LOOKS[-1]} seeds"


class Search:
    """One recommendation on its way.

    listen: who hears of the runs of a phase; probing: who hears, while rows are timed, of how many; ended: why it
    stopped.
    """

    def __init__(
        self, opened: Opened, workers: Workers, clock: Clock, listen: Listen, probing: Probing
    ) -> None:
        self.opened, self._workers, self.clock = opened, workers, clock
        self._listen = listen
        self.ledger = Ledger(opened)
        self.ended = "it was interrupted"
        self._left_out: dict[str, str] = dict(opened.cannot)
        self._forecasts = Forecasts(opened, workers, probing)
        self._blocked: dict[str, str] = {}  # rows that have begun and lack memory for more runs, and why
        self._lacked: set[str] = set()  # those of which more runs were wanted

    @property
    def left_out(self) -> dict[str, str]:
        """Rows that are not in the answer, and why."""
        results = self.ledger.results
        done = {row.name for row in results.finished} if results else set()
        unfinished = {
            name: self._blocked.get(name, NO_ROOM) for name in self.ledger.names if name not in done
        }
        return unfinished | self._left_out | self.ledger.failed

    def run(self) -> None:
        """Until it is decided or the budget ends. Raises UserError where the budget is too small for any row."""
        with self._spending():
            plan = self._planned()
            while True:
                ended = self._choose(plan)
                before, plan = plan, self._planned()  # what took less than was forecast makes room
                if set(plan.rows) <= set(before.rows):
                    break
            self.ended = ended
            if (choice := self.ledger.choice) is not None:
                self._do("learning curve", self._able(self.ledger.missing_of_curve(choice)), at_the_end=True)
                self._test()
            elif self._lacked:
                why = self._blocked[min(self._lacked)]
                raise UserError(f"no row can run here: {why}: end other programs")
            for name in sorted(self._lacked):
                self.ended += f"; {name} has no more runs: {self._blocked[name]}"

    def keep(self, file: str, reading: Sequence[str]) -> None:
        """Keep how this call has ended, for `read_answer`. file, reading: as `LastCall` has them."""
        save_study(self.opened.search, self.ledger.study)
        self.opened.state.last_call = LastCall(
            budget_s=self.opened.budget_s,
            ended=self.ended,
            left_out=self.left_out,
            file=file,
            reading=list(reading),
        )
        self._save()

    def _choose(self, plan: Plan) -> str:
        """Rows without values to choose first, then the others; returns why it ends."""
        tuned = [name for name in plan.rows if plan.n_values > 1 and self.ledger.tunes(name)]
        if not self._reach([name for name in plan.rows if name not in tuned], LOOKS[0]):
            return self._no_room([name for name in plan.rows if name not in tuned], LOOKS[0])
        for name in tuned:
            self._tune(name)
        self._first_look()
        while (choice := self.ledger.choice) is not None and (results := self.ledger.results) is not None:
            asked = next_steps(choice, results)
            steps = [step for step in asked if self._missing(step.rows, step.seeds)]
            if asked and not steps and self._lacked:
                return OUT_OF_MEMORY
            if not steps:
                no_time = self.opened.state.forecast.keys() | self._forecasts.untimed
                return OUT_OF_BUDGET if self.left_out.keys() & no_time else NO_MORE
            fits = next((s for s in steps if self._fits(self._missing(s.rows, s.seeds))), None)
            if fits is None or not self._reach(fits.rows, fits.seeds):
                step = fits or steps[-1]  # the least that would be a step
                return self._no_room(step.rows, step.seeds)
        return OUT_OF_BUDGET

    def _no_room(self, names: Sequence[str], seeds: int) -> str:
        """What is not done for want of time, and the budget that would be enough."""
        runs, costs = self._missing(names, seeds), self.ledger.costs
        if not runs:
            return OUT_OF_BUDGET
        needs = self.clock.spent_s + self.ledger.seconds(runs, costs) + self._follows(runs)(costs)
        return f"{OUT_OF_BUDGET}: {seeds} seeds of {', '.join(names)} need --budget {_option(needs)}"

    def _planned(self) -> Plan:
        """Forecast what is not known yet, and plan."""
        opened, state = self.opened, self.opened.state
        self._forecasts.measure(lambda: self._others_s, self.clock.budget_s, self._plan)
        plan = self._plan()
        state.n_values, state.last_call = plan.n_values, None
        self._save()
        self._left_out = dict(opened.cannot) | {
            row.name: NOT_TIMED
            if row.name in self._forecasts.untimed
            else "has no forecast: its probe failed"
            for row in opened.rows
            if row.name not in state.forecast
        }
        begun, too_large = self.ledger.begun, self._forecasts.too_large()
        self._blocked = {name: why for name, why in too_large.items() if name in begun}
        self._left_out |= {name: why for name, why in too_large.items() if name not in begun}
        for name, seconds in plan.left_out.items():
            self._left_out[name] = f"needs a budget of about {_option(seconds)}"
        self.ledger.names = plan.rows
        return plan

    def _plan(self) -> Plan:
        """Raises UserError where no row fits."""
        opened, costs, ledger = self.opened, self.ledger.costs, self.ledger
        begun = ledger.begun  # what has results stays, whatever memory is free now
        too_large = {name: why for name, why in self._forecasts.too_large().items() if name not in begun}
        if len(too_large) == len(opened.rows):
            raise UserError(f"no row can run here: {next(iter(too_large.values()))}: end other programs")
        epochs = {
            row.name: row.recipe.epochs if ledger.tunes(row.name) else 0
            for row in opened.rows
            if row.name in costs and row.name not in too_large
        }
        is_fixed = any(epochs.get(name) for name in begun)
        numbers = [opened.state.n_values] if is_fixed else opened.numbers_of_values
        plan = make_plan(costs, epochs, numbers, self.clock.budget_s, self._others_s, begun)
        if epochs and not plan.rows:
            least = min(plan.left_out, key=lambda name: plan.left_out[name])
            needs = plan.left_out[least]
            raise UserError(
                f"--budget of {opened.budget_s:g} s: {LOOKS[0]} seeds of the cheapest row, {least}, its learning curve "
                f"and its test take about {needs:.0f} s: use --budget {_option(needs)} or more"
            )
        return plan

    @property
    def _others_s(self) -> float:
        """Seconds spent on other things than runs."""
        return max(0.0, self.clock.spent_s - self.ledger.recorded_s)

    def _tune(self, name: str) -> None:
        """Rung by rung; a row for which the time is too short, or whose trials all fail, is left out."""
        title = f"choosing {', '.join(self.opened.tune.fields)} of {name}"
        while (found := self.ledger.tuning(name)) is not None and self._able(found.todo):
            if not self._do(title, found.todo, TUNING):
                return

    def _first_look(self) -> None:
        """The first seeds of all rows whose values are chosen, without the most expensive where time is too short."""
        names = list(self.ledger.ready)
        while names and not self._fits(self._missing(names, LOOKS[0])):
            names.pop()
        self._reach(names, LOOKS[0])

    def _reach(self, names: Sequence[str], seeds: int) -> bool:
        """Give rows so many seeds; returns whether the budget was enough."""
        return self._do(f"{seeds} seeds of {', '.join(names)}", self._missing(names, seeds))

    def _missing(self, names: Sequence[str], seeds: int) -> list[PlannedRun]:
        return self._able(self.ledger.missing(names, seeds))

    def _able(self, runs: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Without the runs of rows that lack memory, which are noted for the answer."""
        self._lacked |= {run.rows[0] for run in runs} & self._blocked.keys()
        return [run for run in runs if run.rows[0] not in self._blocked]

    def _test(self) -> None:
        """The only place where the test part is looked at: after the choice, and for the chosen recipe alone."""
        choice = self.ledger.choice
        runs = [] if choice is None else self._able(self.ledger.missing_tests(choice))
        if not runs:
            return
        with self._listen("the test part", runs) as listener:
            for run in runs:
                self._execute(run, self.opened.test, self.ledger.tests, self._workers.seeing, listener)
                # The first seed runs whatever is left: without it nothing is known of the test part.
                if self.clock.left_s < self.ledger.costs.seconds(run.rows[0], size=TEST_SIZE):
                    return

    def _do(
        self, title: str, runs: Sequence[PlannedRun], subfolder: str = "", *, at_the_end: bool = False
    ) -> bool:
        """Do runs while the budget has room for them and for what follows; returns whether all were done."""
        if not runs:
            return True
        folder = self.opened.search / subfolder
        records = self.ledger.trials if subfolder else self.ledger.runs
        if not subfolder:
            save_study(folder, self.ledger.study)
        follows = self._follows(runs, at_the_end=at_the_end)
        with self._listen(title, runs) as listener:
            for run in runs:
                if not self._fits([run], follows):
                    return False
                self._execute(run, folder, records, self._workers.development, listener)
        return True

    def _execute(
        self,
        run: PlannedRun,
        folder: Path,
        records: dict[str, Record],
        executor: Executor,
        listener: Listener,
    ) -> None:
        execute([run], folder, records, executor, listener)
        if (record := find_record(folder, run.run_id)) is not None:
            records[run.run_id] = record
        self._save()

    def _fits(self, runs: Sequence[PlannedRun], follows: Follows | None = None) -> bool:
        """Whether the budget has room for these runs and for what follows the choice, whichever row it may be."""
        if not runs:
            return True
        ledger, costs = self.ledger, self.ledger.costs
        reserve = (follows or self._follows(runs))(costs)
        return ledger.seconds(runs, costs) + reserve <= self.clock.left_s

    def _follows(self, runs: Sequence[PlannedRun], *, at_the_end: bool = False) -> Follows:
        """Seconds of what follows the choice; at_the_end: once it is made."""
        if at_the_end:
            return lambda costs: TEST_SEEDS * costs.seconds(runs[0].rows[0], size=TEST_SIZE)
        choice = self.ledger.choice
        may_be = (may_win(choice) if choice else set()) | {run.rows[0] for run in runs}
        return lambda costs: max(end_seconds(costs, name) for name in may_be)

    def _save(self) -> None:
        self.opened.state.spent_s = self.clock.spent_s
        save_state(self.opened.folder, self.opened.state)

    @contextmanager
    def _spending(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self.opened.state.n_values:  # else nothing has begun
                self._save()


def _option(seconds: float) -> str:
    """A budget of at least so many seconds, as the option says it."""
    return f"{10 * (int(seconds / 10) + 1)}s" if seconds < 90 else f"{int(seconds / 60) + 1}m"
