"""What a study is called where the user does not say. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from gptcore.backbones.checkpoints import is_local_folder
from gptcore.backbones.hub import split_revision


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
    """Of a checkpoint's folder the name and a digest of the whole path, as many checkpoints are called "final"."""
    if is_local_folder(model):
        path = Path(model).resolve()
        return f"{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"
    repo, revision = split_revision(model)
    return Path(repo).name + (f"@{revision.replace('/', '-')}" if revision else "")
