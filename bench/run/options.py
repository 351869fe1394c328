"""The options of a study, for `plan`, `run` and `open_study`.

Each field's annotation is its help text, so an option is described once. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from gptcore.commands.options import FileOptions
from gptcore.data.options import ReadOptions
from gptcore.metric_names import MetricName

Matrix = Annotated[
    str, Option(help="full, quick or another name (see `list`), or the path of your own TOML file")
]
Models = Annotated[
    str,
    Option(
        help="gpt2, bundled, one model's name (see `list`), a checkpoint folder or a hub id, with @REVISION; "
        "several, a,b,c: one study with each row on each of them; "
        "auto: gpt2 if there is a CUDA GPU and the weights are available, else bundled"
    ),
]
Only = Annotated[
    list[str],
    Option(help="run only these rows, the baseline and their reference rows; comma-separated or repeated"),
]
Skip = Annotated[list[str], Option(help="leave out these rows; comma-separated or repeated")]
Device = Annotated[Literal["auto", "cpu", "cuda"], Option(help="auto: a CUDA GPU if there is one")]


def split_names(values: Collection[str]) -> list[str]:
    """The names in values of a repeatable, comma-separated option: from ["a,b", "c"] to ["a", "b", "c"]."""
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


@dataclass(frozen=True, kw_only=True)
class DataOptions(FileOptions):
    """Which data to read, and how: shared by all commands that take data."""

    data: Annotated[
        str,
        Option(
            help="a data set's name (see `list`), or a CSV, TSV, JSON or Parquet file; plan and run take several: a,b,c"
        ),
    ] = "sms-spam"
    limit: Annotated[
        int | None,
        Option(min=1, help="a first look: so many training texts, and the same share of the other parts"),
    ] = None

    def reading(self) -> ReadOptions:
        """How to read the data. Raises UserError for an invalid value."""
        return replace(super().reading(), limit=self.limit)


@dataclass(frozen=True, kw_only=True)
class RunOptions(DataOptions):
    """Which rows of which matrix run, on which models and data, with which seeds, and how."""

    matrix: Matrix = "full"
    models: Models = "auto"
    only: Only = field(default_factory=list)
    skip: Skip = field(default_factory=list)
    seeds: Annotated[int | None, Option(min=1, max=1000, help="runs per row, paired by seed; default: 3")] = (
        None
    )
    vary: Annotated[
        list[str],
        Option(
            help="what differs between seeds, such as init,order. Repeat the option for one series of seeds each, "
            "which splits the variance of the accuracy between them"
        ),
    ] = field(default_factory=lambda: ["init,order,split"])
    metric: Annotated[
        MetricName | None,
        Option(
            help="judge rows by this metric, also with --until-decided; fixed before the first run; default: accuracy"
        ),
    ] = None
    splits: Annotated[
        Literal["random", "kfold"],
        Option(
            help="kfold: five seeds in a row test every text once; random: each seed draws its own test part"
        ),
    ] = "random"
    changes: Annotated[
        list[str], Option("--set", help="change the baseline: FIELD=VALUE, such as lr=1e-4; repeatable")
    ] = field(default_factory=list)
    engine: Annotated[
        Literal["fast", "plain"],
        Option(help="fast: skip work that cannot change the answer; plain: skip nothing"),
    ] = "fast"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Option(
            help="precision of matrix products (plain: always float32); auto: bfloat16 if 1.3 times faster here"
        ),
    ] = "auto"
    out: Annotated[
        Path | None, Option(help="study folder; default: in results/, named after models, matrix and data")
    ] = None
    device: Device = "auto"
    tune: Annotated[
        Literal["on", "off"],
        Option(
            help="off: the values as the matrix has them, where its [tune] would choose them for each row"
        ),
    ] = "on"
    jobs: Annotated[
        str,
        Option(
            help="runs at a time on this machine, which share its cores: a number; auto: 1 or one per core, whichever "
            "a few real steps show to be faster and memory allows; on GPUs one each"
        ),
    ] = "1"
    accept_licence: Annotated[
        list[str],
        Option(help="accept the terms of a model, such as gemma, once they are read; remembered; repeatable"),
    ] = field(default_factory=list)
    retry_failed: Annotated[bool, Option("--retry-failed", help="re-run failed runs")] = False


@dataclass(frozen=True, kw_only=True)
class WhereOptions:
    """Where runs are done."""

    executor: Annotated[
        Literal["local", "ray", "slurm"],
        Option(
            help="local: processes on this machine, see --jobs; ray: tasks of a Ray cluster; slurm: job arrays, with "
            "the study's folder on a shared file system"
        ),
    ] = "local"
    nproc: Annotated[
        int,
        Option(
            min=1,
            max=1024,
            help="divide the model of a run among so many processes of this machine, on GPUs one each: for models that "
            "do not fit one GPU",
        ),
    ] = 1
    address: Annotated[
        str | None,
        Option(help="with --executor ray: HOST:PORT of a cluster, or auto; default: this machine alone"),
    ] = None
    slurm: Annotated[
        list[str],
        Option(
            help="with --executor slurm: what jobs ask for, KEY=VALUE: timeout_min=MINUTES, and others such as "
            "partition=gpu, gpus_per_node=1 or cpus_per_task=4; repeatable"
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class LookOptions:
    """When rows are judged, and when a study stops."""

    until_decided: Annotated[
        bool,
        Option(
            "--until-decided", help="give each row seeds until it is decided, in the order that decides most"
        ),
    ] = False
    budget: Annotated[
        str | None,
        Option(
            help="with --until-decided: stop after so much recorded time of its runs, failed tries included, such as "
            "90s, 30m or 2h; the command itself takes longer"
        ),
    ] = None
    looks: Annotated[
        str | None,
        Option(help="with --until-decided: numbers of seeds at which rows are judged; default: 5,10,20,40"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class SpeedOptions(DataOptions):
    """Which rows `speed` times, and where its page goes."""

    models: Annotated[str, Option(help="gpt2 (its 124M), bundled (micro), or one model's name")] = "gpt2"
    against: Annotated[
        Literal["auto", "plain", "transformers"],
        Option(
            help="what the fast engine is compared with: the plain engine, or a loop of transformers (for models that "
            "transformers runs, where auto takes it): last-block, all-layers and lora"
        ),
    ] = "auto"
    only: Only = field(default_factory=list)
    skip: Skip = field(default_factory=list)
    pairs: Annotated[
        int,
        Option(
            min=0,
            max=100,
            help="timings of each engine, taken in turn; 0: none, only add --whole rows to the existing page",
        ),
    ] = 3
    whole: Annotated[
        list[str],
        Option(help="rows to also time end to end, once with each engine; kept when the page is rewritten"),
    ] = field(default_factory=list)
    out: Annotated[Path, Option(help="folder for the page, its plot and its record")] = Path("results/speed")
    device: Device = "auto"
