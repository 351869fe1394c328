"""One study for each of several data sets: `run --data a,b,c`."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from bench.records.store import RESULTS
from bench.run.options import LookOptions, RunOptions
from bench.run.study_run import ONE_LOOK
from gptcore.errors import UserError
from gptcore.paths import path_kind

# What describes one file: no other data set is read by it.
_OF_ONE = (
    *("data_path", "text_column", "label_column", "label_names", "encoding", "separator"),
    *("no_header", "split_column", "group_column", "validation", "test"),
)


def named_data(text: str) -> list[str]:
    """From "a,b,c" to its data sets; a file whose name has a comma is one. Raises UserError for a name given twice."""
    if path_kind(Path(text)) == "file":
        return [text]
    names = [name.strip() for name in text.split(",")]
    if len(names) > 1 and not all(names):
        raise UserError(f"--data {text}: a name is missing beside a comma: write a,b,c")
    if len({folder_name(name) for name in names}) < len(names):
        raise UserError(f"--data {text}: two of these are called the same: name each data set once")
    return names


def folder_name(data: str) -> str:
    """Where a data set's study lies, in the folder of all."""
    return Path(data).stem.replace(":", "-")


def each_data(options: RunOptions, judged: LookOptions = ONE_LOOK) -> tuple[list[RunOptions], Path | None]:
    """The options for each data set, and the folder of all where there are several. Raises UserError."""
    names = named_data(options.data)
    if len(names) == 1:
        return [options], None
    if judged.until_decided:
        raise UserError(
            "--until-decided takes one data set: rows would stop at other seeds on each, which biases what holds "
            "overall: name one with --data, or leave --until-decided out"
        )
    defaults = {field.name: field.default for field in fields(options)}
    for name in _OF_ONE:
        if getattr(options, name) != defaults[name]:
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{option} describes one data set, and --data names {len(names)}: leave it out")
    whole = options.out or RESULTS / "-".join(folder_name(name) for name in names)
    return [replace(options, data=name, out=whole / folder_name(name)) for name in names], whole
