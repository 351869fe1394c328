"""Thousands of records in little memory."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from bench.records.record import Record


class Lean:
    """Makes records smaller as they are read, for reports, which only read them: never compare or save such a record.

    Equal parts are kept once: the runs of a study have few different recipes, data sets and machines, and runs of one
    split have the same labels. Training losses are kept only for the first seeds of each row. Probabilities and losses
    of test texts become arrays, which take an eighth of the memory of lists.
    """

    def __init__(self, n_curves: int) -> None:
        """n_curves: seeds whose training losses are kept."""
        self.n_curves = n_curves
        self._known: dict[Hashable, Any] = {}

    def __call__(self, record: Record) -> Record:
        """The same record, without the training losses of later seeds."""
        split = record.dataset.fingerprint
        parts: dict[str, Any] = {
            "recipe": self._once(("recipe", record.recipe_id), record.recipe),
            "dataset": self._once(("dataset", split), record.dataset),
            "environment": self._once(("environment", record.environment.machine), record.environment),
        }
        if record.test is not None:
            fields = ("labels", "examples")
            test = {name: self._once((name, split), getattr(record.test, name)) for name in fields}
            test["probabilities"] = np.array(record.test.probabilities)
            if record.test.losses is not None:
                test["losses"] = np.array(record.test.losses)
            parts["test"] = record.test.model_copy(update=test)
        if record.curves is not None and record.seed_index >= self.n_curves:
            parts["curves"] = record.curves.model_copy(update={"losses": []})
        return record.model_copy(update=parts)

    def _once(self, key: Hashable, value: Any) -> Any:
        known = self._known.setdefault(key, value)
        return known if known == value else value
