"""What rows are judged by: accuracy, or a metric that every test text contributes a value to.

Scores rise with quality (of log-loss the negative), so that one machinery serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple

import numpy as np

from bench.evidence.clusters import Clusters, independent_texts
from bench.evidence.jackknife import balanced_accuracy_values, macro_f1_values
from bench.evidence.scale import LOG_OF_LOSS, LOGIT, Scale
from bench.records.groups import MIN_GROUPS
from bench.records.record import Predictions, Record
from gptcore.metric_names import MetricName

ROUNDED = 5e-4  # nats that the log-loss from rounded probabilities may be off, in records without losses


class Answers(NamedTuple):
    """What a run made of its test texts. values: (n,), whose mean is the score; size: texts that it counts as.

    A metric that weighs classes alike moves more with each text of a small class, so that it is as uncertain as a
    mean over fewer texts: the number of classes times the texts of the smallest. Where errors gather in groups of
    texts, it is fewer again, by the design effect of the errors; and a class that stands in few groups counts as no
    more texts than groups.
    """

    values: np.ndarray
    size: float


@dataclass(frozen=True)
class Metric:
    """One metric. title: in words; unit: of differences; margins: from which a default is chosen.

    constant: score of who does not look at the text, from the shares of the classes (n_classes,).
    """

    name: MetricName
    title: str
    unit: Literal["points", "nats"]
    scale: Scale
    margins: tuple[float, ...]
    answers: Callable[[Predictions, float | None], Answers | None]
    constant: Callable[[np.ndarray], float]
    weighs_classes: bool = False

    def answers_of(self, record: Record) -> Answers | None:
        """Of a finished run; None where its record does not hold what the metric needs."""
        if record.test is None:
            return None
        return self.answers(record.test, record.metrics.test.log_loss if record.metrics else None)

    def score(self, record: Record) -> float | None:
        """Of a finished run, the higher the better."""
        found = self.answers_of(record)
        return None if found is None else float(found.values.mean())

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which every score lies."""
        return (0.0, 1.0) if self.unit == "points" else (-inf, 0.0)

    def margin(self, shown: float | None) -> float | None:
        """A margin as options say it, in points or nats, as a difference of scores."""
        return shown if shown is None or self.unit == "nats" else shown / 100

    def shown(self, margin: float) -> float:
        """A margin as options say it."""
        return margin if self.unit == "nats" else 100 * margin


def _accuracy(test: Predictions, log_loss: float | None) -> Answers:  # noqa: ARG001 (as all metrics)
    return _answers(test, np.equal(test.labels, test.predicted).astype(np.int64), len(test.labels))


def _macro_f1(test: Predictions, log_loss: float | None) -> Answers:  # noqa: ARG001
    labels, predicted = np.array(test.labels), np.array(test.predicted)
    return _over_classes(test, macro_f1_values(labels, predicted, groups_of(test)))


def _balanced_accuracy(test: Predictions, log_loss: float | None) -> Answers:  # noqa: ARG001
    labels, predicted = np.array(test.labels), np.array(test.predicted)
    return _over_classes(test, balanced_accuracy_values(labels, predicted, groups_of(test)))


def _log_loss(test: Predictions, log_loss: float | None) -> Answers | None:
    """From the stored losses, or from rounded probabilities where these give the run's own log-loss."""
    if test.losses is not None:
        return _answers(test, -np.array(test.losses), len(test.losses))
    if log_loss is None or test.classes is not None:
        return None
    chosen = np.array(test.probabilities)[np.arange(len(test.labels)), test.labels]
    if (chosen <= 0).any():
        return None
    values = np.log(chosen)
    return _answers(test, values, len(values)) if abs(values.mean() + log_loss) <= ROUNDED else None


def run_score(record: Record, metric: Metric) -> float | None:
    """Of a run on its own test part, None where it is not known; accuracy also of a record without predictions."""
    if metric is ACCURACY:
        return record.metrics.test.accuracy if record.metrics else None
    return metric.score(record)


def groups_of(test: Predictions) -> np.ndarray | None:
    """(n,) number of the group of each text; None without groups."""
    return None if test.groups is None else np.array(test.groups)


def _answers(test: Predictions, values: np.ndarray, size: float) -> Answers:
    if (groups := groups_of(test)) is None:
        return Answers(values, size)
    right = np.equal(test.labels, test.predicted)
    return Answers(values, max(1.0, size * independent_texts(right, groups) / len(right)))


def _over_classes(test: Predictions, values: np.ndarray) -> Answers:
    """Of a metric that weighs classes alike."""
    labels, groups = np.array(test.labels), groups_of(test)
    found = _answers(test, values, size_of(np.bincount(labels)))
    if groups is None:
        return found
    classes = np.unique(labels)
    of_class = [Clusters.of([groups[labels == one]]) for one in classes]
    few = [one.counts_as for one in of_class if one.n_groups < MIN_GROUPS]
    return Answers(values, min([found.size, *(len(classes) * one for one in few)]))


def size_of(counts: np.ndarray) -> float:
    """Texts that a metric with equal weights of the classes counts as. counts: (n_classes,) test texts of each."""
    present = counts[counts > 0]
    return float(len(present) * present.min())


_MARGINS = (0.01, 0.02, 0.05)
ACCURACY = Metric(
    "accuracy", "accuracy", "points", LOGIT, _MARGINS, _accuracy, lambda shares: float(shares.max())
)
METRICS: dict[MetricName, Metric] = {
    metric.name: metric
    for metric in (
        ACCURACY,
        Metric(
            "macro-f1",
            "macro-F1",
            "points",
            LOGIT,
            _MARGINS,
            _macro_f1,
            lambda shares: float(2 * shares.max() / (1 + shares.max()) / len(shares)),
            weighs_classes=True,
        ),
        Metric(
            "balanced-accuracy",
            "balanced accuracy",
            "points",
            LOGIT,
            _MARGINS,
            _balanced_accuracy,
            lambda shares: 1 / len(shares),
            weighs_classes=True,
        ),
        Metric(
            "log-loss",
            "log-loss",
            "nats",
            LOG_OF_LOSS,
            (0.02,),
            _log_loss,
            lambda shares: float(shares @ np.log(shares)),
        ),
    )
}
