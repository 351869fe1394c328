"""When rows are judged and what each look may spend of the error level, fixed before anything runs.

A row that is judged with 5 seeds and again with 10 has two chances to err. So each look has a share of the level
(alpha spending; a p value counts as p / share), and all shares together are no more than one. Looks added later
share what is left. Whatever decides how many seeds a row gets, and when a study stops, the error rate holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

from bench.evidence.models import MIN_SEEDS
from bench.records.study import PlannedLook
from gptcore.errors import UserError

LOOKS = (5, 10, 20, 40)  # of --until-decided
MOST_SEEDS = 1000  # of a row, as --seeds has it
MOST_LOOKS = 20  # of one call: each takes its share of the level, and its time in every report
_ONE = 0.75  # of what is left, where one look is added: the rest is for seeds that nobody planned
_SEVERAL = 0.9  # the same for several looks
_DIGITS = 6


def with_looks(scheme: Sequence[PlannedLook], seeds: Sequence[int]) -> list[PlannedLook]:
    """The scheme with looks at so many seeds after those that it has; they share what is left of the level."""
    last = scheme[-1].seeds if scheme else 0
    added = [n for n in seeds if n > last and n >= MIN_SEEDS]
    left = unspent(scheme)
    shares = [floor(share * left * 10**_DIGITS) / 10**_DIGITS for share in _shares(len(added))]
    return [
        *scheme,
        *(PlannedLook(seeds=n, share=share) for n, share in zip(added, shares, strict=True) if share > 0),
    ]


def unspent(scheme: Sequence[PlannedLook]) -> float:
    """Share of the level that no look has."""
    return max(0.0, 1.0 - sum(look.share for look in scheme))


def next_share(scheme: Sequence[PlannedLook]) -> float:
    """Share of one more look."""
    return _ONE * unspent(scheme)


def parse_looks(text: str) -> tuple[int, ...]:
    """From "5,10,20" to (5, 10, 20). Raises UserError unless they are increasing numbers that a row can have."""
    if (n := text.count(",") + 1) > MOST_LOOKS:
        raise UserError(
            f"--looks: {n:,} looks: each has its share of the error level: plan {MOST_LOOKS} or fewer"
        )
    try:
        looks = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--looks {text}: write numbers of seeds, such as 5,10,20,40") from None
    if looks[0] < MIN_SEEDS:
        raise UserError(f"--looks {text}: recipes need {MIN_SEEDS} seeds or more: start from there")
    if sorted(set(looks)) != list(looks):
        raise UserError(
            f"--looks {text}: each look needs more seeds than the one before: write them in increasing order"
        )
    if looks[-1] > MOST_SEEDS:
        raise UserError(f"--looks {text}: a row has {MOST_SEEDS:,} seeds at most: end there or before")
    return looks


def _shares(n: int) -> list[float]:
    """Of what is left, for n looks. Little for the first, which all rows take; most for the middle."""
    if n <= 1:
        return [_ONE] * n
    weights = [1, 3] if n == 2 else [1, *[3] * (n - 2), 2]
    return [_SEVERAL * weight / sum(weights) for weight in weights]
