"""How often a run is tried, and what its failed tries leave."""

from collections.abc import Callable

import pytest

from bench.records.record import Record
from bench.run import tries as module
from bench.run.tries import LOST_TRIES, MEMORY_TRIES, Tries


def test_lost_workers_and_lacks_of_memory_are_counted_apart() -> None:
    tries = Tries({})
    assert [tries.may_follow("a", True, 5) for _ in range(MEMORY_TRIES)] == [True] * (MEMORY_TRIES - 1) + [
        False
    ]
    assert [tries.may_follow("a", False, 5) for _ in range(LOST_TRIES)] == [True] * (LOST_TRIES - 1) + [False]
    assert tries.may_follow("b", False, 5), "another run has its own tries"


def test_a_run_that_lacked_memory_gets_twice_as_much() -> None:
    tries = Tries({})
    tries.may_follow("lost", False, 7)
    tries.may_follow("short", True, 7)
    tries.may_follow("unknown", True, None)
    found = [(tries.ran_short(name), tries.memory_bytes(name)) for name in ("lost", "short", "unknown")]
    assert found == [(False, 0), (True, 14), (True, 0)]


def test_the_time_of_failed_tries_is_in_the_record_of_the_last(
    toy_record: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    record = toy_record()
    tries = Tries({record.run_id: record.model_copy(update={"failed_s": 5.0})})
    tries.begin(record.run_id)
    now[0] += 2
    assert tries.may_follow(record.run_id, False, None)
    assert tries.since_began(record.run_id) == 0, "it has not begun again"
    assert tries.with_failed(record).failed_s == 7
    assert tries.with_failed(record).failed_s is None, "no try counts twice"
