"""Lines of a growing file come once, when they are whole."""

from pathlib import Path

from bench.records.lines import LineReader


def test_lines_come_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    reader = LineReader(path)
    assert reader.more() == []  # there is no file yet
    path.write_bytes(b"one\r\ntw")
    assert reader.more() == [b"one\r"]
    assert reader.more() == []
    path.write_bytes(b"XXX\r\ntwo\n\nthree")  # what was read is not looked at again
    assert reader.more() == [b"two", b""]
    path.write_bytes(b"XXX\r\ntwo\n\nthree\n")
    assert reader.more() == [b"three"]
