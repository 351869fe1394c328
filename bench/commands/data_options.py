"""The options that say how a user's data is read: declared once, the same for every command that takes data."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from gptcore.data.options import ReadOptions


def _options(
    text_column: Annotated[
        str | None,
        typer.Option(help="column of the texts, where its name is not obvious; title,body joins several"),
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="column of the labels, where its name is not obvious")
    ] = None,
    label_names: Annotated[
        str | None, typer.Option(help="names of the classes: a,b,c for labels 0,1,2, or 0=a,1=b")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="of the file, such as latin-1; default UTF-8")] = None,
    separator: Annotated[
        str | None, typer.Option(help="between columns: one character, or tab; by default as the suffix says")
    ] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="the first line is a row; columns are numbered from 1")
    ] = False,
    split_column: Annotated[
        str | None, typer.Option(help="column that says train, validation or test for each row")
    ] = None,
    validation: Annotated[Path | None, typer.Option(help="file with the validation rows")] = None,
    test: Annotated[
        Path | None, typer.Option(help="file with the test rows; then --data has no test part")
    ] = None,
) -> ReadOptions:
    return ReadOptions(
        text_column=text_column,
        label_column=label_column,
        encoding=encoding,
        separator=separator,
        header=not no_header,
        split_column=split_column,
        label_names=label_names,
        validation=validation,
        test=test,
    )


def reads_data(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options in place of its parameter `reading`, which gets them as ReadOptions."""
    declared = inspect.signature(_options, eval_str=True).parameters
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        parameters += declared.values() if name == "reading" else [parameter]

    @wraps(command)
    def with_options(**arguments: Any) -> None:
        reading = _options(**{name: arguments.pop(name) for name in declared})
        command(reading=reading, **arguments)

    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options
