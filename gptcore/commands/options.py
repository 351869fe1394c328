"""How commands take their options: a dataclass parameter stands for one option per field. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from typer import Option

from gptcore.data.options import ReadOptions

Device = Annotated[Literal["auto", "cpu", "cuda"], Option(help="auto: a CUDA GPU if there is one")]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How to read a file of labelled texts. Each field's annotation is its help text."""

    text_column: Annotated[
        str | None,
        Option(help="column with the texts, if its name is not recognised; title,body joins several"),
    ] = None
    label_column: Annotated[
        str | None, Option(help="column with the labels, if its name is not recognised")
    ] = None
    label_names: Annotated[str | None, Option(help="class names: a,b,c for labels 0,1,2, or 0=a,1=b")] = None
    encoding: Annotated[str | None, Option(help="file encoding, such as latin-1; default: UTF-8")] = None
    separator: Annotated[
        str | None, Option(help="column separator: one character, or tab; default: by file suffix")
    ] = None
    no_header: Annotated[
        bool, Option("--no-header", help="the first line is data, not a header; columns are numbered from 1")
    ] = False
    split_column: Annotated[str | None, Option(help="column with train, validation or test for each row")] = (
        None
    )
    group_column: Annotated[
        str | None, Option(help="column such as user or thread: rows of one value stay in one part")
    ] = None
    validation: Annotated[Path | None, Option(help="file with the validation rows; needs --test")] = None
    test: Annotated[Path | None, Option(help="file with the test rows; the data file then contains none")] = (
        None
    )
    data_path: Annotated[
        Path | None, Option(help="your own copy of a data set with a name: its folder, archive or file")
    ] = None

    def reading(self) -> ReadOptions:
        """How to read the file. Raises UserError for an invalid value."""
        return ReadOptions(
            text_column=self.text_column,
            label_column=self.label_column,
            label_names=self.label_names,
            encoding=self.encoding,
            separator=self.separator,
            header=not self.no_header,
            split_column=self.split_column,
            group_column=self.group_column,
            validation=self.validation,
            test=self.test,
            data_path=self.data_path,
        )

    def arguments(self) -> list[str]:
        """The words of a command line that say the same; options with their default are left out."""
        words: list[str] = []
        for field in fields(FileOptions):
            value = getattr(self, field.name)
            option = f"--{field.name.replace('_', '-')}"
            if value is True:
                words.append(option)
            elif value != field.default:
                text = str(value)
                words += [f"{option}={text}"] if text.startswith("-") else [option, text]
        return words


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer can read it: every dataclass among its parameters is replaced by its fields.

    `def plan(options: RunOptions)` takes `--matrix`, `--models` and so on, with the help, types and defaults of
    the fields of RunOptions, and is called with one RunOptions. Two fields may not have the same name.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)}
    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name in groups:
            kinds = get_type_hints(groups[name], include_extras=True)
            parameters += [_parameter(field, kinds[field.name]) for field in fields(groups[name])]
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY))

    @wraps(command)
    def call(**given: Any) -> None:
        built = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**built, **given)

    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del call.__wrapped__  # or its own signature would be read instead
    return call


def _parameter(field: Field[Any], kind: Any) -> Parameter:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    empty = Parameter.empty if default is MISSING else default
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=empty, annotation=kind)
