"""Which test examples a run got right, and which examples they were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.records.record import Record


def correct(record: Record) -> np.ndarray:
    """(n,) 1 where the prediction was right, else 0; of a record with predictions."""
    assert record.test is not None
    return np.equal(record.test.labels, record.test.predicted).astype(np.int64)


def groups(records: Sequence[Record]) -> list[np.ndarray] | None:
    """For each record (n,) numbers of the groups of its test texts; None where one does not say, or there are none."""
    found = [record.test.groups for record in records if record.test is not None]
    known = [np.array(one) for one in found if one is not None]
    return known if len(known) == len(records) else None


def examples(records: Sequence[Record]) -> list[np.ndarray]:
    """For each record (n,) numbers of its test examples, equal where two records saw the same one.

    Records that do not say which rows of the source they saw share their examples where they share the split.
    """
    numbered = []
    splits: dict[str, int] = {}
    for record in records:
        assert record.test is not None
        n = len(record.test.labels)
        if record.test.examples is not None:
            numbered.append(np.array(record.test.examples))
            continue
        start = splits.setdefault(record.dataset.fingerprint, sum(map(len, numbered)))
        numbered.append(-1 - start - np.arange(n))  # below zero, so that none is mistaken for a row
    return numbered
