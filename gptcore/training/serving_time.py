"""How long it may take to measure a trained classifier, and will. Imports no torch."""

from __future__ import annotations

BUDGET_S = 1.0
RUN_SHARE, LEAST_S = 0.02, 0.1  # of the run before it, but no less
FEWEST_ALONE, MOST_ALONE = 5, 30  # texts
FEWEST_TOGETHER, MOST_TOGETHER = 8, 256


def budget_beside(run_s: float) -> float:
    """Seconds for it beside a run that took so long."""
    return min(BUDGET_S, max(LEAST_S, RUN_SHARE * run_s))


def n_together(budget_s: float, text_s: float) -> int:
    """Texts of the one call, of which half the budget is left; text_s: seconds of one text."""
    return int(min(max(budget_s / 2 / max(text_s, 1e-9), FEWEST_TOGETHER), MOST_TOGETHER))


def expected_s(budget_s: float, text_s: float, n_ways: int = 1) -> float:
    """What it will take where a text takes so long: a slow classifier's fewest texts may take more than the budget.

    n_ways: 2 where a merged adapter is timed too.
    """
    share_s = budget_s / n_ways
    n_alone = min(max(share_s / 2 / max(text_s, 1e-9), FEWEST_ALONE), MOST_ALONE)
    return n_ways * text_s * (1 + n_alone + n_together(share_s, text_s))
