"""Reads a file as `--data` does, but lists every unusable row instead of refusing the file at the first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.check.finding import N_SHOWN, Finding, Sample
from gptcore.data.checks import blank_before_quote, label_problem, line_breaks, text_problem
from gptcore.data.columns import Choice, RawTable, choose_columns, is_nameless
from gptcore.data.datasets import DATASETS, load_source
from gptcore.data.hub import hub_files, parse_hub_name
from gptcore.data.labels import label_name, mixed_types_warning, parse_label_names, unnamed_label
from gptcore.data.options import HUB_PREFIX, ReadOptions
from gptcore.data.tables import parts_of, read_raw, texts_of
from gptcore.errors import UserError
from gptcore.wording import pluralise

GROUP_WORDS = (
    "user",
    "author",
    "thread",
    "conversation",
    "session",
    "customer",
    "speaker",
    "patient",
    "sender",
)


def read_leniently(source: str, options: ReadOptions) -> tuple[Sample, list[Finding]]:
    """The usable rows of a file, or of a data set by name, and what was found while reading.

    Raises UserError where the file itself or its columns cannot be read, and where no row is usable.
    """
    if source in DATASETS:
        data = load_source(source, options)
        places = [f"row {number}" for number in range(1, len(data.texts) + 1)]
        return Sample(data.texts, data.labels, places, data.parts), [
            Finding("note", note) for note in data.notes
        ]
    files, notes = _files(source, options)
    samples, findings = [], [Finding("note", note) for note in notes]
    for path, part, where in files:
        sample, found = _read(path, options if part is None else options.of_one_file(), part, where)
        samples.append(sample)
        findings += found
    whole = samples[0] if len(samples) == 1 else _joined(samples)
    if not len(whole):
        raise UserError(f"{source}: no row has a text and a label")
    return whole, findings


def _files(source: str, options: ReadOptions) -> tuple[list[tuple[Path, str | None, str]], list[str]]:
    """Each file, its part where that is given, and what places in it begin with; and remarks."""
    if not source.startswith(HUB_PREFIX):
        given = [("validation", options.validation), ("test", options.test)]
        others = [(path, part, f"{path.name}, ") for part, path in given if path is not None]
        return [(Path(source), None, ""), *others], []
    found, notes = hub_files(parse_hub_name(source), options)
    has_test = any(part == "test" for part, _ in found)
    return [(path, part if has_test else None, f"{part}, {path.name}, ") for part, path in found], notes


def _read(path: Path, options: ReadOptions, part: str | None, where: str) -> tuple[Sample, list[Finding]]:
    """The usable rows of one file. where: what its places begin with."""
    raw, notes = read_raw(path, options)
    choice = choose_columns(path, raw, options)
    texts, joined = texts_of(raw, choice)
    cells = raw.cells(choice.label)
    parts = parts_of(path, raw, choice)
    labels: list[str] = []
    usable: list[int] = []
    problems: dict[str, list[int]] = {}
    for at, (text, cell) in enumerate(zip(texts, cells, strict=True)):
        label = label_name(cell)
        if problem := text_problem(text) or label_problem(label):
            problems.setdefault(problem, []).append(at)
        else:
            usable.append(at)
            labels.append(str(label))
    labels = _renamed(path, raw, choice, labels, [raw.numbers[at] for at in usable], options)
    sample = Sample(
        texts=[str(texts[at]) for at in usable],
        labels=labels,
        places=[f"{where}{raw.unit} {raw.numbers[at]}" for at in usable],
        parts=[part or (parts[at] if parts else "train") for at in usable] if part or parts else None,
        groups=_group_columns(raw, choice, usable),
    )
    findings = [
        Finding(
            "problem",
            f"{pluralise(len(found), 'row')} cannot be used: {problem}",
            tuple(f"{where}{raw.unit} {raw.numbers[at]}" for at in found[:N_SHOWN]),
            "fix or remove them: training refuses the file until then",
        )
        for problem, found in problems.items()
    ]
    broken, too_long = line_breaks(raw, [raw.cells(at) for at in choice.texts])
    quoted = blank_before_quote(raw, [cells, *(raw.cells(at) for at in choice.texts)])
    findings += [Finding("note", note) for note in (*notes, *raw.notes, *joined, *broken)]
    findings += [
        Finding("warning", where + line, (), "look at that line in an editor and correct its quotes")
        for line in (*too_long, *quoted)
    ]
    findings += [
        Finding("warning", line, _kinds(sample, [cells[at] for at in usable]), "write this label in one way")
        for line in mixed_types_warning(cells)
    ]
    return sample, findings


def _kinds(sample: Sample, cells: Sequence[object]) -> tuple[str, ...]:
    """A row of each way in which a label is written, of the first label that is written in two."""
    first: dict[str, dict[bool, int]] = {}
    for at, cell in enumerate(cells):
        rows = first.setdefault(str(label_name(cell)), {})
        rows.setdefault(isinstance(cell, str), at)
        if len(rows) == 2:
            return tuple(f"{sample.show(row)}, written {cells[row]!r}" for row in sorted(rows.values()))
    return ()


def _renamed(
    path: Path,
    raw: RawTable,
    choice: Choice,
    labels: list[str],
    numbers: Sequence[int],
    options: ReadOptions,
) -> list[str]:
    """Labels by the names that the options or the file give them. Raises UserError for one without a name."""
    given = raw.class_names.get(raw.columns[choice.label], ())
    names = {str(number): name for number, name in enumerate(given)}
    if options.label_names is not None:
        names = parse_label_names(options.label_names)
    if not names:
        return labels
    if (found := unnamed_label(labels, names)) is not None:
        raise UserError(f"{path}, {raw.unit} {numbers[found[0]]}: the label {found[1]!r} has no name")
    return [names[label] for label in labels]


def _group_columns(raw: RawTable, choice: Choice, usable: Sequence[int]) -> dict[str, list[str]]:
    """Values of the columns that say who or what rows belong to: the one that is named, else those called so."""
    columns = [
        at
        for at, column in enumerate(raw.columns)
        if at == choice.group
        or (
            choice.group is None
            and at not in choice.used
            and not is_nameless(column)
            and any(word in column.lower() for word in GROUP_WORDS)
        )
    ]
    found = {}
    for at in columns:
        cells = raw.cells(at)
        found[raw.columns[at]] = ["" if cells[row] is None else str(cells[row]).strip() for row in usable]
    return found


def _joined(samples: list[Sample]) -> Sample:
    return Sample(
        texts=[text for sample in samples for text in sample.texts],
        labels=[label for sample in samples for label in sample.labels],
        places=[place for sample in samples for place in sample.places],
        parts=[part for sample in samples for part in sample.parts or ["train"] * len(sample)],
        groups={
            name: [group for sample in samples for group in sample.groups[name]]
            for name in samples[0].groups
            if all(name in sample.groups for sample in samples)
        },
    )
