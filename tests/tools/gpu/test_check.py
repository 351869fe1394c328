"""The whole check at toy shapes on a CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[3] / "tools" / "gpu" / "check.sh"
STAGES = ("environment", "rows", "backbone", "pretraining")


def run_check(out: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OUT": str(out), "SMALL": "1", "PYTHON": sys.executable, **settings}
    environment |= {"CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run([CHECK], env=environment, capture_output=True, text=True, timeout=1200)


def test_an_unknown_stage_is_named(tmp_path):
    done = run_check(tmp_path, STAGES="nothing")
    assert done.returncode == 2
    assert "no stage 'nothing': known are" in done.stdout


def test_no_stage_begins_without_time(tmp_path):
    done = run_check(tmp_path, STAGES="rows", BUDGET_S="5")
    assert done.returncode == 0
    assert "rows: no time left" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["check.log"]


@pytest.mark.slow
def test_all_stages_run(tmp_path):
    done = run_check(tmp_path, BUDGET_S="1100")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in STAGES}
    assert {name: each["state"] for name, each in found.items()} == dict.fromkeys(STAGES, "done")
    for name, each in found.items():
        errors = {entry: value for entry, value in each["results"].items() if "error" in str(value)}
        assert not errors, name
    assert found["rows"]["results"]["summary"]["rows"] == 19
    verified = found["environment"]["results"]["verify nano auto"]["runs"]
    assert {run["status"] for run in verified.values()} == {"done"}
    assert (tmp_path / "nano.safetensors").stat().st_size > 1e6
    assert len(list(tmp_path.iterdir())) <= 8
