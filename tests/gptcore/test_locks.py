"""Locks end with their holder, however it ends."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from gptcore.errors import UserError
from gptcore.locks import held, lock

HOLDER = """
import sys, time
from pathlib import Path
from gptcore.locks import lock
with lock(Path(sys.argv[1]), "run") as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def test_one_holder_at_a_time_and_nothing_left_behind(tmp_path: Path) -> None:
    with lock(tmp_path, "run") as first, lock(tmp_path, "run") as second, lock(tmp_path, "other") as other:
        assert (first, second, other) == (True, False, True)
        assert list(held(tmp_path)) == ["other", "run"]
    with lock(tmp_path, "run") as again:
        assert again
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with lock(tmp_path, "run") as mine:
            assert not mine
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (tmp_path / "locks" / "run.lock").exists()
    assert list(held(tmp_path)) == []
    with lock(tmp_path, "run") as mine:
        assert mine


def test_many_at_once_never_hold_the_same_lock(tmp_path: Path) -> None:
    """Holders remove the file, so a waiting one may get a lock on a file that is no longer there."""
    inside, most, turns = 0, 0, []

    def take_turns() -> None:
        nonlocal inside, most
        for _ in range(100):
            with lock(tmp_path, "run", wait=True) as mine:
                inside += 1
                most = max(most, inside)
                turns.append(mine)
                inside -= 1

    threads = [Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert turns == [True] * 400
    assert most == 1


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(UserError, match=r"run\.lock cannot be locked .* another file system"),
        lock(tmp_path, "run"),
    ):
        pass


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*run\.lock"), lock(tmp_path, "run"):
        pass
