"""What is told of the machine, and what is not."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from bench.run import environment
from bench.run.environment import busy_share, describe_environment, free_memory_bytes, git_state, has_cuda


@pytest.fixture(autouse=True)
def _forget_git() -> None:
    git_state.cache_clear()


def test_describes_this_machine() -> None:
    found = describe_environment("cpu", "float32", 2)
    assert (found.device, found.dtype, found.threads) == ("cpu", "float32", 2)
    assert found.versions["torch"] == version("torch")
    assert found.versions["numpy"] == version("numpy")
    assert found.memory_bytes == psutil.virtual_memory().total
    assert found.cpu


def test_tells_nothing_private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    text = describe_environment("cpu", "float32", 2).model_dump_json()
    for private in ("hf_secret", str(environment.CHECKOUT), str(Path.home() / "")):
        assert private not in text


def test_packages_that_are_missing_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package"))
    assert list(describe_environment("cpu", "float32", 1).versions) == ["numpy"]


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(
        ["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True, env=clean
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "bench").mkdir(parents=True)
    (folder / "bench" / "a.py").write_text("a = 1\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_git_state_is_of_the_code_and_not_of_results(checkout: Path) -> None:
    sha, dirty = git_state(checkout)
    assert sha is not None
    assert len(sha) == 40
    assert dirty is False
    (checkout / "results").mkdir()
    (checkout / "results" / "report.md").write_text("new")
    git_state.cache_clear()
    assert git_state(checkout) == (sha, False)
    (checkout / "bench" / "b.py").write_text("new")
    git_state.cache_clear()
    assert git_state(checkout) == (sha, True)


def test_another_project_around_or_in_the_environment_is_not_ours(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git_state(checkout / "bench") == (None, None)  # installed inside somebody's checkout
    monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))
    assert git_state(tmp_path) == (None, None)


def test_no_git_and_no_commit_are_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path) == (None, None)
    git_state.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(environment.CHECKOUT) == (None, None)


def test_free_memory_heeds_the_containers_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_CGROUP", tmp_path)
    unlimited = free_memory_bytes()
    assert 0 < unlimited <= psutil.virtual_memory().total
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 2000\ninactive_file 500\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory_bytes() > 10**6
    (tmp_path / "memory.max").write_text("5000\n")
    assert free_memory_bytes() == 2500


def fake_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_cuda_needs_a_gpu_a_driver_and_a_torch_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_version", lambda _: "2.6.0")
    fake_nvidia_smi(tmp_path, monkeypatch, "echo 'GPU 0: NVIDIA H200'")
    assert has_cuda()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not has_cuda()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(environment, "_version", lambda _: "2.6.0+cpu")
    assert not has_cuda()
    monkeypatch.setattr(environment, "_version", lambda _: "2.6.0")
    fake_nvidia_smi(tmp_path, monkeypatch, "echo 'driver failed'; exit 9")
    assert not has_cuda()
    (tmp_path / "nvidia-smi").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_cuda()


def test_a_busy_processor_is_seen_at_once() -> None:
    spin = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    programs = [subprocess.Popen(spin, stdout=subprocess.PIPE) for _ in range(psutil.cpu_count() or 1)]
    for program in programs:
        assert program.stdout is not None
        program.stdout.readline()  # it is at work
    busy = busy_share()
    for program in programs:
        program.kill()
        program.communicate()
    assert 0.5 < busy <= 1


def test_free_memory_of_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvidia_smi(tmp_path, monkeypatch, "echo 1024; echo 7")
    assert free_memory_bytes("cuda") == 2**30
