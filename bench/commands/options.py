"""How commands take their options: a parameter that is a dataclass stands for one option per field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_type_hints

from typer import Option

Margin = Annotated[
    float | None,
    Option(
        min=0.01,
        max=50,
        help="margin in points of accuracy: a difference shown to be smaller counts as no difference. Default: the "
        "smallest of 1, 2 and 5 that this design can resolve with ten seeds",
    ),
]


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
