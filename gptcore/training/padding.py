"""What a trained classifier says of the same texts when they are padded in another way than it was trained with."""

from __future__ import annotations

from typing import Literal

from gptcore.backbones.info import BackboneInfo
from gptcore.data.datasets import Dataset
from gptcore.data.tokenizer import cut_tokens
from gptcore.engine.engine import Engine
from gptcore.recipe import Recipe
from gptcore.result import Fit, PaddingCheck
from gptcore.training.evaluate import evaluate
from gptcore.training.inputs import Inputs, lay_out
from gptcore.training.network_predictors import NetworkPredictor
from gptcore.training.tokenizing import tokenizer_of

Padding = Literal["right", "left", "none"]


def other_paddings(result: Fit, data: Dataset, engine: Engine) -> list[PaddingCheck]:
    """The test split on the other side, twice as long (up to the model's context), and without padding.

    Everything else stays as the recipe says. Empty where no network was trained (TF-IDF, `features`).
    """
    predictor, found = result.classifier.predictor, []
    if result.inputs is None or not isinstance(predictor, NetworkPredictor):
        return []
    classifier, own_layout = predictor.network, predictor.network.layout
    tokenizer = tokenizer_of(result.recipe)
    # Cut as the run cut them: it is the padding that changes, not the text.
    own_length = _own_length(result.inputs, classifier.backbone.info)
    depth = result.recipe.method.frozen_below(classifier.backbone.info.n_blocks) if engine.is_fast else 0
    # All texts, where a run on rows that are padded in the other way may have left the states of all of them.
    parts = [data.train, data.validation] if depth > 0 and result.recipe.train_size is None else []
    sequences = [
        [cut_tokens(tokenizer, text, own_length) for text in tokenizer.encode_batch(part.texts)]
        for part in (*parts, data.test)
    ]
    longest = max(1, *(len(each) for part in sequences for each in part))
    for padding, length in wanted_paddings(result.recipe, result.inputs, classifier.backbone.info):
        recipe = result.recipe.model_copy(update={"padding": padding})
        classifier.layout = engine.layout(recipe, classifier.backbone.info)
        splits = [
            lay_out(part, length or longest, longest, tokenizer.pad_id, classifier.layout)
            for part in sequences
        ]
        splits = [rows.to(classifier.device) for rows in splits]
        rows = splits[-1]
        if depth > 0 and (weights := result.weights_fingerprint) is not None:
            states = engine.trunks.known_parts(classifier, weights, splits, depth)
            if states is None:
                states, _ = engine.trunks.parts(classifier, weights, [rows], depth)
            rows = states[-1]
        seen = evaluate(classifier, rows, data.test.labels)
        flipped = int((seen.predicted != result.test.predicted).sum())
        found.append(
            PaddingCheck(padding=padding, tokens_per_row=length, accuracy=seen.accuracy, n_flipped=flipped)
        )
    classifier.layout = own_layout
    return found


def wanted_paddings(recipe: Recipe, inputs: Inputs, info: BackboneInfo) -> list[tuple[Padding, int | None]]:
    """Every other padding and its tokens a row, the run's own left out."""
    own, length = recipe.padding, _own_length(inputs, info)
    doubled = min(2 * length, info.context)
    side: Padding = "left" if own == "left" else "right"
    other: Padding = "left" if side == "right" else "right"
    wanted: list[tuple[Padding, int | None]] = [
        (side, length),
        (other, length),
        (side, doubled),
        ("none", None),
    ]
    is_own = (own, None if own == "none" else length)
    return [each for each in dict.fromkeys(wanted) if each != is_own]


def _own_length(inputs: Inputs, info: BackboneInfo) -> int:
    return inputs.tokens_per_row or min(inputs.longest_tokens, info.context)
