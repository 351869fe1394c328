"""Every name that can be typed has an answer: a kind, nothing, or one line."""

import os
from pathlib import Path

import pytest

from gptcore.errors import UserError
from gptcore.paths import path_kind


def test_kinds(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert path_kind(tmp_path) == "folder"
    assert path_kind(file) == "file"
    assert path_kind(str(tmp_path / "gone")) is None
    assert path_kind(file / "below a file") is None


@pytest.mark.parametrize(
    ("name", "match"),
    [("x" * 300, "longer than the file system allows"), ("a\0b", "not a path"), ("\ud800", "not a path")],
)
def test_names_that_no_file_can_have(tmp_path: Path, name: str, match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        path_kind(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with pytest.raises(UserError, match="permission denied"):
        path_kind(closed / "file")


def test_permission_denied_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_path: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    with pytest.raises(UserError, match="permission denied: ask for access"):
        path_kind(tmp_path)
