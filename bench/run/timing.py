"""Interleaved measurements for `speed` and `regress`, and the processes that run other code for `regress`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, Literal, TypeVar

from bench.evidence.regress import Rounds
from bench.run.environment import CHECKOUT
from bench.run.workload import CASES
from gptcore.errors import UserError

WORKLOAD = Path(__file__).with_name("workload.py")
ANSWER_LIMIT_S = 120.0  # a fit takes a fraction of a second

Name = TypeVar("Name", bound=str)
Measured = TypeVar("Measured")
Runner = Callable[[str, int], Measured]  # case, round -> what it measured


class Worker:
    """A process that runs the workload with the code of one tree; it lives within a `with` block."""

    def __init__(self, tree: Path, workload: Path = WORKLOAD) -> None:
        # One thread and no user cache: two commits, or two rounds, must share nothing but the machine.
        environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
        self.tree = tree
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115  (closed in __exit__)
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(workload)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
            cwd=tree,
        )

    def __enter__(self) -> Worker:
        try:
            loaded = Path(self._read()["package"])
            if not loaded.resolve().is_relative_to(self.tree.resolve()):
                raise UserError(
                    f"{self.tree}: the workload loaded {loaded} instead, so nothing can be compared"
                )
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def seconds(self, case: str, engine: Literal["fast", "plain"], seed: int) -> float:
        """Time one fit, in seconds. Raises UserError with the process's last line of output if it fails."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"case": case, "engine": engine, "seed": seed}) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended: reading says why
        return float(self._read()["seconds"])

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        timer = Timer(ANSWER_LIMIT_S, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if line:
            return dict(json.loads(line))
        self._errors.seek(0)
        last = (self._errors.read().strip().splitlines() or [f"it was ended after {ANSWER_LIMIT_S:g} s"])[-1]
        raise UserError(f"the timing of {self.tree} ended: {last}")


def take_rounds(
    runners: Mapping[Name, Runner[Measured]],
    cases: Sequence[str],
    n_rounds: int,
    on_round: Callable[[str], None],
    warm_up: int = 1,
) -> dict[str, dict[Name, list[Measured]]]:
    """Case -> runner -> what it measured, one value per round: each is called with the case and the round's number.

    Every round calls all runners, in the reverse order of the previous round. warm_up: first rounds that are
    dropped, in which everything is loaded.
    """
    taken: dict[str, dict[Name, list[Measured]]] = {case: {name: [] for name in runners} for case in cases}
    for number in range(-warm_up, n_rounds):
        on_round(f"timing round {number + 1} of {n_rounds}")
        for case in cases:
            order = list(runners) if number % 2 else list(runners)[::-1]
            for name in order:
                measured = runners[name](case, number + 1)
                if number >= 0:
                    taken[case][name].append(measured)
    return taken


def time_code(
    n_rounds: int, base: Path | None, on_round: Callable[[str], None], workload: Path = WORKLOAD
) -> tuple[list[Rounds], list[Rounds]]:
    """This code's fast engine against its plain one, and against the fast engine of the tree `base`."""
    with ExitStack() as stack:
        head, again = (stack.enter_context(Worker(CHECKOUT, workload)) for _ in range(2))
        runners: dict[str, Runner[float]] = {
            "plain": lambda case, seed: head.seconds(case, "plain", seed),
            "ours": lambda case, seed: head.seconds(case, "fast", seed),
            "again": lambda case, seed: again.seconds(case, "fast", seed),
        }
        if base is not None:
            other = stack.enter_context(Worker(base, workload))
            runners["base"] = lambda case, seed: other.seconds(case, "fast", seed)
        taken = take_rounds(runners, list(CASES), n_rounds, on_round)

    def against(name: str) -> list[Rounds]:
        return [Rounds(case, t["ours"], t["again"], t[name]) for case, t in taken.items() if name in t]

    return against("plain"), against("base")


@contextmanager
def checked_out(reference: str) -> Iterator[Path]:
    """The tree of a commit in a temporary git worktree. Raises UserError where there is no such commit."""
    git = ["git", "-C", str(CHECKOUT), "worktree"]
    with tempfile.TemporaryDirectory(prefix="bench-base-") as folder:
        tree = Path(folder) / "tree"
        try:
            subprocess.run(
                [*git, "add", "--detach", str(tree), reference], check=True, capture_output=True, text=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            lines = str(getattr(error, "stderr", "") or error).strip().splitlines()
            raise UserError(
                f"--base {reference}: {lines[-1]} (name a commit of this checkout; fetch it first)"
            ) from error
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=False, capture_output=True)
