"""Facts about a dataset for records. Imports no torch."""

from __future__ import annotations

from collections import Counter

from bench.records.record import DatasetFacts
from gptcore.data.datasets import Dataset


def dataset_facts(data: Dataset) -> DatasetFacts:
    """The facts of a loaded dataset."""
    counts = Counter(data.test.labels.tolist())
    of_all = counts + Counter(data.train.labels.tolist()) + Counter(data.validation.labels.tolist())
    return DatasetFacts(
        name=data.name,
        fingerprint=data.fingerprint,
        source_fingerprint=data.source_fingerprint,
        n_train=len(data.train),
        n_validation=len(data.validation),
        n_test=len(data.test),
        label_names=data.label_names,
        test_label_counts=tuple(counts[label] for label in range(len(data.label_names))),
        duplicates=data.duplicates,
        label_counts=tuple(of_all[label] for label in range(len(data.label_names))),
        n_test_seen=data.n_test_seen,
        n_test_seen_alike=data.n_test_seen_alike,
        limit=None if data.source is None else data.source.limit,
        splits="kfold" if data.source is not None and data.source.folds else "random",
    )


def group_warning(data: Dataset) -> tuple[str, ...]:
    """What verdicts leave out where rows belong to groups; nothing where they do not."""
    if data.source is None or data.source.groups is None:
        return ()
    return (
        "--group-column: texts of one group count as independent in verdicts, intervals and recommendations, which err "
        "more often than stated where a row is lucky by group",
    )
