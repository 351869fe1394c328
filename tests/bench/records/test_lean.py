"""A lean record says what the record says, but for losses that no plot shows."""

from pathlib import Path

import numpy as np

from bench.records.lean import Lean
from bench.records.record import Record
from bench.records.store import load_records, save_record


def listed(record: Record) -> Record:
    """The same with lists for arrays, so that records can be compared."""
    if record.test is None:
        return record
    arrays = {name: getattr(record.test, name) for name in ("probabilities", "losses")}
    lists = {name: array.tolist() for name, array in arrays.items() if isinstance(array, np.ndarray)}
    assert "probabilities" in lists
    return record.model_copy(update={"test": record.test.model_copy(update=lists)})


def test_only_later_losses_are_left_out(records: list[Record]) -> None:
    lean = Lean(n_curves=2)
    for record in records:
        found = listed(lean(record))
        if record.seed_index < 2 or record.curves is None:
            assert found == record
        else:
            assert found.curves
            assert found.curves.losses == []
            assert found.model_copy(update={"curves": record.curves}) == record


def test_equal_parts_are_kept_once_and_others_as_they_are(tmp_path: Path, records: list[Record]) -> None:
    other = records[1].model_copy(update={"dataset": records[1].dataset.model_copy(update={"n_train": 7})})
    for record in (records[0], other):
        save_record(tmp_path, record)
    first, second = load_records(tmp_path, Lean(9)).values()
    assert first.test
    assert second.test
    assert first.test.labels is second.test.labels
    assert first.recipe is second.recipe
    assert (listed(first), listed(second)) == (records[0], other)
