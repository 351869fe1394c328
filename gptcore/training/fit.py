"""From recipe and dataset to a fitted classifier: the one entry point that the harness and users call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from gptcore.backbones.checkpoints import checkpoint_folder, known_config
from gptcore.backbones.config import REGISTRY
from gptcore.backbones.gpt import GPT
from gptcore.backbones.gpt2_config import read_config
from gptcore.backbones.weights import load_gpt, random_gpt, weights_fingerprint
from gptcore.data.datasets import Dataset
from gptcore.data.rows import TokenRows
from gptcore.engine.classifier import Classifier
from gptcore.engine.cuda_graph import is_at_hand
from gptcore.engine.embedding import UsedEmbedding
from gptcore.engine.engine import Engine
from gptcore.engine.trunk import FeatureRows, Rows, StateRows, compute_trunk
from gptcore.engine.verify import Agreement, verify_sample
from gptcore.methods.trainable import frozen_depth, set_trainable, trained_parameters
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Epoch
from gptcore.training.evaluate import Evaluation, evaluate
from gptcore.training.inputs import Inputs, prepare_inputs
from gptcore.training.loop import Labelled, total_decay, train
from gptcore.training.tfidf import LogisticFit, fit_features, fit_tfidf
from gptcore.training.timing import PeakMemory, Phases

OnEpoch = Callable[[Epoch], None]


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted classifier and everything measured on the way.

    classifier: a `Classifier`, or for `features` and TF-IDF a `LogisticFit`; phases: seconds by name, they add
    up to the total; borrowed_s: seconds that an earlier run had spent on a trunk that this one found ready;
    n_total, n_trained: parameters; positions_processed: token positions that went through at least one block;
    notes: what had to be done otherwise than asked.
    """

    recipe: Recipe
    seeds: Seeds
    train: Evaluation
    validation: Evaluation
    test: Evaluation
    losses: list[float]
    epochs: list[Epoch]
    best_epoch: int | None
    classifier: Any
    phases: dict[str, float]
    peak_mem_bytes: int
    n_total: int
    n_trained: int
    inputs: Inputs | None = None
    borrowed_s: float = 0.0
    positions_processed: int | None = None
    weights_source: str | None = None
    weights_fingerprint: str | None = None
    agreement: Agreement | None = None
    notes: Sequence[str] = ()


def fit(
    recipe: Recipe,
    data: Dataset,
    seed: int | Seeds = 0,
    engine: Engine | None = None,
    device: str | torch.device | None = None,
    on_epoch: OnEpoch | None = None,
    verify: bool = False,
) -> FitResult:
    """Fit one recipe on one dataset.

    seed: one number for head and order, or `Seeds`; engine: by default the fast one in float32 (pass the same
    one again to share its trunks); device: by default a CUDA GPU where there is one; verify: compare with the
    plain engine on a sample first. Raises UserError where the weights cannot be had or the recipe does not fit the
    model, FloatingPointError where the loss is no longer finite, DisagreementError where verification fails.
    """
    seeds = seed if isinstance(seed, Seeds) else Seeds(init=seed, order=seed)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    phases = Phases(where)
    with PeakMemory(where) as memory:
        if recipe.is_tfidf:
            parts = _fit_tfidf(data, phases)
        else:
            parts = _fit_gpt(recipe, data, seeds, engine or Engine(), phases, on_epoch, verify)
    return FitResult(
        recipe=recipe, seeds=seeds, phases=phases.finish(), peak_mem_bytes=memory.peak_bytes, **parts
    )


def build_gpt(recipe: Recipe, init_seed: int) -> tuple[GPT, str]:
    """The GPT that a recipe starts from, and where its weights come from. Raises UserError."""
    known = recipe.model in REGISTRY
    if recipe.weights == "random":
        config = known_config(recipe.model) or read_config(checkpoint_folder(recipe.model))
        return random_gpt(config, init_seed), "random"
    return load_gpt(recipe.model), REGISTRY[recipe.model].source if known else recipe.model


def build_classifier(gpt: GPT, n_classes: int, recipe: Recipe, engine: Engine, init_seed: int) -> Classifier:
    """The classifier before its first step: new head, adapters in place, trained parameters marked."""
    generator = torch.Generator().manual_seed(init_seed)
    classifier = Classifier(gpt, n_classes, engine.view(recipe), generator, engine.precision)
    set_trainable(classifier, recipe, generator)
    return classifier


