"""What `--slurm KEY=VALUE` asks for. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gptcore.errors import UserError

AT_A_TIME = 16  # tasks, unless array_parallelism says otherwise
# Parameters of submitit that mean the same for all its executors; others are Slurm's.
_SHARED = ("timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "stderr_to_stdout", "name")
_NAMELESS = ("gpus", "gpus_per_socket")  # options of sbatch for which submitit has no parameter
_GPUS = ("gpus_per_node", "gpus_per_task", *_NAMELESS)
_MEMORY = ("mem", "mem_per_cpu", "mem_per_gpu")
_FROM_1 = ("timeout_min", "array_parallelism", "cpus_per_task")


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """From ["timeout_min=60", "partition=gpu"] to names and values; numbers become numbers.

    Raises UserError, also where the time limit is missing: submitit would stop each job after 5 minutes.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.isidentifier() or not value:
            raise UserError(f"--slurm {text!r}: write KEY=VALUE, such as partition=gpu or cpus_per_task=4")
        name = key.removeprefix("slurm_")
        found["timeout_min" if name == "time" else name] = int(value) if value.isdecimal() else value
    if "timeout_min" not in found:
        raise UserError(
            "--executor slurm: jobs need a time limit: add --slurm timeout_min=MINUTES, no more than the partition "
            "allows"
        )
    for name in _FROM_1:
        if name in found and not (isinstance(found[name], int) and found[name] >= 1):
            raise UserError(f"--slurm {name}={found[name]}: use a whole number from 1")
    return found


def asks_for_gpu(settings: Mapping[str, Any]) -> bool:
    """Whether jobs are given a GPU in any of the ways that sbatch knows, such as gpus=a100:2 or gres=gpu:1."""
    counts = [str(settings[name]) for name in _GPUS if name in settings]
    gres = str(settings.get("gres", "")).split(",")
    counts += [part for part in gres if part.partition(":")[0] == "gpu"]
    numbers = [count.rpartition(":")[2] for count in counts]
    return any(not number.isdecimal() or int(number) > 0 for number in numbers)  # "gpu" alone is one


def with_more_memory(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with twice the memory; with all that a machine has where they say nothing of it."""
    if "mem_gb" in settings:
        return {**settings, "mem_gb": 2 * float(settings["mem_gb"])}
    for name in _MEMORY:
        if found := re.fullmatch(r"(\d+)([A-Za-z]*)", str(settings.get(name, ""))):
            return {**settings, name: f"{2 * int(found[1])}{found[2]}"}
    return {**settings, "mem": "0"}  # Slurm's word for all of it


def submitit_parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by submitit's names."""
    named = {
        (name if name in _SHARED else f"slurm_{name}"): value
        for name, value in settings.items()
        if name not in _NAMELESS
    }
    others = {name: settings[name] for name in _NAMELESS if name in settings}
    return {
        "slurm_array_parallelism": AT_A_TIME,
        "slurm_additional_parameters": others or None,
        "name": "bench",
        **named,
    }
