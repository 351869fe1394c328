"""Phases add up, and the peak of memory is seen."""

import ctypes
import time

import numpy as np
import psutil
import pytest
import torch

from gptcore.training.timing import SAMPLE_EVERY_S, PeakMemory, Phases

CPU = torch.device("cpu")


def test_phases_add_up_to_the_total():
    before = time.perf_counter()
    phases = Phases(CPU)
    began = time.perf_counter()
    with phases("load"):
        time.sleep(0.02)
    time.sleep(0.01)
    for _ in range(2):
        with phases("train"):
            time.sleep(0.01)
    ended = time.perf_counter()
    seconds = phases.finish()
    after = time.perf_counter()
    assert list(seconds) == ["load", "train", "other"]
    assert seconds["load"] >= 0.02
    assert seconds["train"] >= 0.02
    assert seconds["other"] >= 0.01
    assert ended - began <= sum(seconds.values()) <= after - before


def test_a_phase_that_fails_is_counted():
    phases = Phases(CPU)

    def fail() -> None:
        with phases("train"):
            time.sleep(0.01)
            raise FloatingPointError

    with pytest.raises(FloatingPointError):
        fail()
    assert phases.finish()["train"] >= 0.01


def test_the_peak_holds_what_was_freed_again():
    before = psutil.Process().memory_info().rss
    with PeakMemory(CPU) as memory:
        block = np.ones(64 * 2**20, dtype=np.uint8)
        time.sleep(0.06)
        del block
    assert memory.peak_bytes > before + 48 * 2**20
    assert 48 * 2**20 < memory.added_bytes <= memory.peak_bytes - before + 2**24
    peak = memory.peak_bytes
    time.sleep(0.05)
    assert memory.peak_bytes == peak  # sampling has ended


def test_a_block_that_ends_at_once_has_a_peak():
    with PeakMemory(CPU) as memory:
        pass
    assert memory.peak_bytes > 0


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_what_earlier_work_left_free_does_not_hide_what_a_block_needs():
    kept = []
    added = []
    for _ in range(2):
        with PeakMemory(CPU) as memory:
            blocks = [bytearray(b"x" * 16384) for _ in range(2000)]  # 32 MB
            kept.append(bytearray(20000))  # above them, so that the allocator keeps them when they are freed
            time.sleep(3 * SAMPLE_EVERY_S)
            del blocks
        added.append(memory.added_bytes)
    assert min(added) > 25e6
