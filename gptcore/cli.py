"""The command line of `gptcore`: registers the commands, each a file of `gptcore.commands`."""

from __future__ import annotations

from collections.abc import Callable

import typer

from gptcore.commands.explain import explain
from gptcore.commands.export import export
from gptcore.commands.fit import fit
from gptcore.commands.main import Command, run_app
from gptcore.commands.predict import predict
from gptcore.commands.probe_padding import probe_padding
from gptcore.commands.recipes import recipes
from gptcore.commands.serve import serve

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train a text classifier and use it.",
)


@app.callback()
def _commands() -> None:
    """Train a text classifier and use it."""


EXAMPLES: dict[Callable[..., None], str] = {
    fit: "fit reviews.csv --recipe nano --out my-classifier",
    recipes: "recipes",
    export: "export my-classifier --to hf --out my-classifier-hf",
    predict: 'predict my-classifier "win a free prize"',
    explain: 'explain my-classifier "win a free prize"',
    serve: "serve my-classifier --port 8000",
    probe_padding: "probe-padding my-classifier-hf --texts messages.csv --out padding.md",
}
for command, example in EXAMPLES.items():
    app.command(cls=Command, epilog=f"Example: python -m gptcore {example}")(command)


def main() -> None:
    """Run the command line. Bad input prints one line and exits with code 2."""
    run_app(app)
