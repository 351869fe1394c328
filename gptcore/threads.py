"""How threads wait for one another. Imports no torch: what is said here must be said before torch is loaded."""

from __future__ import annotations

import os

# Rounds of waiting before a thread sleeps; GNU OpenMP's own choice is 300,000.
SPIN_COUNT = 3_000


def share_cores() -> None:
    """Let threads that wait at a barrier spin briefly and then sleep, in this process and those it starts.

    Every operation of torch ends at a barrier. With GNU OpenMP's default, two programs on the same cores wait for
    threads that the other one's spinning keeps from running: a training step took 20 to 50 times as long beside
    another, and takes 2 to 3 times as long with this (docs/log.md, 2026-11-27). The user's own OMP_WAIT_POLICY or
    GOMP_SPINCOUNT stands. Without effect once torch is loaded, and where torch comes with another OpenMP.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