def _fit_gpt(
    recipe: Recipe,
    data: Dataset,
    seeds: Seeds,
    engine: Engine,
    phases: Phases,
    on_epoch: OnEpoch | None,
    check: bool,
) -> dict[str, Any]:
    with phases("load"):
        gpt, source = build_gpt(recipe, seeds.init)
        fingerprint = weights_fingerprint(gpt)
        classifier = build_classifier(gpt, len(data.label_names), recipe, engine, seeds.init)
        classifier.to(phases.device)
        n_total = sum(p.numel() for p in classifier.parameters())
        n_trained = sum(p.numel() for p in trained_parameters(classifier))
    with phases("tokenise"):
        inputs = prepare_inputs(data, recipe, classifier.view, gpt.config)
    tokens = [split.to(phases.device) for split in (inputs.train, inputs.validation, inputs.test)]
    used = UsedEmbedding(classifier, tokens) if recipe.train == "all" and engine.skips else None
    rows, borrowed_s = _frozen_part(
        classifier, recipe, used.rows if used else tokens, fingerprint, engine, phases
    )
    if phases.device.type == "cuda" and recipe.train == "last_block" and _one_width(classifier, rows):
        classifier.view = replace(classifier.view, trim=False)
    labels = (data.train.labels, data.validation.labels, data.test.labels)
    splits = [Labelled(part, part_labels) for part, part_labels in zip(rows, labels, strict=True)]
    agreement = _verify(classifier, recipe, splits[0], data, seeds, phases) if check else None
    if recipe.train == "features":
        parts = _fit_features(classifier, splits, phases)
    else:
        parts = _fit_network(classifier, recipe, splits, seeds, phases, on_epoch)
        parts |= {"n_total": n_total, "n_trained": n_trained}
    if used:
        n_done = parts["epochs"][(parts["best_epoch"] or 0) - 1].step
        used.restore(total_decay(recipe, len(data.train), n_done))
    return parts | {
        "inputs": inputs,
        "borrowed_s": borrowed_s,
        "positions_processed": classifier.positions_processed,
        "notes": (*gpt.notes, *inputs.tokenizer_notes, *parts.get("notes", ())),
        "weights_source": source,
        "weights_fingerprint": fingerprint,
        "agreement": agreement,
    }


def _one_width(classifier: Classifier, rows: list[Rows]) -> bool:
    """Whether to leave rows at their width on a GPU: only steps of one shape can be recorded, and be one launch.

    In the last block a column that is not cut costs next to nothing where one position is read.
    """
    return classifier.view.read_only and all(
        isinstance(part, StateRows) and is_at_hand(part) for part in rows
    )


def _verify(
    classifier: Classifier, recipe: Recipe, rows: Labelled, data: Dataset, seeds: Seeds, phases: Phases
) -> Agreement:
    """Compare with the plain engine on the first training rows. Raises DisagreementError."""
    with phases("verify"):
        gpt, _ = build_gpt(recipe, seeds.init)
        plain = build_classifier(gpt, len(data.label_names), recipe, Engine("plain"), seeds.init)
        plain.to(phases.device)
        tokens = prepare_inputs(data, recipe, plain.view, gpt.config).train.to(phases.device)
        return verify_sample(classifier, rows, plain, Labelled(tokens, data.train.labels), recipe)


def _frozen_part(
    classifier: Classifier,
    recipe: Recipe,
    splits: list[TokenRows],
    weights: str,
    engine: Engine,
    phases: Phases,
) -> tuple[list[Rows], float]:
    """The three splits as what the first trained layer sees, and the seconds that earlier runs spent on it."""
    depth = frozen_depth(recipe, classifier.gpt.config.n_layer)
    if depth == 0 or not (engine.skips or recipe.train == "features"):
        return list(splits), 0.0
    with phases("trunk"):
        if engine.skips:
            found = [engine.trunks.get(classifier, weights, rows, depth) for rows in splits]
        else:
            found = [(compute_trunk(classifier, rows, depth), 0.0) for rows in splits]
    return [trunk.rows for trunk, _ in found], sum(spent_before for _, spent_before in found)


def _fit_network(
    classifier: Classifier,
    recipe: Recipe,
    splits: list[Labelled],
    seeds: Seeds,
    phases: Phases,
    on_epoch: OnEpoch | None,
) -> dict[str, Any]:
    training = train(classifier, recipe, splits[0], splits[1], seeds.order, phases, on_epoch)
    with phases("evaluate"):
        on_train, on_test = (
            evaluate(classifier, split.rows, split.labels) for split in (splits[0], splits[2])
        )
    return {
        "train": on_train,
        "validation": training.validation,  # the last epoch has seen it, or the best one
        "test": on_test,
        "losses": training.losses,
        "epochs": training.epochs,
        "best_epoch": training.best_epoch,
        "notes": training.notes,
        "classifier": classifier,
    }


def _fit_features(classifier: Classifier, splits: list[Labelled], phases: Phases) -> dict[str, Any]:
    features = [split.rows.features.cpu().numpy() for split in splits if isinstance(split.rows, FeatureRows)]
    with phases("train"):
        logistic = fit_features(features[0], splits[0].labels, features[1], splits[1].labels)
    with phases("evaluate"):
        found = [logistic.evaluate(x, split.labels) for x, split in zip(features, splits, strict=True)]
    return _logistic_parts(found, logistic, sum(p.numel() for p in classifier.gpt.parameters()))


def _fit_tfidf(data: Dataset, phases: Phases) -> dict[str, Any]:
    splits = (data.train, data.validation, data.test)
    with phases("train"):
        logistic = fit_tfidf(
            data.train.texts, data.train.labels, data.validation.texts, data.validation.labels
        )
    with phases("evaluate"):
        found = [logistic.evaluate(split.texts, split.labels) for split in splits]
    return _logistic_parts(found, logistic, 0)


def _logistic_parts(found: list[Evaluation], logistic: LogisticFit, n_body: int) -> dict[str, Any]:
    return {
        "train": found[0],
        "validation": found[1],
        "test": found[2],
        "losses": [],
        "epochs": [],
        "best_epoch": None,
        "classifier": logistic,
        "n_total": n_body + logistic.n_params,
        "n_trained": logistic.n_params,
    }
