"""The options of `recommend`. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from typer import Option

from bench.run.options import Device
from gptcore.commands.options import FileOptions
from gptcore.data.options import ReadOptions
from gptcore.metric_names import MetricName


@dataclass(frozen=True, kw_only=True)
class RecommendOptions(FileOptions):
    """What to recommend from, on which data, and how long it may take. Each field's annotation is its help text."""

    budget: Annotated[
        str,
        Option(help="time in all, such as 90s, 10m or 2h; a longer one continues where a shorter one ended"),
    ] = "10m"
    models: Annotated[
        str,
        Option(
            help="the GPT to fine-tune: bundled (micro), gpt2, one model's name (see `list`), a checkpoint folder or a "
            "hub id; auto: gpt2 if there is a CUDA GPU and the weights are available, else bundled"
        ),
    ] = "auto"
    metric: Annotated[
        MetricName | None,
        Option(
            help="decide by this metric; fixed before the first run. By macro-f1 and balanced-accuracy, rows that "
            "weight classes take part where a class is small. Default: accuracy"
        ),
    ] = None
    limit: Annotated[
        int | None,
        Option(min=1, help="a first look: so many training texts, and the same share of the other parts"),
    ] = None
    out: Annotated[
        Path | None, Option(help="folder of the answer; default: results/recommend- and the file's name")
    ] = None
    device: Device = "auto"
    accept_licence: Annotated[
        list[str],
        Option(help="accept the terms of a model, such as gemma, once they are read; remembered; repeatable"),
    ] = field(default_factory=list)

    def reading(self) -> ReadOptions:
        """How to read the data. Raises UserError for an invalid value."""
        return replace(super().reading(), limit=self.limit)
