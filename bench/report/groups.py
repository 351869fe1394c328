"""What a report says where test texts have groups, such as users or threads. Plain text."""

from __future__ import annotations

from collections.abc import Mapping

from bench.evidence.holm import ALPHA
from bench.evidence.verdicts import Verdict
from bench.records.groups import MIN_GROUPS
from gptcore.wording import pluralise


def groups_note(verdicts: Mapping[str, Verdict]) -> str:
    """How the groups count, or that there are too few of them; empty without groups."""
    grouped = {name: one.n_groups for name, one in verdicts.items() if one.n_groups is not None}
    if not grouped:
        return ""
    most = max(grouped.values())
    few = [name for name in grouped if not verdicts[name].has_enough_groups]
    if len(few) == len(grouped):
        return f"{_too_few(most)}, so no row is called better or worse, and the intervals are rough"
    text = (
        f"Test texts of one group count together (--group-column; {most:,} groups in the test parts): variances are "
        "of sums by group, and verdicts hold for other groups like these"
    )
    if few:
        text += f". {_too_few(min(grouped.values()))}: {', '.join(few)} cannot be called better or worse"
    of_models = [one.n_groups for one in verdicts.values() if not one.is_of_recipes and one.n_groups]
    least = min(of_models, default=None)
    if least is not None and 2 ** (1 - least) * len(of_models) > ALPHA:
        text += f". With one or two seeds, {least} groups are too few to tell trained models apart"
    return text


def _too_few(n: int) -> str:
    groups = "a test part of a single group" if n == 1 else f"{pluralise(n, 'group')} in the test parts"
    verb = "is" if n == 1 else "are"
    return f"There {verb} {groups} (--group-column); fewer than {MIN_GROUPS} say next to nothing of others"
