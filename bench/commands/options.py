"""Options that several commands of `bench` share."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from gptcore.metric_names import MetricName

Metric = Annotated[
    MetricName | None,
    Option(
        help="judge rows by this metric; default: the one that the study was planned for, accuracy if none was"
    ),
]
Margin = Annotated[
    float | None,
    Option(
        min=0.001,
        max=50,
        help="margin in points (log-loss: nats): a difference shown to be smaller counts as no difference. Default: "
        "the smallest of 1, 2 and 5 points that this design can resolve with ten seeds; log-loss: 0.02. `run` fixes it "
        "before the first run",
    ),
]
