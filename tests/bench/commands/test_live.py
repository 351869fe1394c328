"""The line of a finished run while a study goes on."""

from collections.abc import Callable

import pytest
from rich.console import Console
from rich.live import Live

from bench.commands.live import StudyProgress
from bench.evidence.metric import METRICS
from bench.records.record import Metrics, Predictions, Record
from bench.study.plan import PlannedRun
from gptcore.metric_names import MetricName
from tests.bench.toys import make_cost, make_split

ALL = make_split(4, 4)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("accuracy", "75.0% test accuracy"),
        ("macro-f1", "73.3% test macro-F1"),
        ("log-loss", "0.300 nats test log-loss"),
    ],
)
def test_a_score_is_that_of_the_studys_metric(
    toy_record: Callable[..., Record], name: MetricName, shown: str
) -> None:
    test = Predictions(
        labels=[0, 0, 1, 1],
        predicted=[0, 0, 0, 1],
        probabilities=[[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.1, 0.9]],
        losses=[0.1, 0.1, 0.9, 0.1],
    )
    record = toy_record(
        test=test,
        metrics=Metrics(train=ALL, validation=ALL, test=make_split(4, 3)),
        cost=make_cost(1.0),
    )
    run = PlannedRun(("mine",), record.recipe, 0, record.seeds, "todo")
    console = Console(record=True, width=120)
    progress = StudyProgress([run], Live(console=console), lambda: None, metric=METRICS[name])
    progress.end(run, record)
    assert f"  {shown}  " in console.export_text()
