"""The whole check, in the order in which one would read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.check.classes import check_classes
from bench.check.duplicates import check_duplicates, find_copies
from bench.check.finding import Finding, Sample
from bench.check.groups import check_groups
from bench.check.read import read_leniently
from bench.check.suspects import check_suspects
from bench.check.texts import check_texts
from bench.evidence.design import Design
from bench.records.groups import count_as
from gptcore.data.checks import is_blank
from gptcore.data.options import ReadOptions
from gptcore.data.parts import TEST_FRACTION

N_COMPARISONS = 5  # of the quick matrix, which is where most studies begin


@dataclass(frozen=True)
class Checked:
    """What was found in a file; n_rows: usable ones; design: of a study on it, None where no study is possible."""

    source: str
    n_rows: int
    findings: tuple[Finding, ...]
    design: Design | None


def check(
    source: str,
    options: ReadOptions,
    progress: Callable[[str], None] | None = None,
    models: Sequence[str] = (),
) -> Checked:
    """Check what `--data` takes: a file, a data set by name, or hub:NAME. Raises UserError.

    progress: called with what is done next; models: folders or hub ids, see `check_texts`.
    """
    tell = progress or (lambda _: None)
    tell("reading")
    sample, findings = read_leniently(source, options)
    firsts = find_copies(sample)
    findings += check_groups(sample, firsts, options.group_column)
    findings += check_classes(sample)
    tell("measuring texts")
    findings += check_texts(sample, models)
    tell("comparing texts")
    findings += check_duplicates(sample, firsts)
    tell("looking for wrong labels")
    findings += check_suspects(sample, firsts)
    order = ("problem", "warning", "note")
    ranked = sorted(findings, key=lambda finding: order.index(finding.level))
    return Checked(source, len(sample), tuple(ranked), _design(sample, options.group_column))


def _design(sample: Sample, group_column: str | None) -> Design | None:
    """group_column: of the groups that count together, if any, of which a split tests its share of those that fit."""
    counts = Counter(sample.labels)
    if len(counts) < 2:
        return None
    tested = [at for at, part in enumerate(sample.parts or ()) if part == "test"]
    n_test = len(tested) or sum(max(1, round(n * TEST_FRACTION)) for n in counts.values())
    design = Design(n_test, 1 / (n_test if tested else len(sample)), N_COMPARISONS)
    if group_column is None or group_column not in sample.groups:
        return design
    if any(map(is_blank, sample.groups[group_column])):
        return None  # a study refuses such rows
    groups = [sample.groups[group_column][at] for at in tested or range(len(sample))]
    sizes = Counter(groups)
    fitting = [group for group in groups if sizes[group] <= n_test] or groups[:1]
    share = min(1.0, n_test / len(fitting))
    return replace(
        design,
        n_groups=max(1, round(share * len(set(fitting)))),
        groups_count_as=max(1.0, share * count_as(fitting)),
    )
