"""A user's own labelled texts: delimited, JSON and Parquet files, checked row by row, nothing changed.

Every cell is kept verbatim: "NA" and "null" are texts and labels like any other. Whatever is wrong with a
file ends in a UserError that names the file, the line as an editor counts it, and the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gptcore.data.checks import (
    Place,
    blank_before_quote,
    contradictions,
    is_blank,
    label_problem,
    line_breaks,
    shortened,
    text_problem,
)
from gptcore.data.columns import Choice, RawTable, choose_columns, is_nameless
from gptcore.data.delimited import read_delimited
from gptcore.data.files import decode, format_of, read_content
from gptcore.data.labels import label_name, mixed_types_warning, parse_label_names, unnamed_label
from gptcore.data.options import ReadOptions
from gptcore.data.structured import read_json, read_parquet
from gptcore.errors import UserError
from gptcore.wording import pluralise

JOIN = "\n"  # between the texts of several columns
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_SPLIT_COLUMNS = ("split", "set", "subset", "partition", "fold")


@dataclass(frozen=True)
class Table:
    """N labelled texts in file order, with remarks and warnings that a reader of the results should know.

    place: where the text at an index stands, such as (path, "line 12"); parts: "train", "validation" or "test" of each
    where the file says so; groups: the value of each in the column of groups, where one is named; class_names: the
    order of the classes where it is known.
    """

    texts: list[str]
    labels: list[str]
    place: Place
    parts: list[str] | None = None
    groups: list[str] | None = None
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_table(path: Path, options: ReadOptions | None = None) -> Table:
    """Read one file of a known suffix or of a shape that shows. Raises UserError for what cannot be used."""
    options = options or ReadOptions()
    return _table(path, *read_raw(path, options), options)


def read_raw(path: Path, options: ReadOptions) -> tuple[RawTable, tuple[str, ...]]:
    """A file's columns, none of them looked at yet, and remarks on how it was decoded. Raises UserError."""
    content = read_content(path)
    kind = format_of(path, content, options.separator)
    if kind == "parquet":
        return read_parquet(path, content.data), ()
    text, notes = decode(path, content.data, options.encoding)
    if kind == "json":
        return read_json(path, text), notes
    return read_delimited(path, text, "\t" if kind == "tsv" else ",", options), notes


def read_tables(path: Path, options: ReadOptions) -> Table:
    """A file and those of its validation and test parts, where `options` name any, as one table. Raises UserError."""
    tables = [read_table(path, options)]
    for part, file in (("validation", options.validation), ("test", options.test)):
        if file is not None:
            table = read_table(file, options.of_one_file())
            told = (f"{part}: the {len(table.texts):,} rows of {file.name}",)
            tables.append(replace(table, parts=[part] * len(table.texts), notes=(*told, *table.notes)))
    return finished(tables[0] if len(tables) == 1 else _joined(path, tables), options)


def finished(whole: Table, options: ReadOptions) -> Table:
    """A table of all parts with the class names that options give, and a warning of texts with several labels."""
    if options.label_names is not None:
        whole = _renamed(whole, parse_label_names(options.label_names))
    again = contradictions(whole.texts, whole.labels, whole.place)
    return replace(whole, warnings=(*whole.warnings, *again))


def _joined(path: Path, tables: list[Table]) -> Table:
    main, *others = tables
    parts = main.parts or ["train"] * len(main.texts)
    for other in others:
        part = (other.parts or [""])[0]
        if part in parts:
            raise UserError(
                f"{path}: its split column has {part} rows too: leave out --{part}, or remove these rows"
            )

    def place(at: int) -> tuple[str, str]:
        for table in tables:
            if at < len(table.texts):
                return table.place(at)
            at -= len(table.texts)
        raise IndexError(at)

    return Table(
        texts=[text for table in tables for text in table.texts],
        labels=[label for table in tables for label in table.labels],
        place=place,
        parts=[*parts, *(part for table in others for part in table.parts or [])],
        groups=None if main.groups is None else [group for table in tables for group in table.groups or []],
        class_names=main.class_names,
        notes=tuple(note for table in tables for note in table.notes),
        warnings=tuple(warning for table in tables for warning in table.warnings),
    )


