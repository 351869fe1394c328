"""Labelled texts in train, validation and test splits: a data set by name, a user's own file or texts in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptcore.data.checks import copies, leak_warning, n_seen
from gptcore.data.fingerprints import of_source, of_splits
from gptcore.data.groups import group_numbers
from gptcore.data.labels import label_indices
from gptcore.data.named import NAMED
from gptcore.data.nested import limited
from gptcore.data.options import HUB_PREFIX, ReadOptions
from gptcore.data.parts import Cut
from gptcore.data.source import Source, named_source, table_source
from gptcore.data.splits import cut
from gptcore.errors import UserError, closest
from gptcore.paths import path_kind

if TYPE_CHECKING:
    import numpy as np


DATASETS = {name: data.line for name, data in NAMED.items()}
PUBLISHED_SEED = 123


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


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits and what is needed to know them again.

    `fingerprint`: SHA-256 (hex) over label names and the texts and labels of the splits in order;
    `source_fingerprint`: the same over all labelled rows before they were sampled and split, and their given parts;
    `duplicates`: distinct texts that occur in more than one split; `n_test_seen`, `n_test_seen_alike`: test texts
    that also stand in train or validation, word for word and but for case and blanks;
    `notes`: facts about the data that a report should tell; `warnings`: those that may make results misleading;
    `given`: the parts that were given, which no seed changes.
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
    n_test_seen: int = 0
    n_test_seen_alike: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    source: Source | None = None
    _others: dict[int, Dataset] = field(default_factory=dict, repr=False)

    @property
    def test_groups(self) -> list[int] | None:
        """(N,) of each test text the first row of the source with its group; None without groups."""
        if self.source is None or self.source.groups is None or self.test.rows is None:
            return None
        numbers = group_numbers(self.source.groups)
        return [numbers[row] for row in self.test.rows.tolist()]

    def with_split(self, split_seed: int) -> Dataset:
        """The same source split with another seed; each split is made once. Raises UserError for a bad seed."""
        if split_seed == self.split_seed:
            return self
        if split_seed not in self._others:
            if self.source is None:
                raise UserError(
                    f"dataset {self.name}: it cannot be split with seed {split_seed}: load it with load_dataset"
                )
            self._others[split_seed] = split_source(self.source, split_seed)
        return self._others[split_seed]

    def with_folds(self) -> Dataset:
        """The same source, of which five split seeds in a row test every text once, see `gptcore.data.folds`.

        Raises UserError where parts are given.
        """
        if self.source is None or self.given:
            raise UserError(f"--splits kfold: the test rows of {self.name} are given: leave it out")
        if self.source.groups is not None:
            raise UserError(
                "--splits kfold: it does not keep groups together: leave out it or --group-column"
            )
        return split_source(replace(self.source, folds=True), self.split_seed)

    def with_fixed_test(self) -> Dataset:
        """The same rows, whose test part no seed changes: seeds of the split draw train and validation from the others.

        Raises UserError where it is not known how the data were split.
        """
        if self.given:
            return self
        rows = [part.rows for part in (self.train, self.validation, self.test)]
        if self.source is None or self.source.folds or any(part is None for part in rows):
            raise UserError(
                f"dataset {self.name}: its test part cannot be kept: load it with load_dataset, unfolded"
            )
        kept = [
            (row, "test" if i == 2 else "train")
            for i, part in enumerate(rows)
            for row in (() if part is None else part)
        ]
        source = replace(
            self.source,
            texts=[self.source.texts[row] for row, _ in kept],
            labels=[self.source.labels[row] for row, _ in kept],
            parts=[part for _, part in kept],
            groups=None if self.source.groups is None else [self.source.groups[row] for row, _ in kept],
            published=None,
            copies_stay=self.source.published is not None,
            limit=None,
            warnings=(*self.source.warnings, *(text for text in self.warnings if "--limit" in text)),
        )
        return split_source(source, self.split_seed)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        labels: Iterable[object],
        *,
        split_seed: int = PUBLISHED_SEED,
        validation: tuple[Iterable[str], Iterable[object]] | None = None,
        test: tuple[Iterable[str], Iterable[object]] | None = None,
        name: str = "texts",
    ) -> Dataset:
        """A dataset of texts in memory: lists, arrays or columns of a data frame.

        labels: strings, numbers or truth values, one for each text; validation, test: (texts, labels) of these
        parts, where they are given. What is not given is cut off as from a file. Raises UserError.
        """
        from gptcore.data.memory import table_of

        table = table_of(name, {"train": (texts, labels), "validation": validation, "test": test})
        return split_source(table_source(name, table), split_seed)


def load_dataset(
    name_or_path: str | Path = "sms-spam",
    options: ReadOptions | None = None,
    *,
    split_seed: int = PUBLISHED_SEED,
    **fields: Any,
) -> Dataset:
    """A dataset of `DATASETS` by name, hub:NAME[:CONFIG][@REVISION], or a CSV, TSV, JSON or Parquet file by its path.

    Data sets by name are fetched once (`data_path`: or read from a copy of one's own); sms-spam and imdb are split as
    published (seed 123 gives the published rows). A file's rows are all kept, verbatim, and split 70/10/20 within
    each class, unless parts are given. options: how to read the file; `fields` are those of ReadOptions, such as
    text_column="review". Raises UserError for an unknown name, and for a file, column or row that cannot be used.
    """
    return split_source(load_source(name_or_path, replace(options or ReadOptions(), **fields)), split_seed)


def load_source(name_or_path: str | Path, options: ReadOptions) -> Source:
    """What `load_dataset` splits: all labelled texts. Raises UserError as it does, but for what no split can have."""
    if not isinstance(name_or_path, str | Path):
        raise UserError(
            f"load_dataset takes a name or a path, not {type(name_or_path).__name__}: "
            "for texts in memory use Dataset.from_texts(texts, labels)"
        )
    if isinstance(name_or_path, str) and (data := NAMED.get(name_or_path)) is not None:
        if replace(options, data_path=None, limit=None) != ReadOptions():
            raise UserError(
                f"dataset {name_or_path}: columns, splits and formats can be named for a file only"
            )
        return replace(named_source(data, options.data_path), limit=options.limit)
    if options.data_path is not None:
        raise UserError(
            f"--data-path {options.data_path}: it is for data sets with a name, and a file is named already"
        )
    if isinstance(name_or_path, str) and name_or_path.startswith(HUB_PREFIX):
        from gptcore.data.hub import parse_hub_name, read_hub_table

        hub_name = parse_hub_name(name_or_path)
        return table_source(hub_name.repo, read_hub_table(hub_name, options), options.limit)
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and not path.suffix and len(path.parts) <= 1 and path_kind(path) is None:
        raise UserError(f"unknown dataset {name_or_path!r}, and no such file: {closest(name_or_path, NAMED)}")
    from gptcore.data.tables import read_tables

    return table_source(path.name, read_tables(path, options), options.limit)


def split_source(source: Source, split_seed: int) -> Dataset:
    """Cut a source into its three parts. Raises UserError where a class or a part would be empty."""
    if not 0 <= split_seed < 2**32:
        raise UserError(f"split seed {split_seed}: it must be between 0 and {2**32 - 1}")
    indices = label_indices(source.labels, source.label_names)
    if source.folds:
        done = _folds(source, indices, split_seed)
    elif source.published is not None:
        done = Cut(source.published(source.labels, split_seed))
    else:
        done = cut(
            source.name,
            indices,
            source.label_names,
            source.parts,
            split_seed,
            source.texts,
            source.groups,
            source.copies_stay,
        )
    warnings: tuple[str, ...] = ()
    if source.limit is not None and source.limit < (n_train := len(done.rows[0])):
        done = done._replace(rows=limited(done.rows, indices, source.limit))
        warnings = (
            f"a first look: {len(done.rows[0]):,} of {n_train:,} training texts, and the same share of the other parts "
            "(--limit): leave it out for results",
        )
    splits = []
    for rows in done.rows:
        part_labels = indices[rows]
        part_labels.setflags(write=False)
        splits.append(Split(tuple(source.texts[row] for row in rows), part_labels, rows))
    train, validation, test = splits
    occurrences = Counter(text for split in splits for text in set(split.texts))
    exact, alike = n_seen(test.texts, (*train.texts, *validation.texts))
    return Dataset(
        name=source.name,
        train=train,
        validation=validation,
        test=test,
        label_names=source.label_names,
        fingerprint=of_splits(source.label_names, ((split.texts, split.labels) for split in splits)),
        source_fingerprint=of_source(
            *(source.label_names, source.texts, indices, source.parts, source.limit, source.groups)
        ),
        split_seed=split_seed,
        duplicates=sum(count > 1 for count in occurrences.values()),
        n_test_seen=exact,
        n_test_seen_alike=alike,
        notes=(*source.notes, *done.notes),
        warnings=(*warnings, *source.warnings, *leak_warning(len(test), exact, alike)),
        given=done.given,
        source=source,
    )


def _folds(source: Source, indices: np.ndarray, split_seed: int) -> Cut:
    import numpy as np

    from gptcore.data.folds import N_FOLDS, fold_parts

    published = None if source.published is None else source.published(source.labels, PUBLISHED_SEED)
    parts = fold_parts(source.name, indices, np.array(copies(source.texts)), split_seed, published)
    first = ", the published test part first" if published is not None else ""
    return Cut(parts, notes=(f"k-fold splits: {N_FOLDS} seeds test every text once{first}",))
