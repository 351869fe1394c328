"""`python -m gptcore probe-padding`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Exit, Option, echo

from gptcore.commands.progress import show_progress
from gptcore.errors import UserError
from gptcore.wording import one_line, pluralise

SUFFIXES = (".md", ".json")


def probe_padding(
    model: Annotated[
        str, Argument(help="a sequence classifier of transformers: its folder, or owner/name on the hub")
    ],
    texts: Annotated[
        Path | None,
        Option(
            help="texts to answer: a CSV, TSV or JSON Lines file, or any other with a text a line; default: 16 "
            "short English ones"
        ),
    ] = None,
    text_column: Annotated[
        str | None, Option(help="column with the texts, if its name is not recognised")
    ] = None,
    limit: Annotated[int, Option(min=2, help="use the first so many texts")] = 200,
    side: Annotated[
        Literal["both", "right", "left"], Option(help="where to pad: the one that is in use, or both")
    ] = "both",
    out: Annotated[Path | None, Option(help="also write the report to this .md or .json file")] = None,
) -> None:
    """Find out whether a classifier's answers change with padding, and why.

    Each text is answered alone and unpadded, then padded on the right and on the left, beyond the longest text, alone
    and in batches of 8. Exit code 0: no answer changes by more than rounding. 1: some do. 2: bad input.
    """
    from gptcore.extras import require

    if out is not None and out.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out {out}: the suffix must be {' or '.join(SUFFIXES)}")
    require("transformers", "probe-padding", "hf")
    from gptcore.padding.texts import read_texts

    some, n_read = read_texts(texts, text_column, limit)
    from gptcore.files import write_whole
    from gptcore.padding.model import load_probed, token_rows
    from gptcore.padding.probe import probe
    from gptcore.padding.report import SIDES, as_json, as_markdown, as_text

    probed, tokenizer = load_probed(model)
    rows, n_cut = token_rows(probed, tokenizer, some)
    notes = [f"{pluralise(n_cut, 'text is', 'texts are')} cut to {probed.context} tokens"] if n_cut else []
    sides = SIDES if side == "both" else (side,)
    report = probe(probed, rows, sides, n_read=n_read, notes=notes, progress=show_progress)
    for line in as_text(report).split("\n"):
        echo(one_line(line))
    if out is not None:
        write_whole(out, (as_json if out.suffix.lower() == ".json" else as_markdown)(report))
    raise Exit(0 if report.is_clean else 1)
