"""Copies to Trackio: its local store, or the Space that TRACKIO_SPACE_ID names."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

from bench.track.tracker import TrackedRun


class TrackioTracker:
    """One Trackio project per study, one run per run."""

    def __init__(self) -> None:
        import trackio  # noqa: F401  # what it lacks is said before the first run

    def log(self, run: TrackedRun) -> None:
        """Copy a run."""
        import trackio

        with redirect_stdout(io.StringIO()):  # it prints how to open its dashboard, for each run
            made = trackio.init(
                run.study,
                name=run.name,
                group=run.group,
                config=dict(run.params),
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
            for epoch, found in run.curve.items():
                made.log(found, step=epoch)
            made.log(run.metrics, step=max(run.curve, default=0) + 1)
            made.finish()
