"""The rule: what may be said of each comparison of a family, with one correction for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.evidence.comparison import Comparison
from bench.evidence.holm import ALPHA, holm
from bench.evidence.looks import Look, Name, OnLogitScale, TakenLook, is_judged, on_logit_scale, take
from bench.evidence.overdispersion import Moderated, point_estimate
from bench.evidence.student import Estimate

Call = Literal["better", "worse", "no difference", "model better", "model worse", "undecided"]

_REVERSED: dict[Call, Call] = {
    "better": "worse",
    "worse": "better",
    "model better": "model worse",
    "model worse": "model better",
}


@dataclass(frozen=True)
class Decision:
    """What may be said of one comparison.

    p: of no difference, by itself but for its looks; p_holm: the same, adjusted for the family, by which better
    and worse are called; p_same: of a difference of the margin or more, adjusted likewise; estimate: of the
    difference of the scores with all seeds, unadjusted; moderated: the overdispersion behind it, None where the
    models alone are compared; differ_share: of the level of *better* and *worse* this comparison's share among those
    that have neither word, 1 where it has one; same_share: the same for *no difference*; looks: those that it has
    reached, and decided_at the seeds of the one that gave the word; next_share: of the level, for the next look.
    """

    comparison: Comparison
    call: Call
    estimate: Estimate
    p: float = 1.0
    p_holm: float = 1.0
    p_same: float = 1.0
    moderated: Moderated | None = None
    differ_share: float = 1.0
    same_share: float = 1.0
    looks: tuple[TakenLook, ...] = ()
    decided_at: int | None = None
    next_share: float = 1.0

    @property
    def spent(self) -> float:
        """Share of its level that its looks have spent."""
        return sum(look.share for look in self.looks)

    @property
    def reversed(self) -> Decision:
        """The same with the two rows exchanged."""
        return replace(
            self,
            comparison=self.comparison.reversed,
            call=_REVERSED.get(self.call, self.call),
            estimate=self.estimate.reversed,
            looks=tuple(replace(look, estimate=look.estimate.reversed) for look in self.looks),
        )


def decide(
    compared: Mapping[Name, Comparison],
    margin: float,
    weights: Mapping[Name, float] | None = None,
    looks: Sequence[Look[Name]] | None = None,
    next_share: float = 1.0,
) -> dict[Name, Decision]:
    """Each comparison that has begun with its decision.

    compared: those of the family that have begun, each once, with all their seeds; margin: a smaller difference of
    scores is called none; weights: of all comparisons of the family in Holm's correction, 1 unless given: one that has
    not begun has a weight, and counts with p = 1; looks: all that are planned, in their order, with the comparisons
    that have reached them; None: all seeds are one look, which has the whole level; next_share: of the level, for a
    look after those that are planned.
    """
    recipes = {name: c for name, c in compared.items() if is_judged(c)}
    models = {name: c for name, c in compared.items() if c.is_tested and not c.is_of_recipes}
    # Where no looks are planned, the seeds that are there are the look.
    looks = [Look(0, 1.0, recipes)] if looks is None else looks
    taken = take(looks, margin)
    logits = on_logit_scale(recipes)
    # A family that grew as rows begin would take back words that it has given.
    unseen = dict.fromkeys([name for name in weights or {} if name not in compared], 1.0)
    of_looks = {
        name: [(one.p / one.share, one.p_same / one.share) for one in taken.get(name, ())] for name in recipes
    }
    p = {name: min([1.0, *(differ for differ, _ in found)]) for name, found in of_looks.items()}
    p_same = {name: min([1.0, *(same for _, same in found)]) for name, found in of_looks.items()}
    # What one or two seeds show of models may not help recipes: with more seeds those rows may show nothing.
    undecided_models = unseen | dict.fromkeys(models, 1.0)
    of_models = {name: c.p_models for name, c in models.items()}
    adjusted = holm(p | undecided_models, weights)
    adjusted_same = holm(p_same | undecided_models, weights)
    differ_shares, same_shares = open_shares(adjusted, weights), open_shares(adjusted_same, weights)
    p_holm = adjusted | {
        name: value for name, value in holm(p | unseen | of_models, weights).items() if name in models
    }
    p_alone = p | of_models
    decided = {}
    for name, c in compared.items():
        its = taken.get(name, ())
        call, deciding = _call(c, its, p_holm.get(name, 1.0), adjusted_same.get(name, 1.0))
        decided[name] = Decision(
            comparison=c,
            call=call,
            estimate=_estimate(c, logits.get(name)),
            p=p_alone.get(name, 1.0),
            p_holm=p_holm.get(name, 1.0),
            p_same=adjusted_same.get(name, 1.0),
            moderated=logits[name].moderated if name in logits else None,
            differ_share=differ_shares.get(name, 1.0),
            same_share=same_shares.get(name, 1.0),
            looks=its,
            decided_at=(deciding.seeds or None) if deciding else None,
            next_share=next((look.share for look in looks if name not in look.compared), next_share),
        )
    return decided


def open_shares(adjusted: Mapping[Name, float], weights: Mapping[Name, float] | None) -> dict[Name, float]:
    """Share of the level that Holm's correction leaves each test that does not reject; adjusted: its p-values."""
    weight = {name: (weights or {}).get(name, 1.0) for name, p in adjusted.items() if p > ALPHA}
    total = sum(weight.values())
    return {name: each / total for name, each in weight.items()}


def _estimate(comparison: Comparison, logit: OnLogitScale | None) -> Estimate:
    if comparison.identical:
        return Estimate(0.0, 0.0, 1.0, comparison.paired.scale.most)
    if logit is not None:
        return point_estimate(comparison.paired, logit.moderated)
    return comparison.paired.over_texts() if not comparison.is_of_recipes else comparison.paired.over_seeds()


def _call(
    comparison: Comparison, taken: Sequence[TakenLook], p_holm: float, p_same: float
) -> tuple[Call, TakenLook | None]:
    """The word, and the look that gave it: the one whose p, for its share of the level, is the smallest."""
    if comparison.identical:
        return "no difference", None
    if taken and p_holm <= ALPHA:
        look = min(taken, key=lambda one: one.p / one.share)
        return ("better" if look.estimate.value > 0 else "worse"), look
    if taken and p_same <= ALPHA:
        return "no difference", min(taken, key=lambda one: one.p_same / one.share)
    mean = comparison.paired.mean
    if not comparison.is_of_recipes and p_holm <= ALPHA and mean * comparison.side_of_models > 0:
        return ("model better" if mean > 0 else "model worse"), None
    return "undecided", None
