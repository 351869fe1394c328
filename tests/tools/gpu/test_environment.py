"""What `pytest -v` said is read also where it was cut short."""

from tools.gpu.environment import outcomes

SAID = """\
collected 1220 items / 1167 deselected / 3 selected

tests/gptcore/engine/test_on_gpu.py::test_logits[changes0-fast-float32] PASSED [  1%]
tests/gptcore/engine/test_on_gpu.py::test_peak_memory FAILED             [  3%]
tests/gptcore/engine/test_on_gpu.py::test_waits[a b] SKIPPED (needs a GPU) [ 5%]
tests/gptcore/engine/test_on_gpu.py::test_more
ended after 75 s"""


def test_outcomes_of_what_was_said():
    found = outcomes(SAID)
    assert (found["passed"], found["failed"], found["skipped"]) == (1, 1, 1)
    assert found["which failed"] == ["tests/gptcore/engine/test_on_gpu.py::test_peak_memory"]
    assert found["last line"] == "ended after 75 s"
    assert found["tail"] == SAID.splitlines()


def test_nothing_was_said():
    assert outcomes("") == {"last line": "no output", "which failed": [], "tail": []}
    assert outcomes("ImportError: no module\n")["tail"] == ["ImportError: no module"]
