"""Labelled texts in train, validation and test splits: the SMS Spam Collection or a user's own file."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gptcore.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    Parts = tuple[np.ndarray, np.ndarray, np.ndarray]  # row numbers of train, validation and test, int64

DATASETS = {
    "sms-spam": "SMS Spam Collection, ham or spam: 1,045/149/300 texts, balanced and split as published",
}
VALIDATION_FRACTION, TEST_FRACTION = 0.1, 0.2  # of each class, for a user's own file
N_SPLITS = 3


@dataclass(frozen=True, eq=False)
class Split:
    """N texts in order, and their labels (N,) int64, read-only: indices into the dataset's `label_names`.

    rows: (N,) int64, which row of the source each text is; None where that is not known.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.texts)


class Origin(NamedTuple):
    """What `load_dataset` was asked for."""

    name_or_path: str | Path
    text_column: str | None = None
    label_column: str | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits and what is needed to know them again.

    `fingerprint`: SHA-256 (hex) over label names and the texts and labels of the splits in order;
    `source_fingerprint`: the same over all labelled rows before they were sampled and split;
    `duplicates`: distinct texts that occur in more than one split;
    `notes`: facts about the data that a report should tell; `origin`: where it can be loaded from again.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    label_names: tuple[str, ...]
    fingerprint: str
    source_fingerprint: str
    split_seed: int
    duplicates: int
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    _others: dict[int, Dataset] = field(default_factory=dict, repr=False)

    def with_split(self, split_seed: int) -> Dataset:
        """The same source split with another seed; each split is loaded once.

        Raises UserError if the source has changed meanwhile, or is not known.
        """
        if split_seed == self.split_seed:
            return self
        if split_seed not in self._others:
            if self.origin is None:
                raise UserError(
                    f"dataset {self.name}: it cannot be split with seed {split_seed}: load it anew"
                )
            other = load_dataset(
                self.origin.name_or_path,
                split_seed=split_seed,
                text_column=self.origin.text_column,
                label_column=self.origin.label_column,
            )
            if other.source_fingerprint != self.source_fingerprint:
                raise UserError(f"dataset {self.name}: the file changed while the study ran: run it again")
            self._others[split_seed] = other
        return self._others[split_seed]


def load_dataset(
    name_or_path: str | Path = "sms-spam",
    *,
    split_seed: int = 123,
    text_column: str | None = None,
    label_column: str | None = None,
) -> Dataset:
    """A dataset of `DATASETS` by name, or a CSV, TSV, JSON Lines or Parquet file by its path.

    SMS Spam is fetched once, balanced and split as published (seed 123 gives the published rows). A file's
    rows are all kept, verbatim, and split 70/10/20 within each class; its columns are found by their usual
    names unless given. Raises UserError for an unknown name, and for a file, column or row that is no good.
    """
    if not 0 <= split_seed < 2**32:
        raise UserError(f"split seed {split_seed}: it must be between 0 and {2**32 - 1}")
    if name_or_path in DATASETS:
        if text_column is not None or label_column is not None:
            raise UserError(f"dataset {name_or_path}: a text or label column can be named for a file only")
        return replace(_load_sms_spam(split_seed), origin=Origin(name_or_path))
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and not path.suffix and len(path.parts) <= 1 and not path.is_file():
        known = ", ".join(DATASETS)
        raise UserError(f"unknown dataset {name_or_path!r}: use {known} or the path of a file")
    loaded = _load_file(path, split_seed, text_column, label_column)
    return replace(loaded, origin=Origin(path.absolute(), text_column, label_column))


def _load_sms_spam(split_seed: int) -> Dataset:
    from gptcore.data import sms_spam
    from gptcore.data.assets import SMS_SPAM, fetch

    texts, labels = sms_spam.read_rows(fetch(SMS_SPAM))
    parts = sms_spam.published_parts(labels, split_seed)
    counts = Counter(labels)
    notes = (
        f"read as published (pandas, default quoting): {len(texts):,} rows",
        f"balanced as published: all {counts['spam']:,} spam, as many of {counts['ham']:,} ham",
    )
    return _assemble("sms-spam", texts, labels, sms_spam.LABEL_NAMES, parts, split_seed, notes)


