"""The rule: what may be said of each comparison of a family, with one correction for all of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from bench.evidence.comparison import Comparison
from bench.evidence.holm import holm
from bench.evidence.overdispersion import (
    Moderated,
    logit_estimate,
    moderate,
    point_estimate,
    scatter,
)
from bench.evidence.student import Estimate

Call = Literal["better", "worse", "no difference", "model better", "model worse", "undecided"]
Name = TypeVar("Name", bound=Hashable)

ALPHA = 0.05  # share of studies that may err, for each of the two kinds of statement
_REVERSED: dict[Call, Call] = {
    "better": "worse",
    "worse": "better",
    "model better": "model worse",
    "model worse": "model better",
}


@dataclass(frozen=True)
class Decision:
    """What may be said of one comparison.

    p: of no difference, by itself; p_holm: the same, adjusted for the family, by which better and worse are
    called; p_same: of a difference of the margin or more, adjusted likewise; estimate: of the difference in
    accuracy, unadjusted; moderated: the overdispersion behind it, None where the models alone are compared;
    open_share: share of the level that this comparison has among those that are open.
    """

    comparison: Comparison
    call: Call
    estimate: Estimate
    p: float = 1.0
    p_holm: float = 1.0
    p_same: float = 1.0
    moderated: Moderated | None = None
    open_share: float = 1.0

    @property
    def reversed(self) -> Decision:
        """The same with the two rows exchanged."""
        return replace(
            self,
            comparison=self.comparison.reversed,
            call=_REVERSED.get(self.call, self.call),
            estimate=self.estimate.reversed,
        )


def decide(
    compared: Mapping[Name, Comparison], margin: float, weights: Mapping[Name, float] | None = None
) -> dict[Name, Decision]:
    """Each comparison with its decision.

    compared: one family, each comparison once; margin: share, a smaller difference is called none;
    weights: of the comparisons in Holm's correction, 1 unless given.
    """
    recipes = {name: c for name, c in compared.items() if c.is_tested and c.is_of_recipes}
    models = {name: c for name, c in compared.items() if c.is_tested and not c.is_of_recipes}
    logits = on_logit_scale(recipes)
    p = {name: 1.0 if c.paired.mean == 0 else logits[name].estimate.p_zero() for name, c in recipes.items()}
    p |= {name: c.p_models for name, c in models.items()}
    p_same = holm(
        {
            name: max(loss, _p_gain(recipes[name], logits[name].moderated, margin))
            for name, loss in losses(recipes, margin).items()
        },
        weights,
    )
    p_holm = holm(p, weights)
    decided = {
        name: Decision(
            comparison=c,
            call=_call(c, p_holm.get(name, 1.0), p_same.get(name, 1.0)),
            estimate=_estimate(c, logits.get(name)),
            p=p.get(name, 1.0),
            p_holm=p_holm.get(name, 1.0),
            p_same=p_same.get(name, 1.0),
            moderated=logits[name].moderated if name in logits else None,
        )
        for name, c in compared.items()
    }
    still_open = [name for name in p if decided[name].call == "undecided"]
    total = sum((weights or {}).get(name, 1.0) for name in still_open)
    for name in still_open:
        share = (weights or {}).get(name, 1.0) / total
        decided[name] = replace(decided[name], open_share=share)
    return decided


@dataclass(frozen=True)
class OnLogitScale:
    """A comparison of recipes on the logit scale: the difference, and the overdispersion that it counts with."""

    estimate: Estimate
    moderated: Moderated


def on_logit_scale(compared: Mapping[Name, Comparison], margin: float = 0.0) -> dict[Name, OnLogitScale]:
    """Each comparison of recipes, against their accuracy + `margin`, moderated by the others."""
    scatters = [scatter(c.paired, margin) for c in compared.values()]
    return {
        name: OnLogitScale(
            logit_estimate(c.paired, found, moderated, _least_variance(c, abs(margin))), moderated
        )
        for (name, c), found, moderated in zip(compared.items(), scatters, moderate(scatters), strict=True)
    }


def losses(compared: Mapping[Name, Comparison], margin: float) -> dict[Name, float]:
    """One-sided p of a loss of `margin` or more, of recipes: small where such a loss is ruled out."""
    return {name: found.estimate.below(0.0) for name, found in on_logit_scale(compared, -margin).items()}


def _p_gain(comparison: Comparison, moderated: Moderated, margin: float) -> float:
    """One-sided p of a gain of `margin` or more, in points: their accuracy + margin may lie beyond 1."""
    return point_estimate(comparison.paired, moderated, _least_variance(comparison, margin)).above(margin)


def _least_variance(comparison: Comparison, margin: float) -> float:
    """Of a true difference of `margin`: at least that share of the predictions differ.

    So also where the two rows happened to agree on every example (the idea of Tango's score test, 1998).
    """
    return margin * (1 - margin) * comparison.paired.share_variance


def _estimate(comparison: Comparison, logit: OnLogitScale | None) -> Estimate:
    if comparison.identical:
        return Estimate(0.0, 0.0, 1.0)
    if logit is not None:
        return point_estimate(comparison.paired, logit.moderated)
    return comparison.paired.over_texts() if not comparison.is_of_recipes else comparison.paired.over_seeds()


def _call(comparison: Comparison, p_holm: float, p_same: float) -> Call:
    if comparison.identical:
        return "no difference"
    mean = comparison.paired.mean
    if comparison.is_of_recipes and p_holm <= ALPHA:
        return "better" if mean > 0 else "worse"
    if p_holm <= ALPHA and mean * (comparison.wins - comparison.losses) > 0:
        return "model better" if mean > 0 else "model worse"
    return "no difference" if p_same <= ALPHA else "undecided"
