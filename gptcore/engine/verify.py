"""Check at run time, on a sample, that the fast engine gives the plain one's numbers."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from gptcore.engine.classifier import Classifier
from gptcore.engine.cuda_graph import WARM_UP
from gptcore.engine.layout import Precision
from gptcore.recipe import Recipe
from gptcore.result import Agreement
from gptcore.training.loop import Labelled, train
from gptcore.training.timing import Phases

SAMPLE_STEPS = 2  # on a GPU after those that precede a recorded one
SAMPLE_ROWS = 16  # at least, of which logits are compared
# Largest disagreement, as a share of the largest value. bfloat16 keeps 8 bits of every product's factors.
ALLOWED: dict[Precision, float] = {"float32": 1e-4, "bfloat16": 5e-2}


class DisagreementError(Exception):
    """The two engines do not agree: the run must not be believed."""


def verify_sample(
    fast: Classifier, fast_rows: Labelled, plain: Classifier, plain_rows: Labelled, recipe: Recipe
) -> Agreement:
    """Compare two classifiers before their first step, on the same first rows of the training split.

    fast_rows are the rows that the run is about to train on, a shared trunk's states included, so that a wrong
    trunk shows. fast stays as it is, plain is trained. Raises DisagreementError.
    """
    n_steps = SAMPLE_STEPS + (WARM_UP if fast.device.type == "cuda" else 0)
    n_trained = min(len(plain_rows), n_steps * recipe.batch_size * recipe.accumulation)
    n = min(len(plain_rows), max(SAMPLE_ROWS, n_trained))
    fast = copy.deepcopy(fast)
    samples = [_first(part, n) for part in (fast_rows, plain_rows)]
    with torch.no_grad():
        logits = [model.eval()(sample.rows) for model, sample in zip((fast, plain), samples, strict=True)]
    losses: list[Tensor] = []
    if recipe.trainer == "network":
        once = recipe.model_copy(update={"epochs": 1})
        for model, sample in zip((fast, plain), samples, strict=True):
            few = _first(sample, n_trained)
            for dropout in (m for m in model.modules() if isinstance(m, nn.Dropout)):
                dropout.p = 0.0  # whose draws depend on the shape of what is computed
            done = train(model, once, few, few, 0, Phases(logits[0].device))
            losses.append(torch.tensor(done.losses))
    found = Agreement(
        n_rows=n,
        n_steps=len(losses[0]) if losses else 0,
        logits=_disagreement(*logits),
        losses=_disagreement(*losses) if losses else 0.0,
    )
    allowed = ALLOWED[fast.precision]
    for what in ("logits", "losses"):
        if not getattr(found, what) <= allowed:  # also where it is NaN
            raise DisagreementError(
                f"the fast engine's {what} differ from the plain engine's by {getattr(found, what):.2g} of the "
                f"largest, {allowed:g} is allowed in {fast.precision} ({n} training rows)"
            )
    return found


def _first(data: Labelled, n: int) -> Labelled:
    rows = data.rows.take(torch.arange(n, device=data.rows.lengths.device))
    return Labelled(rows, data.labels[:n], None if data.weights is None else data.weights[:n])


def _disagreement(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())