def _renamed(table: Table, names: Mapping[str, str]) -> Table:
    """The classes under the names given; every label needs one."""
    if (found := unnamed_label(table.labels, names)) is not None:
        at, label = found
        raise UserError(
            f"{', '.join(table.place(at))}: the label {label!r} has no name in --label-names, which names "
            f"{', '.join(map(repr, names))}: name every label there is, as in 0=a,1=b"
        )
    there = set(table.labels)
    unused = [label for label in names if label not in there]
    told = (
        (f"no row has the label {unused[0]!r} that --label-names names{and_more(unused)}",) if unused else ()
    )
    return replace(
        table,
        labels=[names[label] for label in table.labels],
        class_names=tuple(dict.fromkeys(names.values())),
        warnings=(*table.warnings, *told),
    )


def _table(path: Path, raw: RawTable, notes: tuple[str, ...], options: ReadOptions) -> Table:
    choice = choose_columns(path, raw, options)
    if not raw.numbers:
        raise UserError(f"{path} has no rows below its header: it needs a text and a label for every example")
    texts, joined = texts_of(raw, choice)
    cells = raw.cells(choice.label)
    labels = _checked_labels(path, raw, texts, cells)
    class_names = raw.class_names.get(raw.columns[choice.label], ())
    if class_names and options.label_names is None:
        labels = _named(path, raw, labels, class_names)
    odd_notes, odd_warnings = line_breaks(raw, [raw.cells(at) for at in choice.texts])
    unread_notes, unread_warnings = _unread(raw, choice)
    quoted = blank_before_quote(raw, [cells, *(raw.cells(at) for at in choice.texts)])
    return Table(
        texts=[str(text) for text in texts],
        labels=labels,
        place=lambda at: (str(path), f"{raw.unit} {raw.numbers[at]}"),
        parts=parts_of(path, raw, choice),
        groups=_groups_of(path, raw, choice),
        class_names=class_names,
        notes=(*notes, *raw.notes, *joined, *odd_notes, *unread_notes),
        warnings=(*odd_warnings, *quoted, *mixed_types_warning(cells), *unread_warnings),
    )


def texts_of(raw: RawTable, choice: Choice) -> tuple[list[object], tuple[str, ...]]:
    """The texts, those of several columns joined, with what ran over into columns without a name."""
    columns = [raw.cells(at) for at in choice.texts]
    texts = columns[0] if len(columns) == 1 else [joined_cells(cells) for cells in zip(*columns, strict=True)]
    if not choice.run_over or raw.separator is None:
        return texts, ()
    n = 0
    whole: list[object] = []
    for text, *rest in zip(texts, *(raw.cells(at) for at in choice.run_over), strict=True):
        while rest and not rest[-1]:
            rest.pop()
        n += bool(rest)
        whole.append(raw.separator.join([str(text), *map(str, rest)]))
    if not n:
        return texts, ()
    rows = pluralise(n, "row runs", "rows run")
    return whole, (f"{rows} over into columns without a name: joined to the text with {raw.separator!r}",)


def joined_cells(cells: tuple[object, ...]) -> object:
    """The texts of several columns, without empty ones; what is not a text stays for the check to find."""
    for cell in cells:
        if cell is not None and not isinstance(cell, str):
            return cell
    return JOIN.join(cell for cell in cells if isinstance(cell, str) and not is_blank(cell))


def _checked_labels(path: Path, raw: RawTable, texts: Sequence[object], cells: Sequence[object]) -> list[str]:
    """The labels' names, once every text and label is known to be usable."""
    labels: list[str] = []
    problems: list[tuple[int, str]] = []
    for number, text, cell in zip(raw.numbers, texts, cells, strict=True):
        label = label_name(cell)
        problem = text_problem(text) or label_problem(label)
        if problem is not None:
            problems.append((number, problem))
        labels.append(str(label))
    if problems:
        number, problem = problems[0]
        same = [n for n, p in problems if p == problem]
        raise UserError(f"{path}, {raw.unit} {number}: {problem}{and_more(same)}: fix or remove it")
    return labels


