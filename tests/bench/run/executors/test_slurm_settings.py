"""What `--slurm` asks for: names, numbers, the time limit, GPUs in every way that sbatch knows."""

from pathlib import Path
from typing import Any

import pytest

from bench.run.executors.slurm import Slurm
from bench.run.executors.slurm_settings import (
    asks_for_gpu,
    parse_settings,
    submitit_parameters,
    with_more_memory,
)
from bench.run.jobs import choose_device
from gptcore.errors import UserError


def test_settings_are_read() -> None:
    assert parse_settings(["slurm_partition=gpu", "cpus_per_task=4", "time=30"]) == {
        "partition": "gpu",
        "cpus_per_task": 4,
        "timeout_min": 30,
    }


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["partition"], "write KEY=VALUE"),
        (["=gpu"], "write KEY=VALUE"),
        (["a b=1"], "write KEY=VALUE"),
        (["time="], "write KEY=VALUE"),
        (["partition=gpu"], "^--executor slurm: jobs need a time limit: add --slurm timeout_min=MINUTES"),
        (["time=1:00:00"], "^--slurm timeout_min=1:00:00: use a whole number from 1$"),
        (["timeout_min=0"], "^--slurm timeout_min=0: use a whole number from 1$"),
        (["time=9", "array_parallelism=many"], "^--slurm array_parallelism=many: use a whole number from 1$"),
    ],
)
def test_mistakes_are_named(texts: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_settings(texts)


@pytest.mark.parametrize(
    ("text", "gpu"),
    [
        ("gpus_per_node=1", True),
        ("gpus_per_task=2", True),
        ("gpus_per_socket=1", True),
        ("gpus=a100:2", True),
        ("gpus=0", False),
        ("gres=gpu", True),
        ("gres=gpu:1", True),
        ("gres=craynetwork:1,gpu:a100:1", True),
        ("gres=gpu:0", False),
        ("gres=craynetwork:1", False),
        ("partition=gpu", False),
    ],
)
def test_a_gpu_is_used_where_jobs_ask_for_one_or_the_user_says_so(
    text: str, gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.run.executors.slurm.require", lambda *_: None)
    settings = ["time=9", text]
    assert asks_for_gpu(parse_settings(settings)) is gpu
    site = Slurm(settings, cluster="local")
    assert choose_device("auto", site.has_cuda) == ("cuda" if gpu else "cpu")
    assert choose_device("cuda", site.has_cuda) == "cuda"


def test_sbatch_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submitit = pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
    for name in ("sbatch", "srun"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = ["timeout_min=240", "mem_gb=2", "gpus=a100:1", "gres=gpu:1", "partition=long"]
    executor = submitit.AutoExecutor(folder=tmp_path / "%j", cluster="slurm")
    executor.update_parameters(**submitit_parameters(parse_settings(asked)))
    script = executor._executor._make_submission_file_text("work", "1")
    flags = {line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")}
    assert {"time=240", "mem=2GB", "gpus=a100:1", "gres=gpu:1", "partition=long", "job-name=bench"} <= flags


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({"mem_gb": 3}, {"mem_gb": 6}),
        ({"mem_gb": "1.5"}, {"mem_gb": 3}),
        ({"mem": "4000M"}, {"mem": "8000M"}),
        ({"mem_per_cpu": 500}, {"mem_per_cpu": "1000"}),
        ({"partition": "gpu"}, {"partition": "gpu", "mem": "0"}),
    ],
)
def test_twice_the_memory_or_the_whole_machine_s(settings: dict[str, Any], more: dict[str, Any]) -> None:
    assert with_more_memory(settings) == more
