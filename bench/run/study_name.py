"""What a study is called where the user does not say, and whether it can go there. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gptcore.backbones.checkpoints import folder_label, is_local_folder
from gptcore.backbones.hub import split_revision
from gptcore.errors import UserError
from gptcore.paths import path_kind


def study_name(
    matrix: str,
    models: Sequence[str],
    dataset: str,
    engine: str,
    vary: Sequence[Sequence[str]] = (),
    limit: int | None = None,
) -> str:
    """Folder of a study: its models, and whatever is not the default (full, sms-spam, fast, all seeds vary).

    vary: what differs between seeds, where not everything does together.
    """
    parts = ["+".join(map(_model_name, models))]
    if matrix != "full":
        parts.append(matrix)
    if dataset != "sms-spam":
        parts.append(Path(dataset).stem)
    if limit is not None:
        parts.append(f"limit{limit}")
    if engine != "fast":
        parts.append(engine)
    if vary:
        parts += ["vary", *("+".join(kinds) for kinds in vary)]
    return "-".join(parts)


def _model_name(model: str) -> str:
    if is_local_folder(model):
        return folder_label(model)
    repo, revision = split_revision(model)
    return Path(repo).name + (f"@{revision.replace('/', '-')}" if revision else "")


def check_folder(folder: Path) -> None:
    """Raises UserError where results cannot go into `folder`."""
    if path_kind(folder) == "file":
        raise UserError(f"--out {folder} is a file: name a folder, or a name that is free")
