"""`python -m gptcore explain`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, echo, style

from gptcore.commands.options import Device
from gptcore.commands.predict import load_classifier
from gptcore.wording import one_line

if TYPE_CHECKING:
    from gptcore.explain import Explanation, Word

N_SHOWN = 10
FAINT = 0.1  # of the largest weight, below which a word is not coloured


def explain(
    folder: Annotated[
        Path, Argument(help="folder of a classifier, written by `fit` or `TextClassifier.save`")
    ],
    text: Annotated[str | None, Argument(help="the text; default: all of standard input")] = None,
    as_json: Annotated[bool, Option("--json", help="every word and its weight, as one line of JSON")] = False,
    device: Device = "auto",
) -> None:
    """Show which words moved the answer to a text.

    A weight is in logits of the answer against the most probable other label: above 0 it speaks for the answer. With
    TF-IDF it is the word's exact part of the sum, otherwise what is lost if the word is left out.
    """
    given = sys.stdin.read() if text is None else text
    found = load_classifier(folder, device).explain(given)
    if as_json:
        echo(found.as_json())
        return
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for line in lines(found, colours):
        echo(line)


def lines(found: Explanation, colours: bool) -> list[str]:
    """The answer, the text in colours where there are some, and the words that moved it most."""
    told = [f"{one_line(found.label)} {found.probability:.4f}, against {one_line(found.against)}"]
    largest = max((abs(word.weight) for word in found.words), default=0.0)
    if colours and largest:
        told += ["", _coloured(found, largest)]
    moved = sorted(found.words, key=lambda word: -abs(word.weight))
    told += [
        "",
        *(f"{word.weight:+8.3f}  {_coloured_word(word, largest, colours)}" for word in moved[:N_SHOWN]),
    ]
    if len(moved) > N_SHOWN:
        told.append(f"          and {len(moved) - N_SHOWN:,} more (--json has all)")
    if found.base is not None:
        told.append(f"{found.base:+8.3f}  without any word")
        told.append(f"{found.margin:+8.3f}  the sum: the logit of the answer less that of the other")
    if found.words_at_a_time > 1:
        told.append(f"the text is long: {found.words_at_a_time} words were left out at a time")
    return told


def _coloured(found: Explanation, largest: float) -> str:
    shown, at = [], 0
    for word in found.words:
        shown += [one_line(found.text[at : word.begin]), _coloured_word(word, largest, True)]
        at = word.end
    return "".join([*shown, one_line(found.text[at:])])


def _coloured_word(word: Word, largest: float, colours: bool) -> str:
    text = one_line(word.text)
    if not colours or abs(word.weight) < FAINT * largest:
        return text
    return style(text, fg="green" if word.weight > 0 else "red", bold=abs(word.weight) >= largest / 2)
