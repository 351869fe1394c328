"""States of jobs for submitit from Slurm's queue; submitit itself asks the accounting, which not every cluster has.

Needs submitit. Imports no torch.
"""

from __future__ import annotations

from submitit import SlurmJob
from submitit.core.core import InfoWatcher

# Ended jobs stay in the queue for minutes.
ASK = ["squeue", "--me", "--states=all", "--array", "--noheader", "--format=%i|%T"]
LONGEST_WAIT_S = 60  # between two questions: submitit asks often at first
ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "REVOKED"),
    "TIMEOUT",
}  # any other state may still become one of these, or begin again
GONE = "NO_LONGER_QUEUED"  # submitit takes every state that it does not know for an end


class QueueWatcher(InfoWatcher):
    """Asks about all jobs at once."""

    def _make_command(self) -> list[str] | None:
        return ASK if self._registered - self._finished else None

    def get_state(self, job_id: str, mode: str = "standard") -> str:
        """A state of Slurm's that ends a job, `GONE`, RUNNING for all others, or UNKNOWN before the first answer."""
        return str(self.get_info(job_id, mode=mode).get("State", "UNKNOWN"))

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        """From the answer to `ASK`: the state of every job that was asked for, by its number."""
        said = string.decode() if isinstance(string, bytes) else string
        states = dict(line.split("|", 1) for line in said.split())
        return {job: {"State": _state(states.get(job, GONE))} for job in self._registered - self._finished}


def _state(said: str) -> str:
    return said if said in ENDED or said == GONE else "RUNNING"


def ask_the_queue() -> None:
    """Have all of submitit's Slurm jobs take their states from the queue."""
    if not isinstance(SlurmJob.watcher, QueueWatcher):
        SlurmJob.watcher = QueueWatcher(delay_s=LONGEST_WAIT_S)
