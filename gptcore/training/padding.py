"""What a trained classifier says of the same texts when they are padded in another way than it was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.config import ModelConfig
from gptcore.data.datasets import Dataset
from gptcore.data.rows import TokenRows
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.trunk import Rows
from gptcore.methods.trainable import frozen_depth
from gptcore.recipe import Recipe
from gptcore.training.evaluate import evaluate
from gptcore.training.fit import FitResult
from gptcore.training.inputs import Inputs, lay_out

Padding = Literal["right", "left", "none"]


@dataclass(frozen=True)
class OtherPadding:
    """Test predictions under another padding. tokens_per_row: None without padding; n_flipped: other than before."""

    padding: Padding
    tokens_per_row: int | None
    accuracy: float
    n_flipped: int


def other_paddings(result: FitResult, data: Dataset, engine: Engine) -> list[OtherPadding]:
    """The test split on the other side, twice as long (up to the model's context), and without padding.

    Everything else stays as the recipe says. Empty where no network was trained (TF-IDF, `features`).
    """
    if result.inputs is None or not isinstance(result.classifier, Classifier):
        return []
    classifier, own_view, found = result.classifier, result.classifier.view, []
    tokenizer = checkpoint_tokenizer(result.recipe.model)
    # Cut as the run cut them: it is the padding that changes, not the text.
    own_length = _own_length(result.inputs, classifier.gpt.config)
    sequences = [text[:own_length] for text in tokenizer.encode_batch(data.test.texts)]
    for padding, length in wanted_paddings(result.recipe, result.inputs, classifier.gpt.config):
        recipe = result.recipe.model_copy(update={"padding": padding})
        classifier.view = engine.view(recipe)
        longest = max(1, *map(len, sequences))
        tokens = lay_out(sequences, length or longest, longest, tokenizer.pad_id, classifier.view)
        rows = _rows(result, tokens, engine)
        seen = evaluate(classifier, rows, data.test.labels)
        flipped = int((seen.predicted != result.test.predicted).sum())
        found.append(OtherPadding(padding, length, seen.accuracy, flipped))
    classifier.view = own_view
    return found


def wanted_paddings(recipe: Recipe, inputs: Inputs, config: ModelConfig) -> list[tuple[Padding, int | None]]:
    """Every other padding and its tokens a row, the run's own left out."""
    own, length = recipe.padding, _own_length(inputs, config)
    doubled = min(2 * length, config.context)
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


def _own_length(inputs: Inputs, config: ModelConfig) -> int:
    return inputs.tokens_per_row or min(inputs.longest_tokens, config.context)


def _rows(result: FitResult, tokens: TokenRows, engine: Engine) -> Rows:
    """The texts as the first trained layer sees them; the frozen part is shared with the runs beside this one."""
    classifier, weights = result.classifier, result.weights_fingerprint
    tokens = tokens.to(classifier.head.weight.device)
    depth = frozen_depth(result.recipe, classifier.gpt.config.n_layer)
    if depth == 0 or not engine.skips or weights is None:
        return tokens
    return engine.trunks.get(classifier, weights, tokens, depth)[0].rows
