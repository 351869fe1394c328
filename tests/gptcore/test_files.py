"""Files are there whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from gptcore.errors import UserError
from gptcore.files import cannot_write, replacing, write_whole


def test_text_and_bytes_arrive_as_they_are(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "a.txt", "é\r\n")
    write_whole(tmp_path / "new" / "b", b"\xff")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "é\r\n".encode()
    assert (tmp_path / "new" / "b").read_bytes() == b"\xff"
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as part:
            part.write_text("ne")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(UserError, match=r"cannot write .*taken/file \(.*\): name a file with --out"):
        write_whole(tmp_path / "taken" / "file", "text", "name a file with --out")


def test_too_many_open_files_have_a_remedy_of_their_own() -> None:
    error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    assert str(cannot_write(Path("a"), error)) == (
        "cannot write a (Too many open files): allow more open files, see ulimit -n"
    )
