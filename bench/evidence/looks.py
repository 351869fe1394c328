"""What a comparison of recipes says at each look that it has reached. See bench/evidence/scheme.py.

A look uses the first seeds of both rows alone, and what is usual comes from the first look of all comparisons. So
a word depends neither on the order in which rows ran nor on when somebody asked, and once said it stays.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bench.evidence.comparison import Comparison
from bench.evidence.overdispersion import (
    Moderated,
    Usual,
    logit_estimate,
    moderate,
    point_estimate,
    scatter,
    usual_of,
)
from bench.evidence.student import Estimate
from bench.evidence.variance import independent
from bench.records.study import Study

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Look(Generic[Name]):
    """The comparisons that have reached a look, with its seeds alone; share: of the level that it may spend.

    seeds: as planned, some of which may have failed; 0 where all that are there are the look.
    """

    seeds: int
    share: float
    compared: Mapping[Name, Comparison]


@dataclass(frozen=True)
class TakenLook:
    """What one comparison showed at one look.

    p: of no difference; p_same: of a difference of the margin or more; estimate: of the difference of scores.
    None of them is adjusted.
    """

    seeds: int
    share: float
    p: float
    p_same: float
    estimate: Estimate


@dataclass(frozen=True)
class OnLogitScale:
    """A comparison of recipes on the scale of its metric: the difference, and the overdispersion it counts with."""

    estimate: Estimate
    moderated: Moderated


def take(looks: Sequence[Look[Name]], margin: float) -> dict[Name, tuple[TakenLook, ...]]:
    """Name -> the looks that it has reached, in their order, for comparisons of recipes that are tested."""
    tested = [{name: c for name, c in look.compared.items() if is_judged(c)} for look in looks]
    taken: dict[Name, tuple[TakenLook, ...]] = {}
    for look, compared in zip(looks, tested, strict=True):
        logits = on_logit_scale(compared, 0.0, tested[0])
        p_loss = losses(compared, margin, tested[0])
        for name, c in compared.items():
            found = TakenLook(
                seeds=look.seeds,
                share=look.share,
                p=1.0 if c.paired.mean == 0 else logits[name].estimate.p_zero(),
                p_same=max(p_loss[name], _p_gain(c, logits[name].moderated, margin)),
                estimate=point_estimate(c.paired, logits[name].moderated),
            )
            taken[name] = (*taken.get(name, ()), found)
    return taken


def loss_over_looks(looks: Sequence[Look[Name]], margin: float) -> dict[Name, float]:
    """One-sided p of a loss of `margin` or more, over all looks; small where such a loss is ruled out."""
    tested = [{name: c for name, c in look.compared.items() if is_judged(c)} for look in looks]
    found: dict[Name, float] = {}
    for look, compared in zip(looks, tested, strict=True):
        for name, p in losses(compared, margin, tested[0]).items():
            found[name] = min(found.get(name, 1.0), p / look.share)
    return found


def is_judged(comparison: Comparison) -> bool:
    """Whether recipes can be told apart by it: there are seeds enough, and something to test."""
    return comparison.is_tested and comparison.is_of_recipes


def on_logit_scale(
    compared: Mapping[Name, Comparison], margin: float = 0.0, first: Mapping[Name, Comparison] | None = None
) -> dict[Name, OnLogitScale]:
    """Each comparison of recipes, against their score + `margin`, moderated by the others.

    first: the comparisons at their first look, from which to learn what is usual; None: from `compared`.
    """
    found = {name: scatter(c.paired, margin) for name, c in compared.items()}
    source = found if first is None else {name: scatter(c.paired, margin) for name, c in first.items()}
    usual = dict(zip(source, usual_of(list(source.values())), strict=True))
    moderated = moderate(list(found.values()), [usual.get(name, Usual()) for name in found])
    return {
        name: OnLogitScale(logit_estimate(c.paired, found[name], used, _least_variance(c, abs(margin))), used)
        for (name, c), used in zip(compared.items(), moderated, strict=True)
    }


def losses(
    compared: Mapping[Name, Comparison], margin: float, first: Mapping[Name, Comparison] | None = None
) -> dict[Name, float]:
    """One-sided p of a loss of `margin` or more, of recipes: small where such a loss is ruled out."""
    found = on_logit_scale(compared, -margin, first)
    return {name: one.estimate.below(0.0) for name, one in found.items()}


def _p_gain(comparison: Comparison, moderated: Moderated, margin: float) -> float:
    """One-sided p of a gain of `margin` or more, of scores: their accuracy + margin may lie beyond 1."""
    return point_estimate(comparison.paired, moderated, _least_variance(comparison, margin)).above(margin)


def _least_variance(comparison: Comparison, margin: float) -> float:
    """Of a true difference of `margin`: at least that share of the predictions differ.

    So also where the two rows happened to agree on every example (the idea of Tango's score test, 1998). Of losses
    the same, as if a prediction that differs cost one nat.
    """
    return margin * (1 - margin) * comparison.paired.share_variance


def repeated_looks(study: Study) -> str:
    """A warning where verdicts of a study without a scheme were read with fewer seeds before; else empty.

    One seed decides nothing, and seeds that are not independent give no verdicts, so neither counts as a look.
    """
    if not independent(study.seeds) or not study.earlier_looks:
        return ""
    before = ", ".join(str(n) for n in study.earlier_looks)
    return (
        f"Judged at {before} and again at {len(study.seeds)} seeds, before looks were planned: its error rates "
        "hold for one look. Adding seeds until a verdict comes makes false ones more frequent; a study in another "
        "folder plans its looks"
    )
