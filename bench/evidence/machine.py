"""Whether times of two runs compare."""

from __future__ import annotations

from bench.records.record import Record


def machine(record: Record) -> tuple[str, str, int, float]:
    """What tells machines apart: device, processor, threads, memory in GiB. Records name no hosts."""
    place = record.environment
    return place.device, place.cpu, place.threads, round(place.memory_bytes / 2**30, 1)


def same_machine(mine: Record, theirs: Record) -> bool:
    """Whether two runs were made on machines that look the same."""
    return machine(mine) == machine(theirs)
