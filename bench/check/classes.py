"""Classes: their sizes and balance, and names that mean the same."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict

from bench.check.finding import N_SHOWN, Finding, Sample
from gptcore.data.labels import FEW_ON_AVERAGE, FEW_TEXTS, class_order, difference_of, essence, score_warnings
from gptcore.wording import pluralise

MANY_SHOWN = 8
LOPSIDED = 0.8  # share of the largest class, from which on accuracy says little


def check_classes(sample: Sample) -> list[Finding]:
    """What is odd about the classes; the sizes are always told."""
    counts = Counter(sample.labels)
    first: dict[str, int] = {}
    for at, label in enumerate(sample.labels):
        first.setdefault(label, at)
    largest, most = counts.most_common(1)[0]
    shown = ", ".join(
        f"{name!r} {n:,} ({100 * n / len(sample):.1f}%)" for name, n in counts.most_common(MANY_SHOWN)
    )
    more = f" and {len(counts) - MANY_SHOWN:,} more" if len(counts) > MANY_SHOWN else ""
    shown_rows = tuple(sample.show(first[name]) for name, _ in counts.most_common(N_SHOWN))
    findings = [Finding("note", f"{len(counts):,} classes: {shown}{more}", shown_rows)]
    if len(counts) == 1:
        remedy = "add rows with another label, or name another label column with --label-column"
        return [Finding("problem", f"every row has the label {largest!r}", (sample.show(0),), remedy)]
    findings += _alike(sample, counts, first)
    findings += [
        Finding(
            "warning",
            line,
            shown_rows,
            "name the column of the class with --label-column, or group the values",
        )
        for line in score_warnings(counts)
    ]
    mean = len(sample) / len(counts)
    if len(counts) > 2 and mean < FEW_ON_AVERAGE:
        remedy = "name the column of the class with --label-column"
        line = f"{len(counts):,} classes for {len(sample):,} rows: is this column the label?"
        findings.append(Finding("warning", line, (sample.show(0),), remedy))
        return findings
    findings += _small(sample, counts, first)
    if most / len(sample) >= LOPSIDED:
        findings.append(
            Finding(
                "warning",
                f"always answering {largest!r} is right for {100 * most / len(sample):.1f}% of the rows: accuracy says "
                "little",
                (sample.show(first[largest]),),
                "compare macro-F1, which the reports show, and look at the confusion table",
            )
        )
    return findings


def _small(sample: Sample, counts: Counter[str], first: dict[str, int]) -> list[Finding]:
    """Classes of too few rows to be divided, or to be measured."""
    findings = []
    too_few = [name for name in class_order(counts) if counts[name] < 3]
    few = [name for name in class_order(counts) if 3 <= counts[name] < FEW_TEXTS]
    if too_few and sample.parts is None:
        findings.append(
            Finding(
                "problem",
                pluralise(len(too_few), "class has", "classes have")
                + " fewer than the 3 rows that train, validation and test need",
                tuple(sample.show(first[name]) for name in too_few[:N_SHOWN]),
                "add rows, or remove or merge these classes: training refuses the file until then",
            )
        )
    if few:
        findings.append(
            Finding(
                "warning",
                pluralise(len(few), "class has", "classes have")
                + f" fewer than {FEW_TEXTS} rows: figures of such a class are mostly chance",
                tuple(
                    f"{sample.places[first[name]]}: {name!r} has {counts[name]} rows"
                    for name in few[:N_SHOWN]
                ),
                "add rows, or merge classes with --label-names",
            )
        )
    return findings


def _alike(sample: Sample, counts: Counter[str], first: dict[str, int]) -> list[Finding]:
    """Names that differ only in what is easily overlooked."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in class_order(counts):
        groups[essence(name)].append(name)
    several = [sorted(names, key=lambda name: -counts[name]) for names in groups.values() if len(names) > 1]
    new_names = {name: names[0] for names in several for name in names}
    remedy = "if they are one class, give them one name in the file"
    if not any({",", "="} & set(name) for name in counts):  # which the option could not tell apart
        renames = ",".join(f"{name}={new_names.get(name, name)}" for name in class_order(counts))
        remedy += f", or with --label-names {shlex.quote(renames)}"
    return [
        Finding(
            "problem",
            f"classes {', '.join(f'{name!r} ({counts[name]:,})' for name in names)} differ only in "
            f"{difference_of(names)}",
            tuple(sample.show(first[name]) for name in names[1 : N_SHOWN + 1]),
            remedy,
        )
        for names in several
    ]
