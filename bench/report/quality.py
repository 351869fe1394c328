"""More than accuracy, as Markdown: metrics of the test predictions, and what other padding does to them."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from bench.evidence.metrics import PredictionMetrics
from bench.evidence.results import Results
from bench.report.describe import other_paddings
from bench.report.tables import titled
from bench.report.text import MISSING, escape, percent

_MAX_CLASSES = 4  # a larger confusion matrix is a plot's job
_METRICS = """\
Means over the seeds, from the stored test predictions, computed by scikit-learn. *Macro-F1* and *balanced accuracy* \
count every class alike. *ROC-AUC* asks whether the probabilities rank the classes rightly (more than two classes: the \
mean of each against the rest); *log-loss* and *calibration error* whether they mean what they say (expected \
calibration error, Guo et al. 2017, ten bins: how far on average confidence and accuracy lie apart)."""
_CONFUSION = " *Confused* counts, over all seeds, each true class and what it was taken for."
_PADDING = """\
The trained classifier on the same test texts, padded in another way than it was trained with. *Flipped* is the share \
of test predictions that change; a classifier that does not see the padding has none. *Longer*: twice as long, up to \
the model's context; texts stay cut as they were."""


def metrics_section(results: Results) -> str:
    """A line of metrics a row; empty where no run left its predictions."""
    found = [(result, result.prediction_metrics) for result in results.finished]
    n_classes = len(results.study.dataset.label_names)
    shows_confusion = n_classes <= _MAX_CLASSES
    rows = [
        [
            escape(result.name),
            percent(fmean(m.macro_f1 for m in metrics)),
            percent(fmean(m.balanced_accuracy for m in metrics)),
            _mean((m.roc_auc for m in metrics), 4),
            _mean((m.log_loss for m in metrics), 3),
            percent(fmean(m.calibration_error for m in metrics)),
            *([_confused(metrics, results.study.dataset.label_names)] if shows_confusion else []),
        ]
        for result, metrics in found
        if metrics
    ]
    if not rows:
        return ""
    headers = ["Row", "Macro-F1, %", "Balanced accuracy, %", "ROC-AUC", "Log-loss, nats"]
    headers += ["Calibration error, %", *(["Confused"] if shows_confusion else [])]
    table = titled(results, "More than accuracy", headers, rows, "lrrrrr" + "l" * shows_confusion)
    return "\n\n".join([table, _METRICS + (_CONFUSION if shows_confusion else "")])


def padding_section(results: Results) -> str:
    """What other padding does to trained classifiers; empty where no run was asked that."""
    n = results.study.dataset.n_test
    rows = [
        [
            escape(name),
            way,
            percent(fmean(check.accuracy for check in checks)),
            percent(results.row(name).accuracy()),
            percent(fmean(check.n_flipped / n for check in checks)),
        ]
        for name, ways in other_paddings(results).items()
        for way, checks in ways.items()
    ]
    if not rows:
        return ""
    headers = ["Row", "Padded", "Test accuracy, %", "With its own padding, %", "Flipped, %"]
    return "\n\n".join([titled(results, "Other padding", headers, rows, "llrrr"), _PADDING])


def _mean(values: Iterable[float | None], digits: int) -> str:
    """The mean, where every run has one."""
    known = list(values)
    numbers = [value for value in known if value is not None]
    return f"{fmean(numbers):.{digits}f}" if len(numbers) == len(known) else MISSING


def _confused(metrics: list[PredictionMetrics], names: tuple[str, ...]) -> str:
    """Every kind of mistake with its count: ham as spam 12 of 423, ..."""
    mistakes = []
    for truth, name in enumerate(names):
        n = sum(sum(m.confusion[truth]) for m in metrics)
        for guess, other in enumerate(names):
            if guess != truth:
                count = sum(m.confusion[truth][guess] for m in metrics)
                mistakes.append(f"{escape(name)} as {escape(other)} {count} of {n}")
    return "; ".join(mistakes)