def _named(path: Path, raw: RawTable, labels: list[str], class_names: tuple[str, ...]) -> list[str]:
    """The class names that the file itself has for its numbers."""
    if len(set(class_names)) < len(class_names):
        raise UserError(
            f"{path}: its class names are not all different: give others with --label-names a,b,c"
        )
    names = {str(number): name for number, name in enumerate(class_names)}
    if (found := unnamed_label(labels, names)) is None:
        return [names[label] for label in labels]
    at, label = found
    n = sum(label not in names for label in labels)
    hidden = (
        ", by which the hub hides the labels of test parts: use a part with labels" if label == "-1" else ""
    )
    raise UserError(
        f"{path}, {raw.unit} {raw.numbers[at]}: the label {label!r} has no name among the file's "
        f"{len(class_names)} class names ({n:,} of {len(labels):,} rows){hidden or ': remove these rows'}"
    )


def parts_of(path: Path, raw: RawTable, choice: Choice) -> list[str] | None:
    """The part of each row where a column says it: train, validation or test. Raises UserError."""
    if choice.split is None:
        return None
    parts: list[str] = []
    for number, cell in zip(raw.numbers, raw.cells(choice.split), strict=True):
        part = PARTS.get(str(cell).strip().lower())
        if part is None:
            raise UserError(
                f"{path}, {raw.unit} {number}: the split {shortened(str(cell))} is not understood: "
                "use train, validation or test"
            )
        parts.append(part)
    return parts


def _groups_of(path: Path, raw: RawTable, choice: Choice) -> list[str] | None:
    """The group of each row where a column says it. Raises UserError for a row without one."""
    if choice.group is None:
        return None
    groups = ["" if cell is None else str(cell).strip() for cell in raw.cells(choice.group)]
    if missing := [number for number, group in zip(raw.numbers, groups, strict=True) if is_blank(group)]:
        raise UserError(
            f"{path}, {raw.unit} {missing[0]}: the group in {raw.columns[choice.group]!r} is missing"
            f"{and_more(missing)}: give each such row a value of its own, or leave out --group-column"
        )
    return groups


def _unread(raw: RawTable, choice: Choice) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is in the file and not used: a remark; a warning where that may be an oversight."""
    unread = [at for at in range(len(raw.columns)) if at not in choice.used]
    named = [at for at in unread if not is_nameless(raw.columns[at])]
    warnings = [
        f"the column {raw.columns[at]!r} says which part a row belongs to and is not used: the file is split anew "
        f"(--split-column {raw.columns[at]} uses it)"
        for at in named
        if choice.split is None
        and raw.columns[at].strip().lower() in _SPLIT_COLUMNS
        and all(str(cell).strip().lower() in PARTS for cell in raw.cells(at))
    ]
    filled = [at for at in unread if at and is_nameless(raw.columns[at]) and any(raw.cells(at))]
    if filled and raw.separator is not None:
        n = sum(any(cells) for cells in zip(*(raw.cells(at) for at in filled), strict=True))
        rows = pluralise(n, "row holds", "rows hold")
        warnings.append(
            f"{rows} something in a column without a name, which is not read: does a text hold {raw.separator!r} "
            "and no double quotes around it?"
        )
    if not named:
        return (), tuple(warnings)
    shown = ", ".join(shortened(raw.columns[at], 40) for at in named[:5]) + (", …" if len(named) > 5 else "")
    return (f"columns not used: {shown}",), tuple(warnings)


def and_more(rows: Sequence[object]) -> str:
    """How many more there are like the first, in brackets."""
    return f" (and {len(rows) - 1:,} more like it)" if len(rows) > 1 else ""
