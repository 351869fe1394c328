"""A stage leaves what it knows, whatever cuts it short."""

import json

import pytest

from tools.gpu import environment, rows
from tools.gpu import stage as stages
from tools.gpu.stage import Stage, machine, missing, stage


@pytest.fixture
def running(tmp_path) -> Stage:
    return Stage("rows", seconds=100.0, small=True, out=tmp_path)


def read(folder):
    return json.loads((folder / "rows.json").read_text())


def test_every_entry_is_written_at_once(running, tmp_path):
    running.put("one", {"s": 1})
    assert read(tmp_path)["results"] == {"one": {"s": 1}}
    running.put("two", 2)
    assert read(tmp_path)["results"] == {"one": {"s": 1}, "two": 2}
    assert read(tmp_path)["state"] == "running"
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]


def test_an_error_is_an_entry_and_the_next_is_tried(running):
    def fail():
        raise RuntimeError("CUDA error: out of memory\nand more")

    running.attempt("first", fail)
    running.attempt("second", lambda: {"s": 1})
    assert running.results["first"]["error"] == "RuntimeError: CUDA error: out of memory"
    assert running.results["second"]["s"] == 1


def test_what_no_time_is_left_for_says_so(running):
    running.began -= 95
    running.attempt("late", lambda: {"s": 1}, need_s=20)
    assert running.results["late"] == {"skipped": "5 s were left, 20 s are needed"}


def test_a_stage_ends_done_or_failed(tmp_path, monkeypatch):
    monkeypatch.setenv("OUT", str(tmp_path))
    monkeypatch.setenv("STAGE_S", "30")
    monkeypatch.setenv("SMALL", "1")
    with stage("rows") as running:
        assert (running.seconds, running.small) == (30.0, True)
    assert read(tmp_path)["state"] == "done"
    with pytest.raises(KeyboardInterrupt):
        cut_short()
    assert read(tmp_path)["state"] == "failed"
    assert read(tmp_path)["results"] == {"one": 1, "error": "KeyboardInterrupt: "}


def cut_short():
    with stage("rows") as running:
        running.put("one", 1)
        raise KeyboardInterrupt


def test_missing_packages():
    assert missing("json", "no_such_package") == ["no_such_package"]


def test_a_machine_without_a_driver(monkeypatch):
    monkeypatch.setattr(stages, "QUERY", ["no-such-program"])
    found = machine.__wrapped__()  # not the cached one
    assert found["card"] is None
    assert found["versions"]["torch"]


def test_the_first_stage_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("OUT", str(tmp_path))
    monkeypatch.setattr(environment, "missing", lambda *names: [name for name in names if name == "pydantic"])
    with pytest.raises(SystemExit, match="missing: pydantic"):
        environment.main()
    found = json.loads((tmp_path / "environment.json").read_text())
    assert found["state"] == "failed"
    assert found["results"]["missing"] == {"needed": ["pydantic"], "for tests": []}


def test_the_published_rows_from_the_smallest_model_on():
    found = rows.published_rows(small=False)
    assert sorted(row.published.row for row in found) == list(range(1, 20))
    assert {row.recipe.weights for row in found} == {"random"}
    assert [row.recipe.model for row in found[-5:]] == ["gpt2-medium", "gpt2-large", *["gpt2-xl"] * 3]
    assert [row.recipe.batch_size for row in found if row.name == "no-padding-1"] == [1]


def test_the_summary_counts_what_was_done(running):
    chosen = [row for row in rows.published_rows(small=True) if row.name in ("baseline", "lora", "xl")]
    running.results = {
        "fast baseline": {"marginal_s": 1.0, "standalone_s": 2.0},
        "fast lora": {"error": "out of memory"},
        "plain baseline": {"marginal_s": 8.0, "standalone_s": 8.0},
        "plain lora": {"marginal_s": 8.0, "standalone_s": 8.0},
    }
    assert rows.summary(running, chosen) == {
        "rows": 1,
        "of": 3,
        "marginal_s": 1.0,
        "published_a100_s_of_these": 16.8,
        "times_faster_than_plain": {"baseline": 4.0},
    }
