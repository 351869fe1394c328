"""`python -m bench pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, echo


def pack(
    folders: Annotated[list[Path], Argument(help="study folders, each with a study.json")],
) -> None:
    """Put the records of finished studies into one compressed file each, for a repository or an archive.

    Values are kept to the last digit, and every command reads a packed study as before; one that is run again
    writes its new records beside the packed ones.
    """
    from bench.records.pack import pack as pack_study
    from bench.records.store import load_study

    for folder in folders:
        load_study(folder)  # said before anything is packed
    for folder in folders:
        done = pack_study(folder)
        echo(
            f"{folder}: {done.n_records:,} records, {done.bytes_before / 1e3:,.0f} kB of files packed; "
            f"runs.jsonl.xz has {done.bytes_after / 1e3:,.0f} kB"
        )
