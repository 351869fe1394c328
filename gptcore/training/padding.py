"""What a trained classifier says of the same texts when they are padded in another way than it was trained with."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from gptcore.backbones.info import BackboneInfo
from gptcore.engine.engine import Engine
from gptcore.engine.layout import Layout
from gptcore.recipe import Recipe
from gptcore.result import Evaluation, Fit, PaddingCheck
from gptcore.training.evaluate import evaluate
from gptcore.training.inputs import Inputs, lay_out
from gptcore.training.network_predictors import NetworkPredictor

Kind = Literal["right", "left", "none"]


class Padding(NamedTuple):
    """A way to pad a run's texts. tokens_per_row: what rows are padded to, None where they keep their own length."""

    kind: Kind
    tokens_per_row: int | None
    layout: Layout

    @property
    def seen(self) -> Hashable:
        """What of it can change an answer: where this is equal, the same texts have the same answers."""
        return self.layout if self.layout.reads_text_alone else (self.layout, self.tokens_per_row)


class Paddings(NamedTuple):
    """own: the run's; others: every other one, of which `to_predict` gives those whose answers are not known."""

    own: Padding
    others: tuple[Padding, ...]

    def to_predict(self) -> Iterator[Padding]:
        """Those that may change an answer: the others have the answers of the run, or of one before them."""
        seen = {self.own.seen}
        for padding in self.others:
            if padding.seen not in seen:
                seen.add(padding.seen)
                yield padding


def other_paddings(result: Fit, labels: np.ndarray, engine: Engine) -> list[PaddingCheck]:
    """The test split on the other side, twice as long (up to the model's context), and without padding.

    labels: (N,) of the test texts. Everything else stays as the recipe says. Empty where no network was trained
    (TF-IDF, `features`).
    """
    predictor = result.classifier.predictor
    if result.inputs is None or not isinstance(predictor, NetworkPredictor):
        return []
    paddings = paddings_of(result.recipe, result.inputs, predictor.network.backbone.info, engine)
    known = {paddings.own.seen: result.test}
    for padding in paddings.to_predict():
        known[padding.seen] = _predicted(padding, result, predictor, labels, engine)
    return [
        PaddingCheck(
            padding=padding.kind,
            tokens_per_row=padding.tokens_per_row,
            accuracy=known[padding.seen].accuracy,
            n_flipped=int((known[padding.seen].predicted != result.test.predicted).sum()),
        )
        for padding in paddings.others
    ]


def paddings_of(recipe: Recipe, inputs: Inputs, info: BackboneInfo, engine: Engine) -> Paddings:
    """The run's own padding and every other one. Texts stay cut as the run cut them: it is the padding that changes."""
    length = inputs.tokens_per_row or min(inputs.longest_tokens, inputs.length)
    side: Kind = "left" if recipe.padding == "left" else "right"
    other: Kind = "left" if side == "right" else "right"

    def padding(kind: Kind, tokens: int | None) -> Padding:
        layout = engine.layout(recipe.model_copy(update={"padding": kind}), info)
        return Padding(kind, tokens, layout)

    own = padding(recipe.padding, None if recipe.padding == "none" else length)
    doubled = min(2 * length, info.context)
    wanted = (padding(side, length), padding(other, length), padding(side, doubled), padding("none", None))
    return Paddings(own, tuple(each for each in dict.fromkeys(wanted) if each != own))


def _predicted(
    padding: Padding, result: Fit, predictor: NetworkPredictor, labels: np.ndarray, engine: Engine
) -> Evaluation:
    """The test split under a padding, from states that earlier runs have left where there are such."""
    assert result.inputs is not None
    recipe, classifier, cut = result.recipe, predictor.network, result.inputs.cut
    depth = recipe.method.frozen_below(classifier.backbone.info.n_blocks) if engine.is_fast else 0
    # All texts, where a run on rows that are padded in this way may have left the states of all of them.
    names = ("train", "validation", "test") if depth > 0 and recipe.train_size is None else ("test",)
    longest = max(1, *(int(part.lengths.max(initial=0)) for part in cut.values()))
    length, pad_id = padding.tokens_per_row or longest, predictor.tokenizer.pad_id
    with classifier.laid_out_as(padding.layout):
        splits = [
            lay_out(cut[name].lists(), length, longest, pad_id, padding.layout).to(classifier.device)
            for name in names
        ]
        rows = splits[-1]
        if depth > 0 and (weights := result.weights_fingerprint) is not None:
            states = engine.trunks.known_parts(classifier, weights, splits, depth)
            if states is None:
                states, _ = engine.trunks.parts(classifier, weights, [rows], depth)
            rows = states[-1]
        return evaluate(classifier, rows, labels)
