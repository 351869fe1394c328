"""Copies to Weights & Biases; with WANDB_MODE=offline into the folder `wandb/`."""

from __future__ import annotations

import os

from bench.track.tracker import TrackedRun


class WandbTracker:
    """One W&B project per study, one run per run."""

    def __init__(self) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when it is imported
        import wandb

        if os.environ.get("WANDB_MODE") not in ("offline", "disabled") and not wandb.Api.api_key:
            raise RuntimeError("not logged in: run `wandb login`, or set WANDB_MODE=offline")
        # What wandb would collect by itself: command line, host, user, packages, git, terminal output, load.
        self._settings = wandb.Settings(
            silent=True,
            console="off",
            host="-",
            disable_code=True,
            disable_git=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
        )

    def log(self, run: TrackedRun) -> None:
        """Copy a run."""
        import wandb

        made = wandb.init(
            project=run.study,
            name=run.name,
            group=run.group[:128],
            config=run.params,
            settings=self._settings,
        )
        for epoch, found in run.curve.items():
            made.log({"epoch": epoch, **found})
        made.summary.update(run.metrics)
        made.finish(exit_code=int(run.failed))
