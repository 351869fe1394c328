"""What the queue's answer means for jobs that submitit has submitted."""

import pytest

pytest.importorskip("submitit", reason="the extra [slurm] is not installed")

from bench.run.executors.slurm_queue import GONE, QueueWatcher


def test_only_states_that_end_a_job_and_jobs_that_are_gone_are_ends() -> None:
    watcher = QueueWatcher()
    answer = b"4_0|COMPLETED\n4_1|CONFIGURING\n4_2|OUT_OF_MEMORY\n5|PREEMPTED\n99|FAILED\n"
    states = {
        "4_0": "COMPLETED",
        "4_1": "RUNNING",
        "4_2": "OUT_OF_MEMORY",
        "5": "RUNNING",  # it is queued again, or no longer queued soon
        "6": GONE,
    }
    for job in states:
        watcher.register_job(job)
    watcher._info_dict = watcher.read_info(answer)
    assert {job: watcher.get_state(job, mode="cache") for job in states} == states
    over = {job for job in states if watcher.is_done(job, mode="cache")}
    assert over == {"4_0", "4_2", "6"}
