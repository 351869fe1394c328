"""The command line of `gptcore`: use a saved classifier, no study needed."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from gptcore.errors import UserError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Use a fine-tuned text classifier.",
)


@app.callback()
def _commands() -> None:
    """Use a fine-tuned text classifier."""


@app.command(epilog='Example: python -m gptcore predict my-classifier "win a free prize"')
def predict(
    folder: Path = typer.Argument(help="folder written by `TextClassifier.save`"),
    texts: list[str] = typer.Argument(None, help="texts to classify; default: the lines of standard input"),
) -> None:
    """Print the label of each text and its probability, one text per line."""
    from gptcore.classifier import TextClassifier

    classifier = TextClassifier.load(folder)
    asked = texts or sys.stdin.read().splitlines()
    for row in classifier.predict_proba(asked):
        typer.echo(f"{classifier.labels[row.argmax()]}\t{row.max():.4f}")


def main() -> None:
    """Run the command line. Bad input prints one line and exits with code 2."""
    try:
        app()
    except UserError as error:
        message = "".join(c if c.isprintable() else " " for c in str(error))
        typer.secho(f"error: {message}", fg="red", err=True)
        sys.exit(2)
