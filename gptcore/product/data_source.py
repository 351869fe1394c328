"""Where a classifier's data came from, so that its folder can be checked against them again. Imports no torch."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from gptcore.backbones.fingerprint import file_digest
from gptcore.data.assets import cache_dir
from gptcore.data.named import NAMED
from gptcore.data.options import HUB_PREFIX, ReadOptions
from gptcore.errors import UserError
from gptcore.files import write_whole
from gptcore.schema import Part

if TYPE_CHECKING:
    from gptcore.data.datasets import Dataset
    from gptcore.product.report import FitReport

DATA = "data"  # beside the fields of `ReadOptions` that are paths
_PATHS = ("validation", "test", "data_path")
_POINTERS = "fitted-on"


class DataSource(Part):
    """What `fit` was given, which says nothing of the machine: names of files without their folders.

    name: of a data set or a file; options: how it was read; files: SHA-256 (hex) of the "data", "validation" and
    "test" file, none for a data set with a name, which is known by its content. Older folders have whole paths.
    """

    name: str
    options: ReadOptions
    files: dict[str, str]

    @model_validator(mode="before")
    @classmethod
    def _of_older_folders(cls, values: Any) -> Any:
        """There the digests were by path."""
        if not isinstance(values, dict) or not isinstance(files := values.get("files"), dict):
            return values
        options = values.get("options")
        paths = {DATA: values.get("name"), **(options if isinstance(options, dict) else {})}
        roles = {path: role for role, path in paths.items() if isinstance(path, str) and path.startswith("/")}
        return {**values, "files": {roles.get(path, path): digest for path, digest in files.items()}}


def source_of(name: str, options: ReadOptions) -> DataSource:
    """Of data that have just been read. Raises UserError where a file cannot be read any more."""
    paths = _paths(name, options)
    named = {role: Path(path.name) for role, path in paths.items()}
    files = {role: file_digest(path) for role, path in paths.items() if role != "data_path"}
    return DataSource(name=str(named.get(DATA, name)), options=_with(options, named), files=files)


def remember(fingerprint: str, name: str, options: ReadOptions) -> None:
    """Keep in the cache folder where the files of some data are; where that cannot be written, `--data` will say it.

    fingerprint: of the `Dataset`; name, options: as given to `source_of`.
    """
    if paths := {role: str(path) for role, path in _paths(name, options).items()}:
        with suppress(UserError):
            write_whole(_pointer(fingerprint), json.dumps(paths, indent=1) + "\n")


def data_of(folder: Path, report: FitReport, name: str | None, options: ReadOptions) -> Dataset:
    """The data that a classifier was fitted on, read again as they were then, and split with the same seed.

    name: of the file or data set, None for the one that `fit` read; options: how to read it, those of the report unless
    one is given or `name` is of another kind. Raises UserError, with the remedy, where they are not at hand or a file
    has changed.
    """
    from gptcore.data.datasets import load_dataset

    source, split_seed = report.source, report.data.split_seed
    if name is None:
        if source is None:
            raise UserError(f"{folder} does not say which file it was fitted on: name it with --data")
        if options != ReadOptions():
            raise UserError(
                f"options for reading a file need --data; without them, {source.name} is read as `fit` read it"
            )
    if source is not None and options == ReadOptions() and (name is None or _is_alike(source, name)):
        found = _found(folder, source, report.data.fingerprint, name)
        name, options = str(found.get(DATA, source.name)), _with(source.options, found)
    assert name is not None
    return load_dataset(name, options, split_seed=split_seed)


def _found(folder: Path, source: DataSource, fingerprint: str, copy: str | None) -> dict[str, Path]:
    """Where each file is now. copy: of the data file, which is not compared here. Raises UserError where a file is not
    there, or has changed.
    """
    known, found = _remembered(fingerprint), {}
    for role in (DATA, *_PATHS):
        named = Path(source.name) if role == DATA else getattr(source.options, role)
        if named is None or (role == DATA and not source.files):
            continue
        if role == DATA and copy is not None:
            found[role] = Path(copy)
            continue
        path = named if named.is_absolute() else known.get(role)
        remedy = _remedy(role, str(found.get(DATA, source.name)))
        if path is None:
            raise UserError(f"where {named} is, which {folder} was fitted on, is not known here: {remedy}")
        if not path.exists():
            raise UserError(f"{path}, which {folder} was fitted on, is gone: {remedy}")
        if role in source.files and file_digest(path) != source.files[role]:
            raise UserError(f"{path} has changed since {folder} was fitted on it: {remedy}")
        found[role] = path
    return found


def _remedy(role: str, data: str) -> str:
    """What to do about a file that is not as it was. data: the data file, or the data set's name."""
    if role == DATA:
        return "name a copy of it as it was with --data, or fit again"
    return (
        "give all files and options of `fit` again, with a copy of this file as it was: "
        f"--data {data} … --{role.replace('_', '-')} COPY; or fit again"
    )


def _paths(name: str, options: ReadOptions) -> dict[str, Path]:
    """Whole path of each file by its role."""
    paths = {role: getattr(options, role) for role in _PATHS}
    if _is_file(name):
        paths = {DATA: Path(name), **paths}
    return {role: path.absolute() for role, path in paths.items() if path is not None}


def _with(options: ReadOptions, paths: dict[str, Path]) -> ReadOptions:
    return replace(options, **{role: path for role, path in paths.items() if role in _PATHS})  # type: ignore[arg-type]


def _pointer(fingerprint: str) -> Path:
    return cache_dir() / _POINTERS / f"{fingerprint}.json"


def _remembered(fingerprint: str) -> dict[str, Path]:
    """Role -> path, as `remember` wrote them; nothing of a damaged file."""
    try:
        content = json.loads(_pointer(fingerprint).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {role: Path(path) for role, path in content.items() if isinstance(path, str)}


def _is_alike(source: DataSource, name: str) -> bool:
    """Whether `name` can be read as the source was: it is the same data set, or both are files."""
    return name == source.name or (bool(source.files) and _is_file(name))


def _is_file(name: str) -> bool:
    """Whether it names a file, and not a data set."""
    return name not in NAMED and not name.startswith(HUB_PREFIX)
