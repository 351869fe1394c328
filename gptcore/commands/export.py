"""`python -m gptcore export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo

from gptcore.commands.options import FileOptions, with_options
from gptcore.commands.progress import show_progress
from gptcore.export.formats import FormatName
from gptcore.wording import one_line


@with_options
def export(
    folder: Annotated[Path, Argument(help="folder of a classifier, written by `fit`")],
    options: FileOptions,
    out: Annotated[Path, Option(help="folder for the export; it must not exist")],
    data: Annotated[
        str | None,
        Option(
            help="the file or data set that it was fitted on, whose test part is compared; default: where `fit` read it"
        ),
    ] = None,
    to: Annotated[
        FormatName,
        Option(
            help="hf: a folder that transformers opens; peft: an adapter with the head; onnx: a graph, and a script "
            "that answers with onnxruntime alone; gguf: the network for llama.cpp; numpy: TF-IDF, and a script that "
            "answers with numpy alone"
        ),
    ] = "hf",
) -> None:
    """Write a classifier in another library's format.

    The export is opened with that library and must give the same predictions of all test texts, or nothing is left.
    """
    from gptcore.product.folder import check_target

    check_target(out)  # before any data are read
    from gptcore.export.export import check_packages
    from gptcore.export.export import export as export_folder
    from gptcore.product.data_source import data_of
    from gptcore.product.report import read_report

    check_packages(to)
    show_progress("reading the data that it was fitted on")
    loaded = data_of(folder, read_report(folder), data, options.reading())
    n = export_folder(folder, loaded, to, out, show_progress)
    echo(f"verified: {n:,} of {n:,} predictions equal, on the test texts of {one_line(loaded.name)}")
    echo(f"exported: {out}")
