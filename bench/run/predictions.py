"""The test predictions stored in a record: all probabilities, or only the largest if there are many classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.evidence.metrics import roc_auc
from bench.records.record import Predictions

if TYPE_CHECKING:
    from gptcore.result import Evaluation

ALL_CLASSES = (
    50  # all probabilities are kept up to here: 1,000 classes and 5,000 texts would be 45 MB per record
)
KEPT = 10  # probabilities per text above that


def predictions_of(
    evaluation: Evaluation, examples: np.ndarray | None, groups: list[int] | None = None
) -> Predictions:
    """The predictions in the form of a record. examples: (N,) row of the source of each text, None if unknown; groups:
    (N,) first row of its group, None without groups.

    Of more than ALL_CLASSES classes the KEPT most probable ones of each text are stored, which every metric but
    ROC-AUC can be computed from; that one is stored with them.
    """
    probabilities = evaluation.probabilities.astype(np.float64)  # in float32 rounded digits are many
    classes, area = None, None
    if probabilities.shape[1] > ALL_CLASSES:
        area = roc_auc(evaluation.labels, probabilities)
        # Stable, so that of equal probabilities the lower class comes first, as in `predicted`.
        classes = np.argsort(-probabilities, axis=1, kind="stable")[:, :KEPT]
        probabilities = np.take_along_axis(probabilities, classes, axis=1)
    return Predictions(
        labels=evaluation.labels.tolist(),
        predicted=evaluation.predicted.tolist(),
        examples=None if examples is None else examples.tolist(),
        probabilities=probabilities.round(6).tolist(),
        classes=None if classes is None else classes.tolist(),
        losses=evaluation.losses.astype(np.float64).round(6).tolist(),
        roc_auc=area,
        groups=groups,
    )
