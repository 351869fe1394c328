"""Users, threads, authors: rows that belong together and must not stand in several parts of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.check.finding import N_SHOWN, Finding, Sample
from gptcore.data.checks import is_blank
from gptcore.data.groups import PART_THEM, components, joined_by, straddling
from gptcore.data.parts import TEST_FRACTION
from gptcore.wording import pluralise


def check_groups(sample: Sample, firsts: Sequence[int], named: str | None) -> list[Finding]:
    """A finding for each column of groups. firsts: (N,) see `copies`; named: the column that --group-column names."""
    findings = []
    for column, groups in sample.groups.items():
        missing = [at for at, group in enumerate(groups) if is_blank(group)] if column == named else []
        if missing:
            findings.append(_missing(sample, column, missing))
        counts = Counter(group for group in groups if not is_blank(group))
        several = sum(n > 1 for n in counts.values())
        if not several or len(counts) == 1:
            continue
        if sample.parts is not None:
            findings.append(_given(sample, column, groups, sample.parts))
        elif column == named:
            title = f"{len(counts):,} groups in {column!r}, {several:,} of them in several rows: each stays in one part"
            findings.append(Finding("note", title, _largest(sample, groups, counts)))
            if not missing:  # else rows without a value would count as one group
                findings += _joined(sample, firsts, groups)
        else:
            findings.append(
                Finding(
                    "warning",
                    f"the column {column!r} has {len(counts):,} values, {several:,} of them in several rows: a split "
                    "by rows puts rows of one value into train and test, and accuracy looks too high",
                    _largest(sample, groups, counts),
                    f"add --group-column {column!r}, which keeps the rows of a value in one part",
                )
            )
    return findings


def _given(sample: Sample, column: str, groups: Sequence[str], parts: Sequence[str]) -> Finding:
    """Groups that the given parts divide."""
    apart = straddling(groups, parts)
    apart.pop("", None)
    if not apart:
        return Finding("note", f"no value of {column!r} has rows in two of the given parts")
    seen = {group for group, of in apart.items() if "test" in of}
    n_test = sum(part == "test" for part in parts)
    n_seen = sum(part == "test" and group in seen for group, part in zip(groups, parts, strict=True))
    examples = tuple(
        f"{sample.places[groups.index(group)]}: {group[:60]!r} has rows in {' and '.join(sorted(of))}"
        for group, of in list(apart.items())[:N_SHOWN]
    )
    return Finding(
        "problem",
        pluralise(len(apart), f"value of {column!r} has", f"values of {column!r} have")
        + f" rows in several of the given parts; {n_seen:,} of {n_test:,} test rows belong to one of them",
        examples,
        "move all rows of a value into one part, or accuracy on new ones is likely to be lower",
    )


def _joined(sample: Sample, firsts: Sequence[int], groups: Sequence[str]) -> list[Finding]:
    """Groups that copies of a text join, so that they stay in one part as well."""
    joined = joined_by(sample.texts, firsts, groups)
    if not joined:
        return []
    largest = max(Counter(components(firsts, groups)).values()) / len(sample)
    title = (
        f"{joined}: copies stay together, and the largest set of joined groups has {largest:.0%} of the rows"
    )
    having: dict[
        int, dict[str, int]
    ] = {}  # first row of a text -> its groups, each with its first row of the text
    for at, (first, group) in enumerate(zip(firsts, groups, strict=True)):
        having.setdefault(first, {}).setdefault(group, at)
    rows = list(max(having.values(), key=len).values())
    examples = tuple(f"{sample.show(at)} of {groups[at][:60]!r}" for at in rows[:N_SHOWN])
    return [Finding("warning" if largest > TEST_FRACTION else "note", title, examples, PART_THEM)]


def _largest(sample: Sample, groups: Sequence[str], counts: Counter[str]) -> tuple[str, ...]:
    name, n = counts.most_common(1)[0]
    return (f"{sample.places[groups.index(name)]}: {name[:60]!r} stands in {n:,} rows",)


def _missing(sample: Sample, column: str, missing: Sequence[int]) -> Finding:
    return Finding(
        "problem",
        pluralise(len(missing), "row has", "rows have") + f" no value in {column!r}",
        tuple(sample.show(at) for at in missing[:N_SHOWN]),
        "give each such row a value of its own: training refuses the file until then",
    )
