"""Facts about a dataset for records. Imports no torch."""

from __future__ import annotations

from collections import Counter

from bench.records.dataset import DatasetFacts
from bench.records.groups import MIN_GROUPS, count_as
from gptcore.data.datasets import Dataset
from gptcore.wording import pluralise


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
        test_given="test" in data.given,
        n_test_groups=_n_test_groups(data),
        test_groups_count_as=None if data.test_groups is None else round(count_as(data.test_groups), 4),
    )


def group_warning(data: Dataset) -> tuple[str, ...]:
    """That the test part has too few groups to say anything of others; nothing where it has enough, or none."""
    others = "" if data.given else " of all seeds together"
    return tuple(
        f"--group-column: the test part has {few}: with fewer than {MIN_GROUPS} in the test parts{others}, no row is "
        "called better or worse: label texts of more groups"
        for few in _too_few_groups(data)
    )


def waiting_warning(data: Dataset) -> tuple[str, ...]:
    """The same of the test part that `recommend` keeps for the end."""
    return tuple(
        f"--group-column: the test part that waits for the end has {few}: fewer than {MIN_GROUPS} say next to nothing "
        "of others, so the expected score is rough: label texts of more groups"
        for few in _too_few_groups(data)
    )


def _too_few_groups(data: Dataset) -> tuple[str, ...]:
    """How many groups the test part has, in words, where it has groups and they are too few."""
    n = _n_test_groups(data)
    return () if n is None or n >= MIN_GROUPS else (pluralise(n, "group"),)


def _n_test_groups(data: Dataset) -> int | None:
    return None if data.test_groups is None else len(set(data.test_groups))
