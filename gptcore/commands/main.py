"""Runs a command line: what is wrong with it is one line, and exit code 2."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperCommand

from gptcore.errors import UserError, allowed
from gptcore.wording import one_line

if TYPE_CHECKING:
    from typer import Typer

# They say what is about to be downloaded, which may take minutes.
DOWNLOADERS = ("gptcore.data.assets", "gptcore.backbones.convert.fetch")
UsageError: Any = typer.BadParameter.__base__  # of typer itself, or of the click that older versions stand on


class Command(TyperCommand):
    """A command that refuses an empty word for an option or a path, which Python would read as the current folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raises UserError for an empty word, and what typer raises for other words."""
        asked, *_ = self.make_parser(ctx).parse_args(list(args))
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            words, values = (_as_list(found.get(parameter.name)) for found in (asked, ctx.params))
            for word, value in zip(words, values, strict=False):
                if word == "" and isinstance(value, Path):
                    raise UserError(f"{parameter.opts[0]} '': name a path; the current folder is .")
                if word == "" and parameter.param_type_name == "option":
                    raise UserError(f"{parameter.opts[0]} '': give a value, or leave the option out")
        return rest


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def run_app(app: Typer) -> NoReturn:
    """Run it and exit: with code 2 after bad input, with that of `typer.Exit`, else with 0."""
    _announce_downloads()
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        _refuse(str(error))
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # no arguments at all: the help is what to show
            error.show()
            sys.exit(2)
        _refuse(usage_problem(error))
    except typer.Abort:
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


class _Announcement(logging.Handler):
    """Prints to what standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.secho(one_line(record.getMessage()), dim=True, err=True)


def _announce_downloads() -> None:
    for logger in map(logging.getLogger, DOWNLOADERS):
        logger.setLevel(logging.INFO)
        if not any(isinstance(handler, _Announcement) for handler in logger.handlers):
            logger.addHandler(_Announcement())


def usage_problem(error: Any) -> str:
    """A wrong option or argument as one line: its name, the value, what is allowed, and where to read more."""
    problems = getattr(error.__cause__, "errors", None)
    hint = "" if error.ctx is None else f": see {error.ctx.command_path} --help"
    if problems is None or getattr(error, "param", None) is None:
        return f"{error.format_message().removesuffix('.')}{hint}"
    found = problems()
    value, name = found[0]["input"], error.param.get_error_hint().strip("'")
    what = allowed(found).replace(f"{value!r} is not one of", "use one of").removesuffix(".")
    return f"{name} {value}: {what}{hint}"


def _refuse(message: str) -> NoReturn:
    # Names and values from files may contain terminal control sequences.
    typer.secho(f"error: {one_line(message).strip()}", fg="red", err=True)
    sys.exit(2)