def _load_file(path: Path, split_seed: int, text_column: str | None, label_column: str | None) -> Dataset:
    from gptcore.data.tables import read_table

    table = read_table(path, text_column, label_column)
    label_names = tuple(sorted(set(table.labels), key=_label_order))
    _require_enough(path, Counter(table.labels), label_names)
    parts = stratified_parts(_indices(table.labels, label_names), split_seed)
    return _assemble(path.name, table.texts, table.labels, label_names, parts, split_seed, table.notes)


def _label_order(name: str) -> tuple[bool, int, str]:
    """Whole numbers first, by value; other names by spelling."""
    is_number = re.fullmatch(r"-?[0-9]{1,18}", name) is not None
    return not is_number, int(name) if is_number else 0, name


def _require_enough(path: Path, counts: Counter[str], label_names: tuple[str, ...]) -> None:
    if len(label_names) == 1:
        raise UserError(
            f"{path}: all {counts.total()} rows have the label {label_names[0]!r}: "
            "add rows with another label, or name another label column"
        )
    small = [name for name in label_names if counts[name] < N_SPLITS]
    if small:
        more = f" (and {len(small) - 1} more classes are as small)" if len(small) > 1 else ""
        raise UserError(
            f"{path}: label {small[0]!r} has {counts[small[0]]} of the {N_SPLITS} rows that train, "
            f"validation and test need{more}: add rows, remove the label, or name another label column"
        )


def stratified_parts(labels: np.ndarray, seed: int) -> Parts:
    """Split labels (N,) 70/10/20 within each class, each class in every part at least once.

    Needs 3 rows a class. scikit-learn's `train_test_split` called twice needs more than that, and may leave a
    small class out of a part.
    """
    import numpy as np

    random = np.random.RandomState(
        seed
    )  # its stream is frozen for good, so a seed means the same split forever
    parts: list[list[np.ndarray]] = [[], [], []]
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        n_validation = max(1, round(len(rows) * VALIDATION_FRACTION))
        n_test = max(1, round(len(rows) * TEST_FRACTION))
        cuts = np.split(rows, [len(rows) - n_validation - n_test, len(rows) - n_test])
        for part, cut in zip(parts, cuts, strict=True):
            part.append(cut)
    train, validation, test = (random.permutation(np.concatenate(part)) for part in parts)
    return train, validation, test


def _indices(labels: Sequence[str], label_names: tuple[str, ...]) -> np.ndarray:
    import numpy as np

    index = {name: i for i, name in enumerate(label_names)}
    return np.array([index[label] for label in labels], dtype=np.int64)


def _assemble(
    name: str,
    texts: Sequence[str],
    labels: Sequence[str],
    label_names: tuple[str, ...],
    parts: Parts,
    split_seed: int,
    notes: tuple[str, ...],
) -> Dataset:
    indices = _indices(labels, label_names)
    splits = []
    for rows in parts:
        part_labels = indices[rows]
        part_labels.setflags(write=False)
        splits.append(Split(tuple(texts[row] for row in rows), part_labels, rows))
    train, validation, test = splits
    pieces = [json.dumps(label_names)]
    for split in splits:  # each split begins with its length, so that no two datasets give the same pieces
        pieces += [json.dumps(len(split)), *_labelled(split.texts, split.labels.tolist())]
    occurrences = Counter(text for split in splits for text in set(split.texts))
    return Dataset(
        name=name,
        train=train,
        validation=validation,
        test=test,
        label_names=label_names,
        fingerprint=_sha256(pieces),
        source_fingerprint=_sha256([json.dumps(label_names), *_labelled(texts, indices.tolist())]),
        split_seed=split_seed,
        duplicates=sum(count > 1 for count in occurrences.values()),
        notes=notes,
    )


def _labelled(texts: Sequence[str], labels: Sequence[int]) -> list[str]:
    return [json.dumps([label, text]) for label, text in zip(labels, texts, strict=True)]


def _sha256(pieces: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece.encode() + b"\n")
    return digest.hexdigest()
