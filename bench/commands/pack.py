"""`python -m bench pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, echo


def pack(
    folders: Annotated[list[Path], Argument(help="study folders, or folders of several studies")],
) -> None:
    """Put the records of finished studies into one compressed file each, for a repository or an archive.

    Values are kept to the last digit, and every command reads a packed study as before; a run that is repeated
    writes its new record beside the packed ones. Trials and the folders of `recommend` are packed too.
    """
    from bench.records.pack import folders_with_records
    from bench.records.pack import pack as pack_records

    found = [where for folder in folders for where in folders_with_records(folder)]
    for where in found:
        done = pack_records(where)
        echo(
            f"{where}: {done.n_records:,} records, {done.bytes_before / 1e3:,.0f} kB of files packed; "
            f"runs.jsonl.xz has {done.bytes_after / 1e3:,.0f} kB"
        )
    if not found:
        echo("all records are packed already")
