"""How threads wait for one another. Imports no torch: what is said here must be said before torch is loaded."""

from __future__ import annotations

import logging
import os
import sys
from functools import cache

# Rounds of waiting before a thread sleeps; GNU OpenMP's own choice is 300,000.
SPIN_COUNT = 3_000
BUSY = 0.5  # share of the processor that other programs use, from which on spinning hurts
_VARIABLES = frozenset({"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"})

log = logging.getLogger(__name__)
_came_late = False  # torch was there first, and the user had not said how threads wait


def share_cores() -> None:
    """Let threads that wait at a barrier spin briefly and then sleep, in this process and those it starts.

    Called by `import gptcore`. Every operation of torch ends at a barrier. With GNU OpenMP's default, two programs
    on the same cores wait for threads that the other one's spinning keeps from running: a training step took 20 to
    50 times as long beside another, and takes 2 to 3 times as long with this (docs/log.md, 2026-11-27). The user's
    own OMP_WAIT_POLICY or GOMP_SPINCOUNT stands. OpenMP reads its variables once, when torch is loaded: where that
    was before, only processes that are started from here have it. Without effect where torch comes with another
    OpenMP.
    """
    global _came_late
    if not _VARIABLES & os.environ.keys():
        _came_late = "torch" in sys.modules
        os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)


@cache
def warn_if_threads_spin() -> None:
    """Log a warning, once, where torch was loaded too early and other programs want the processor just now."""
    if not _came_late:
        return
    import psutil

    if (busy := psutil.cpu_percent(interval=0.1) / 100) > BUSY:
        log.warning(
            "other programs keep %.0f%% of the processor busy, and torch was imported before gptcore: waiting threads "
            "spin, so training may take many times as long; import gptcore first, or start Python with "
            "GOMP_SPINCOUNT=%d",
            100 * busy,
            SPIN_COUNT,
        )
