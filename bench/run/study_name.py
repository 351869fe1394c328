"""What a study is called where the user does not say, and whether it can go there. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gptcore.backbones.checkpoints import folder_label, is_local_folder
from gptcore.backbones.hub import split_revision
from gptcore.errors import UserError
from gptcore.paths import path_kind

_LONGEST = 40  # characters of what --set gives, in a folder's name


def study_name(
    matrix: str,
    models: Sequence[str],
    dataset: str,
    engine: str,
    vary: Sequence[Sequence[str]] = (),
    limit: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> str:
    """Folder of a study: its models, and whatever is not the default (full, sms-spam, fast, all seeds vary).

    vary: what differs between seeds, where not everything does together; changes: recipe fields that --set gives.
    """
    parts = ["+".join(map(_model_name, models))]
    if matrix != "full":
        parts.append(matrix)
    if dataset != "sms-spam":
        parts.append(Path(dataset).stem)
    if limit is not None:
        parts.append(f"limit{limit}")
    if changes:
        parts.append(_changes_name(changes))
    if engine != "fast":
        parts.append(engine)
    if vary:
        parts += ["vary", *("+".join(kinds) for kinds in vary)]
    return "-".join(parts)


def _changes_name(changes: Mapping[str, Any]) -> str:
    """Such as `class_weight-balanced`; with a digest where that is too long or has characters no file name should."""

    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)

    whole = "-".join(f"{field}-{text(value)}" for field, value in sorted(changes.items()))
    safe = re.sub(r"[^A-Za-z0-9_.+]+", "-", whole)[:_LONGEST].strip("-")
    return safe if safe == whole else f"{safe}-{hashlib.sha256(whole.encode()).hexdigest()[:6]}"


def _model_name(model: str) -> str:
    if is_local_folder(model):
        return folder_label(model)
    repo, revision = split_revision(model)
    return Path(repo).name + (f"@{revision.replace('/', '-')}" if revision else "")


def check_folder(folder: Path) -> None:
    """Raises UserError where results cannot go into `folder`."""
    if path_kind(folder) == "file":
        raise UserError(f"--out {folder} is a file: name a folder, or a name that is free")
