"""What a program said, without what is nobody's business."""

import os
from pathlib import Path

import pytest

from bench.records.scrub import LINE_LIMIT, TAIL_LINES, Tail, scrub


@pytest.mark.parametrize("name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "db_password"])
def test_secrets_are_replaced_by_their_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "hf_abcdef")
    assert scrub("401 for hf_abcdef: hf_abcdef?") == f"401 for ${name}: ${name}?"


def test_other_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "training")
    monkeypatch.setenv("EMPTY_KEY", "")
    monkeypatch.setenv("ROOT_OF_ALL", os.sep)
    assert scrub("the training loss is nan / inf") == "the training loss is nan / inf"


def test_folders_of_the_user_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    project = Path(__file__).parents[3]
    assert scrub("/home/alice/data.csv") == "HOME/data.csv"
    assert scrub(f'  File "{project}/bench/cli.py", line 1') == '  File "PROJECT/bench/cli.py", line 1'


def test_the_longest_folder_is_replaced_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert scrub(f"{tmp_path}/a and {tmp_path.parent}/b") == "CWD/a and HOME/b"
    assert scrub(f"{tmp_path}-2/a") == f"HOME/{tmp_path.name}-2/a"


def test_other_variables_with_paths_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLDPWD", "/data/models")
    assert scrub("/data/models/mine has no config.json") == "/data/models/mine has no config.json"


def test_temporary_files_and_the_root_as_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/scratch/tmp")
    monkeypatch.setenv("HOME", "/")
    assert scrub("/scratch/tmp/x and /etc/y") == "TMP/x and /etc/y"


def test_logins_in_urls_are_replaced() -> None:
    assert scrub("GET https://alice:pw@mirror.org/x") == "GET https://LOGIN@mirror.org/x"


def test_one_line_without_control_characters() -> None:
    assert scrub("\x1b[31mred\x1b[0m\a and\nmore\r\u2028\ud800") == " red   and more"


def test_a_long_line_is_cut() -> None:
    assert scrub("x" * 10**7) == "x" * (LINE_LIMIT - 1) + "…"


def test_the_cause_of_a_crash_stays_before_stacks_of_any_depth() -> None:
    tail = Tail()
    tail.add(b"Fatal Python error: an earlier one\nnoise\nFatal Python error: Segmentation fault\n")
    tail.add(b'  File "a.py", line 1 in f\n' * (TAIL_LINES - 1))
    assert tail.lines[0] == "Fatal Python error: Segmentation fault"
    tail.add(b'  File "b.py", line 2 in g\n' * TAIL_LINES)
    assert tail.lines[0] == "Fatal Python error: Segmentation fault"
    assert len(tail.lines) == TAIL_LINES
    assert set(tail.lines[1:]) == {'  File "b.py", line 2 in g'}


def test_the_tail_is_bounded_whatever_comes() -> None:
    tail = Tail()
    tail.add(b"x" * 10**7)
    assert [len(line) for line in tail.lines] == [LINE_LIMIT]
    for number in range(1000):
        tail.add(f"line {number}\n\n".encode())
    assert tail.lines == [f"line {number}" for number in range(1000 - TAIL_LINES, 1000)]
    tail.add(b"\xff\xfe")
    assert tail.lines[-1] == "\ufffd\ufffd"
