"""The product's command line: what works without a study."""

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
    folder: Path = typer.Argument(help="Where `TextClassifier.save` wrote the classifier."),
    texts: list[str] = typer.Argument(
        None, help="Texts to classify; without any, the lines of standard input."
    ),
) -> None:
    """Print the label of each text and its probability, one text per line."""
    from gptcore.classifier import TextClassifier

    classifier = TextClassifier.load(folder)
    asked = texts or sys.stdin.read().splitlines()
    for row in classifier.predict_proba(asked):
        typer.echo(f"{classifier.labels[row.argmax()]}\t{row.max():.4f}")


def main() -> None:
    """Run the command line: bad input is one line and exit code 2."""
    try:
        app()
    except UserError as error:
        message = "".join(c if c.isprintable() else " " for c in str(error))
        typer.secho(f"error: {message}", fg="red", err=True)
        sys.exit(2)
