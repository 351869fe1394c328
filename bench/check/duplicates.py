"""Copies and near copies: of one label, of several, and across given parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bench.check.finding import N_SHOWN, Finding, Sample, quoted
from bench.check.near import N_GRAM, THRESHOLD, near_pairs
from gptcore.data.checks import LEAK, copies, normalised, repeats
from gptcore.wording import pluralise


def check_duplicates(sample: Sample, firsts: Sequence[int]) -> list[Finding]:
    """Copies but for case and blanks, and texts that differ by little. firsts: (N,) see `copies`."""
    groups: dict[int, list[int]] = defaultdict(list)
    for at, first in enumerate(firsts):
        groups[first].append(at)
    repeated = [rows for rows in groups.values() if len(rows) > 1]
    contradicting = [rows for rows in repeated if len({sample.labels[at] for at in rows}) > 1]
    findings = []
    if repeated:
        n = sum(len(rows) - 1 for rows in repeated)
        findings.append(
            Finding(
                "warning" if n >= 0.01 * len(sample) else "note",
                pluralise(n, "row repeats", "rows repeat") + " the text of another, but for case and blanks",
                tuple(_several(sample, rows) for rows in repeated[:N_SHOWN]),
                "copies are kept in one part of a split; remove them if a text counts once",
            )
        )
    if contradicting:
        findings.append(
            Finding(
                "problem",
                pluralise(len(contradicting), "text stands", "texts stand") + " under more than one label",
                tuple(_several(sample, rows) for rows in contradicting[:N_SHOWN]),
                "decide on one label for each, or remove them: nothing can be right about both",
            )
        )
    return [*findings, *_across(sample, firsts), *_near(sample, sorted(groups))]


def find_copies(sample: Sample) -> list[int]:
    """(N,) of each row the first one with the same text."""
    return copies(sample.texts)


def _several(sample: Sample, rows: Sequence[int]) -> str:
    shown = ", ".join(f"{sample.places[at]} ({sample.labels[at]!r})" for at in rows[:4])
    more = f" and {len(rows) - 4:,} more" if len(rows) > 4 else ""
    return f"{shown}{more}: {quoted(sample.texts[rows[0]])}"


def _across(sample: Sample, firsts: Sequence[int]) -> list[Finding]:
    """Rows whose text also stands in a later given part."""
    if sample.parts is None:
        return []
    out = repeats(firsts, sample.parts)
    if not out:
        return []
    kept = {first: at for at, first in enumerate(firsts) if sample.parts[at] == "validation"}
    kept |= {first: at for at, first in enumerate(firsts) if sample.parts[at] == "test"}
    n_test = sum(part == "test" for part in sample.parts)
    out_texts = {firsts[at] for at in out}
    n_seen = sum(
        part == "test" and first in out_texts for first, part in zip(firsts, sample.parts, strict=True)
    )
    return [
        Finding(
            "warning" if n_seen >= LEAK * n_test else "note",
            f"{n_seen:,} of {n_test:,} test texts also stand in train or validation: training leaves out "
            + pluralise(len(out), "row that repeats", "rows that repeat")
            + " a later part",
            tuple(_several(sample, [kept[firsts[at]], at]) for at in out[:N_SHOWN]),
            "if other programs train on these files, remove the rows there: accuracy on new texts would be lower",
        )
    ]


def _near(sample: Sample, different: Sequence[int]) -> list[Finding]:
    """different: the first row of every text."""
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = near_pairs([normalised(sample.texts[at]) for at in different])
    if not len(pairs):
        return []
    n = len(different)
    _, group_of = connected_components(
        coo_matrix((np.ones(len(pairs)), pairs.T), shape=(n, n)), directed=False
    )
    n_rows = len(np.unique(pairs))
    n_groups = len(np.unique(group_of[pairs[:, 0]]))
    rows = [(different[a], different[b]) for a, b in pairs.tolist()]
    how = f"(character {N_GRAM}-grams, Jaccard {THRESHOLD:g} or more)"
    findings = [
        Finding(
            "warning" if n_rows >= 0.01 * n else "note",
            f"{n_rows:,} texts nearly repeat another, in {pluralise(n_groups, 'group')} {how}: a split may part them, "
            "and accuracy then looks too high",
            tuple(_pair(sample, a, b) for a, b in rows[:N_SHOWN]),
            "keep one of each group, or name a column with the group of each row with --group-column",
        )
    ]
    apart = [(a, b) for a, b in rows if sample.labels[a] != sample.labels[b]]
    if apart:
        findings.append(
            Finding(
                "warning",
                pluralise(len(apart), "pair of near duplicates has", "pairs of near duplicates have")
                + " different labels",
                tuple(_pair(sample, a, b) for a, b in apart[:N_SHOWN]),
                "read both texts: is one label wrong?",
            )
        )
    return findings


def _pair(sample: Sample, a: int, b: int) -> str:
    return f"{sample.show(a, 45)} and {sample.show(b, 45)}"
