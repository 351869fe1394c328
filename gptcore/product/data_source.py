"""Where a classifier's data came from, so that its folder can be checked against them again. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gptcore.backbones.fingerprint import file_digest
from gptcore.data.named import NAMED
from gptcore.data.options import HUB_PREFIX, ReadOptions
from gptcore.errors import UserError
from gptcore.schema import Part

if TYPE_CHECKING:
    from gptcore.data.datasets import Dataset
    from gptcore.product.report import FitReport


class DataSource(Part):
    """What `fit` was given.

    name: of a data set, or a file's whole path; options: how it was read; files: SHA-256 (hex) of each file by its
    whole path, none for a data set with a name, which is known by its content.
    """

    name: str
    options: ReadOptions
    files: dict[str, str]


def source_of(name: str, options: ReadOptions) -> DataSource:
    """Of data that have just been read. Raises UserError where a file cannot be read any more."""
    options = replace(
        options,
        validation=_absolute(options.validation),
        test=_absolute(options.test),
        data_path=_absolute(options.data_path),
    )
    if not _is_file(name):
        return DataSource(name=name, options=options, files={})
    files = [path for path in (_absolute(Path(name)), options.validation, options.test) if path is not None]
    return DataSource(
        name=str(files[0]), options=options, files={str(path): file_digest(path) for path in files}
    )


def data_of(folder: Path, report: FitReport, name: str | None, options: ReadOptions) -> Dataset:
    """The data that a classifier was fitted on, read again as they were then, and split with the same seed.

    name: of the file or data set, None for the one that the report names; options: how to read it, those of the report
    unless one is given or `name` is of another kind. Raises UserError, with the remedy, where they are not at hand or a
    file has changed.
    """
    from gptcore.data.datasets import load_dataset

    source = report.source
    if name is None:
        if source is None:
            raise UserError(f"{folder} does not say which file it was fitted on: name it with --data")
        if options != ReadOptions():
            raise UserError(
                f"options for reading a file need --data; without them, {source.name} is read as `fit` read it"
            )
        name = source.name
    if source is not None and options == ReadOptions() and _is_alike(source, name):
        _check_files(folder, source, name)
        options = source.options
    return load_dataset(name, options, split_seed=report.data.split_seed)


def _check_files(folder: Path, source: DataSource, name: str) -> None:
    """Raises UserError for a file that is gone or has changed; not for the data file where `name` is a copy of it."""
    for path, digest in source.files.items():
        if path == source.name != name:
            continue
        if not Path(path).is_file():
            raise UserError(f"{path}, which {folder} was fitted on, is gone: {_remedy(source, path, name)}")
        if file_digest(Path(path)) != digest:
            raise UserError(
                f"{path} has changed since {folder} was fitted on it: {_remedy(source, path, name)}"
            )


def _remedy(source: DataSource, path: str, name: str) -> str:
    """What to do about one of its files that is not as it was; name: of the data file."""
    for part in ("validation", "test"):
        if path == str(getattr(source.options, part)):
            return (
                "give all files and options of `fit` again, with a copy of this file as it was: "
                f"--data {name} … --{part} COPY; or fit again"
            )
    return "name a copy of it as it was with --data, or fit again"


def _is_alike(source: DataSource, name: str) -> bool:
    """Whether `name` can be read as the source was: it is the same data set, or both are files."""
    return name == source.name or (bool(source.files) and _is_file(name))


def _is_file(name: str) -> bool:
    """Whether it names a file, and not a data set."""
    return name not in NAMED and not name.startswith(HUB_PREFIX)


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()
