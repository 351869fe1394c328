"""The trainer of networks: what the recipe's method marks is trained by the loop."""

from __future__ import annotations

from dataclasses import replace

from gptcore.classifier import TextClassifier
from gptcore.data.rows import Rows
from gptcore.engine.classifier import Classifier
from gptcore.engine.embedding import UsedEmbedding
from gptcore.engine.engine import Engine
from gptcore.engine.verify import verify_sample
from gptcore.result import Agreement, Fit
from gptcore.training.build import build_backbone, build_classifier, start, through_frozen
from gptcore.training.class_weight import text_weights
from gptcore.training.evaluate import evaluate
from gptcore.training.inputs import Inputs, lay_out
from gptcore.training.loop import Labelled, total_decay, train
from gptcore.training.network_predictors import NetworkPredictor
from gptcore.training.task import Task
from gptcore.training.tokenizing import tokenizer_of


def fit(task: Task) -> Fit:
    """Train a network. Raises UserError, FloatingPointError and DisagreementError as `fit` does."""
    recipe, data = task.recipe, task.data
    begun = start(task)
    classifier, rows, borrowed_s = begun.classifier, list(begun.tokens), 0.0
    used = None
    if task.engine.is_fast:
        if recipe.method.trains_embedding:
            used = UsedEmbedding(classifier, begun.tokens)
            rows = list(used.rows)
        rows, borrowed_s = through_frozen(task, classifier, begun.base.fingerprint, tuple(rows))
    if task.device.type == "cuda" and _has_one_width(classifier, rows):
        classifier.layout = replace(classifier.layout, drop_padding=False)
    labels = (data.train.labels, data.validation.labels, data.test.labels)
    weights = text_weights(recipe.class_weight, labels[0], *labels)
    splits = [Labelled(*part) for part in zip(rows, labels, weights, strict=True)]
    agreement = verify(task, classifier, begun.inputs, splits[0]) if task.verify else None
    training = train(classifier, recipe, splits[0], splits[1], task.seeds.order, task.phases, task.on_epoch)
    with task.phases("evaluate"):
        on_train, on_test = (evaluate(classifier, part.rows, part.labels) for part in (splits[0], splits[2]))
    if used:
        n_done = training.epochs[(training.best_epoch or 0) - 1].step
        used.restore(total_decay(recipe, len(data.train), n_done))
    classifier.layout = task.engine.layout(recipe, classifier.backbone.info)
    predictor = NetworkPredictor(tokenizer_of(recipe), begun.inputs.length, classifier)
    return Fit(
        recipe=recipe,
        seeds=task.seeds,
        train=on_train,
        validation=training.validation,  # the last epoch has seen it, or the best one
        test=on_test,
        losses=training.losses,
        epochs=training.epochs,
        best_epoch=training.best_epoch,
        notes=(*begun.notes, *training.notes),
        classifier=TextClassifier(recipe, data.label_names, predictor, begun.base),
        n_total=begun.n_total,
        n_trained=begun.n_trained,
        inputs=begun.inputs,
        borrowed_s=borrowed_s,
        positions_processed=classifier.positions_processed,
        weights_source=begun.base.source,
        weights_fingerprint=begun.base.fingerprint,
        agreement=agreement,
        rewrites=begun.classifier.backbone.rewrites,
    )


def verify(task: Task, classifier: Classifier, inputs: Inputs, rows: Labelled) -> Agreement:
    """Compare with the plain engine on the first training rows. Raises DisagreementError."""
    recipe, data = task.recipe, task.data
    with task.phases("verify"):
        backbone, _ = build_backbone(recipe, task.seeds.init)
        plain = build_classifier(backbone, len(data.label_names), recipe, Engine("plain"), task.seeds.init)
        plain.to(task.device)
        texts, pad_id = inputs.cut["train"].lists(), tokenizer_of(recipe).pad_id
        longest = max(1, *map(len, texts))
        tokens = lay_out(texts, inputs.tokens_per_row or longest, longest, pad_id, plain.layout).to(
            task.device
        )
        return verify_sample(classifier, rows, plain, replace(rows, rows=tokens), recipe)


def _has_one_width(classifier: Classifier, rows: list[Rows]) -> bool:
    """Whether to leave rows at their width on a GPU: only steps of one shape can be recorded, and be one launch.

    In the last block a column that is not cut costs next to nothing where one position is read.
    """
    last = classifier.backbone.info.n_blocks - 1
    return classifier.layout.last_block_at_read_positions and all(
        part.depth == last and not part.are_tokens and part.in_memory for part in rows
    )
