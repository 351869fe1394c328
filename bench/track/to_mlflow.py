"""Copies to MLflow: where MLFLOW_TRACKING_URI says, else MLflow's own default, a local store."""

from __future__ import annotations

import os

from bench.track.tracker import TrackedRun


class MlflowTracker:
    """One MLflow experiment per study, one run per run."""

    def __init__(self) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
        from mlflow import MlflowClient

        # Unlike mlflow.start_run, the client adds no user name, no source path and no git remote of its own.
        self._client = MlflowClient()
        self._experiments: dict[str, str] = {}

    def log(self, run: TrackedRun) -> None:
        """Copy a run."""
        from mlflow.entities import Metric, Param

        made = self._client.create_run(
            self._experiment(run.study), run_name=run.name, tags={"rows": run.group}
        )
        at = made.info.start_time
        metrics = [Metric(name, value, at, 0) for name, value in run.metrics.items()]
        metrics += [
            Metric(name, value, at, epoch)
            for epoch, found in run.curve.items()
            for name, value in found.items()
        ]
        params = [Param(name, str(value)) for name, value in run.params.items()]
        for start in range(0, len(metrics), 1000):  # the most that one call takes
            self._client.log_batch(made.info.run_id, metrics=metrics[start : start + 1000])
        self._client.log_batch(made.info.run_id, params=params)
        self._client.set_terminated(made.info.run_id, "FAILED" if run.failed else "FINISHED")

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            there = self._client.get_experiment_by_name(name)
            self._experiments[name] = there.experiment_id if there else self._client.create_experiment(name)
        return self._experiments[name]
