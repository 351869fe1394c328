"""How the end of a Ray task with an error is understood. No cluster is started."""

import pytest

from bench.run.executors.base import CannotWork, JobLost
from bench.run.outcome import NO_MEMORY
from bench.run.supervisor import CannotStartError
from gptcore.errors import UserError

ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")


def of_task(cause: Exception) -> Exception:
    error: Exception = ray.exceptions.RayTaskError("do", "a traceback", cause)
    return error


def test_a_task_that_ray_ended_for_memory_lacked_it() -> None:
    from bench.run.executors.ray_cluster import _lost

    error = ray.exceptions.OutOfMemoryError("Task was killed due to the node running low on memory: /home/me")
    assert _lost(error) == JobLost(f"{NO_MEMORY} on its machine", out_of_memory=True)


def test_a_lost_machine_or_worker_is_no_error_of_the_run() -> None:
    from bench.run.executors.ray_cluster import LOST, _lost

    for error in (ray.exceptions.WorkerCrashedError(), ray.exceptions.NodeDiedError("gone")):
        assert _lost(error) == JobLost(LOST)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (UserError("install the same version"), CannotWork("install the same version")),
        (CannotStartError("no room"), JobLost("no room", error=True)),
        (ZeroDivisionError("by zero"), JobLost("its worker failed: ZeroDivisionError: by zero", error=True)),
    ],
)
def test_what_the_user_has_to_change_ends_the_study_and_other_errors_are_retried(
    cause: Exception, expected: object
) -> None:
    from bench.run.executors.ray_cluster import _lost

    assert _lost(of_task(cause)) == expected
