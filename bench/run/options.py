"""The options of a study: what `plan` and `run` take, and what Python code passes to `open_study`.

Each field's annotation is the command line's help, so an option is described once. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from gptcore.data.options import ReadOptions

Matrix = Annotated[str, Option(help="full, quick, or the path of a TOML file of your own")]
Models = Annotated[
    str,
    Option(
        help="gpt2, bundled, one model's name, a checkpoint folder or a hub id; "
        "auto: gpt2 with a CUDA GPU and weights at hand, else bundled"
    ),
]
Only = Annotated[
    list[str],
    Option(help="run only these rows, the baseline and what they are compared with; commas or repeats"),
]
Skip = Annotated[list[str], Option(help="leave these rows out; commas or repeats")]
Device = Annotated[Literal["auto", "cpu", "cuda"], Option(help="auto: a CUDA GPU where there is one")]


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which data is read, and how: what every command that takes data takes."""

    data: Annotated[
        str, Option(help="a data set's name (see `list`), or a CSV, TSV, JSON or Parquet file")
    ] = "sms-spam"
    data_path: Annotated[
        Path | None, Option(help="your own copy of a data set with a name: its folder, archive or file")
    ] = None
    limit: Annotated[
        int | None,
        Option(min=1, help="a first look: so many training texts, and the same share of the other parts"),
    ] = None
    text_column: Annotated[
        str | None,
        Option(help="column of the texts, where its name is not obvious; title,body joins several"),
    ] = None
    label_column: Annotated[
        str | None, Option(help="column of the labels, where its name is not obvious")
    ] = None
    label_names: Annotated[
        str | None, Option(help="names of the classes: a,b,c for labels 0,1,2, or 0=a,1=b")
    ] = None
    encoding: Annotated[str | None, Option(help="of the file, such as latin-1; by default UTF-8")] = None
    separator: Annotated[
        str | None, Option(help="between columns: one character, or tab; by default as the suffix says")
    ] = None
    no_header: Annotated[
        bool, Option("--no-header", help="the first line is a row; columns are numbered from 1")
    ] = False
    split_column: Annotated[
        str | None, Option(help="column that says train, validation or test for each row")
    ] = None
    validation: Annotated[Path | None, Option(help="file with the validation rows; needs --test too")] = None
    test: Annotated[Path | None, Option(help="file with the test rows; --data then has none")] = None

    def reading(self) -> ReadOptions:
        """How the file is to be read. Raises UserError for a value that cannot be."""
        return ReadOptions(
            text_column=self.text_column,
            label_column=self.label_column,
            label_names=self.label_names,
            encoding=self.encoding,
            separator=self.separator,
            header=not self.no_header,
            split_column=self.split_column,
            validation=self.validation,
            test=self.test,
            data_path=self.data_path,
            limit=self.limit,
        )


@dataclass(frozen=True, kw_only=True)
class RunOptions(DataOptions):
    """Which rows of which matrix run, on which models and data, with which seeds, and how."""

    matrix: Matrix = "full"
    models: Models = "auto"
    only: Only = field(default_factory=list)
    skip: Skip = field(default_factory=list)
    seeds: Annotated[int, Option(min=1, max=1000, help="runs per row, paired by seed")] = 3
    vary: Annotated[
        list[str],
        Option(
            help="what differs between seeds, together. Repeated, one series of seeds for each, which splits "
            "the variance of the accuracy between them"
        ),
    ] = field(default_factory=lambda: ["init,order,split"])
    splits: Annotated[
        Literal["random", "kfold"],
        Option(
            help="kfold: five seeds in a row test every text once; random: each seed draws its own test part"
        ),
    ] = "random"
    changes: Annotated[
        list[str], Option("--set", help="change the baseline: FIELD=VALUE, such as lr=1e-4; repeats")
    ] = field(default_factory=list)
    engine: Annotated[
        Literal["fast", "plain"],
        Option(help="fast: skip what cannot change the answer; plain: skip nothing"),
    ] = "fast"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Option(help="of matrix products (plain: always float32); auto: bfloat16 if 1.3 times faster here"),
    ] = "auto"
    out: Annotated[
        Path | None, Option(help="folder of the study; by default results/ and what is run on what")
    ] = None
    device: Device = "auto"
    retry_failed: Annotated[bool, Option("--retry-failed", help="re-run failed runs")] = False


@dataclass(frozen=True, kw_only=True)
class SpeedOptions(DataOptions):
    """What `speed` times, and where its page goes."""

    models: Annotated[str, Option(help="gpt2 (its 124M), bundled (micro), or one model's name")] = "gpt2"
    only: Only = field(default_factory=list)
    skip: Skip = field(default_factory=list)
    pairs: Annotated[
        int,
        Option(
            min=0,
            max=100,
            help="timings of each engine, in turn; 0: none, only add rows done --whole to the page that is there",
        ),
    ] = 3
    whole: Annotated[
        list[str], Option(help="rows that are also run whole, once with each engine; pages keep them")
    ] = field(default_factory=list)
    out: Annotated[Path, Option(help="folder of the page, its plot and its record")] = Path("results/speed")
    device: Device = "auto"
