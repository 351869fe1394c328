"""A dataclass as the options of a command."""

from dataclasses import dataclass, field
from typing import Annotated

import pytest
from typer import Option, Typer
from typer.testing import CliRunner

from gptcore.commands.options import with_options


@dataclass(frozen=True, kw_only=True)
class Choices:
    n: Annotated[int, Option(min=1, help="how many")] = 3
    names: list[str] = field(default_factory=lambda: ["a"])


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], (Choices(), False)),
        (["--n", "5", "--names", "x", "--names", "y", "--loud"], (Choices(n=5, names=["x", "y"]), True)),
    ],
)
def test_every_field_is_an_option_with_its_default(arguments: list[str], found: tuple[Choices, bool]) -> None:
    called: list[tuple[Choices, bool]] = []
    app = Typer(add_completion=False)

    @app.command()
    @with_options
    def command(choices: Choices, loud: bool = False) -> None:
        called.append((choices, loud))

    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    assert called == [found]


def test_limits_and_help_of_a_field_hold() -> None:
    app = Typer(add_completion=False)

    @app.command()
    @with_options
    def command(choices: Choices) -> None:
        raise AssertionError(f"not to be called, with {choices}")

    assert CliRunner().invoke(app, ["--n", "0"]).exit_code == 2
    assert "how many" in CliRunner().invoke(app, ["--help"]).output
