"""Times taken in turn from several processes: a planted slowdown is seen, equal code raises no alarm."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.evidence.regress import BASE_MARGIN, judge_speed
from bench.run import timing
from bench.run.timing import Worker, checked_out, take_rounds, time_code
from bench.run.workload import CASES
from gptcore.errors import UserError

ROOT = Path(__file__).parents[3]
# Answers as the real workload does, after so many thousand additions as the tree's file says.
WORKLOAD = """
import json, sys, time
from pathlib import Path
tree = Path.cwd()
print(json.dumps({"package": str(tree / "gptcore")}), flush=True)
thousands = int((tree / "thousands").read_text())
for line in sys.stdin:
    asked = json.loads(line)
    n = thousands * (2 if asked["engine"] == "plain" else 1)
    if asked["case"] == "all-layers":
        n *= int((tree / "factor").read_text())
    began = time.perf_counter()
    sum(range(1000 * n))
    print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)
"""


def quiet(_what: str) -> None:
    pass


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    path = tmp_path / "workload.py"
    path.write_text(WORKLOAD)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[str, int], Path]:
    """Makes a tree whose code takes `factor` times as long in one case."""

    def make(name: str, factor: int) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "thousands").write_text("20")
        (folder / "factor").write_text(str(factor))
        return folder

    return make


def test_a_planted_slowdown_is_seen_in_its_case(
    tree: Callable[[str, int], Path], workload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "CHECKOUT", tree("head", 3))
    plain, base = time_code(12, tree("base", 1), quiet, workload)
    failed = [r.name for r in base if judge_speed(r, "base", BASE_MARGIN).failed]
    assert failed == ["all-layers"]
    assert [r.name for r in plain] == list(CASES)
    assert not any(judge_speed(r, "plain", BASE_MARGIN, expected_ratio=0.5).failed for r in plain)


@pytest.mark.slow  # it times: a busy machine can fail it
def test_twenty_gates_of_equal_code_raise_no_alarm(
    tree: Callable[[str, int], Path], workload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "CHECKOUT", tree("head", 1))
    _, base = time_code(20 * 12, tree("base", 1), quiet, workload)
    alarms = []
    for gate in range(20):
        at = slice(12 * gate, 12 * (gate + 1))
        parts = [timing.Rounds(r.name, r.ours[at], r.again[at], r.theirs[at]) for r in base]
        alarms += [part.name for part in parts if judge_speed(part, "base", BASE_MARGIN).failed]
    assert alarms == []


def test_rounds_alternate_and_the_first_is_dropped() -> None:
    asked: list[tuple[str, int]] = []

    def runner(name: str, seconds: float) -> timing.Runner:
        def run(_case: str, number: int) -> float:
            asked.append((name, number))
            return seconds

        return run

    taken = take_rounds({"a": runner("a", 1.0), "b": runner("b", 2.0)}, ["case"], 2, quiet)
    assert taken == {"case": {"a": [1.0, 1.0], "b": [2.0, 2.0]}}
    assert asked == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]


def test_a_workload_that_ends_is_one_line(tree: Callable[[str, int], Path], workload: Path) -> None:
    folder = tree("broken", 1)
    (folder / "factor").write_text("many")
    with Worker(folder, workload) as worker:
        assert worker.seconds("lora", "fast", 0) > 0
        with pytest.raises(UserError, match=r"broken ended: ValueError: invalid literal .*'many'"):
            worker.seconds("all-layers", "fast", 0)


def test_a_workload_that_hangs_is_ended(
    tree: Callable[[str, int], Path], workload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload.write_text("import time\ntime.sleep(60)")
    monkeypatch.setattr(timing, "ANSWER_LIMIT_S", 0.2)
    with pytest.raises(UserError, match=r"it was ended after 0\.2 s"), Worker(tree("head", 1), workload):
        pass


def test_code_from_elsewhere_is_refused(tree: Callable[[str, int], Path], workload: Path) -> None:
    workload.write_text(WORKLOAD.replace('tree / "gptcore"', 'tree.parent / "elsewhere"'))
    with pytest.raises(UserError, match="so nothing can be compared"), Worker(tree("head", 1), workload):
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "file").write_text("first")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    (folder / "file").write_text("second, not committed")
    monkeypatch.setattr(timing, "CHECKOUT", folder)
    return folder


def test_a_commit_is_checked_out_beside_and_removed(repository: Path) -> None:
    with checked_out("HEAD") as folder:
        assert (folder / "file").read_text() == "first"
    assert not folder.exists()
    listed = subprocess.run(
        ["git", "-C", str(repository), "worktree", "list"], capture_output=True, text=True, check=True
    )
    assert len(listed.stdout.splitlines()) == 1


@pytest.mark.usefixtures("repository")
def test_an_unknown_commit_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^--base no-such: .*fetch it first\)$"), checked_out("no-such"):
        pass


@pytest.mark.slow
def test_a_slowdown_in_the_real_code_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real workload on a copy whose training step computes its forward pass four times."""
    shutil.copytree(ROOT / "gptcore", tmp_path / "gptcore")
    path = tmp_path / "gptcore" / "training" / "loop.py"
    step = "self.classifier(self.rows.take(index)),"
    text = path.read_text()
    assert text.count(step) == 1
    path.write_text(text.replace(step, f"({step * 4})[3],"))
    monkeypatch.setattr(timing, "CHECKOUT", tmp_path)
    _, base = time_code(12, ROOT, quiet)
    assert "all-layers" in [r.name for r in base if judge_speed(r, "base", BASE_MARGIN).failed]
