"""From a recipe to the parts of a network before its first step: backbone, classifier, rows of tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch

from gptcore.backbones.base import Backbone
from gptcore.backbones.checkpoints import checkpoint_folder, known_config
from gptcore.backbones.config import REGISTRY
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.huggingface import HFBackbone
from gptcore.backbones.model_info import AnyConfig, read_info
from gptcore.backbones.weights import load_gpt, random_gpt, weights_fingerprint
from gptcore.data.rows import Rows
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.self_check import check_itself
from gptcore.engine.trunk import compute_trunk
from gptcore.recipe import Recipe
from gptcore.training.base import Base
from gptcore.training.fits import check_fit
from gptcore.training.inputs import Inputs, prepare_inputs
from gptcore.training.task import Task


@dataclass(frozen=True, eq=False)
class Start:
    """A network before its first step, and the texts as tokens.

    tokens: rows of the three splits, where they are computed; n_total, n_trained: parameters; notes: what loading left
    out, and what a user should know of the tokenizer.
    """

    classifier: Classifier
    inputs: Inputs
    tokens: tuple[Rows, Rows, Rows]
    n_total: int
    n_trained: int
    base: Base
    notes: tuple[str, ...]


def build_backbone(recipe: Recipe, init_seed: int) -> tuple[Backbone, str]:
    """The backbone that a recipe starts from, and where its weights come from. Raises UserError."""
    known = recipe.model in REGISTRY
    random = recipe.weights == "random"
    config = known_config(recipe.model) or read_info(checkpoint_folder(recipe.model))
    source = "random" if random else REGISTRY[recipe.model].source if known else recipe.model
    if random:
        return random_backbone(recipe, config, init_seed), source
    if isinstance(config, HFConfig):
        check_fit(recipe, config)
        from gptcore.backbones.hf_load import load_hf

        return _checked(recipe, load_hf(checkpoint_folder(recipe.model), config)), source
    return load_gpt(recipe.model), source


def random_backbone(recipe: Recipe, config: AnyConfig, seed: int) -> Backbone:
    """A backbone of that shape with random weights. Raises UserError where it does not fit the recipe."""
    if not isinstance(config, HFConfig):
        return random_gpt(config, seed)
    check_fit(recipe, config)
    from gptcore.backbones.hf_load import random_hf

    return _checked(recipe, random_hf(config, seed))


def _checked(recipe: Recipe, backbone: HFBackbone) -> HFBackbone:
    check_itself(backbone)
    check_fit(recipe, backbone.info)
    return backbone


def build_classifier(
    backbone: Backbone, n_classes: int, recipe: Recipe, engine: Engine, init_seed: int
) -> Classifier:
    """The classifier before its first step: new head, the method attached, what learns marked."""
    generator = torch.Generator().manual_seed(init_seed)
    classifier = Classifier(
        *(backbone, n_classes, engine.layout(recipe, backbone.info), generator, engine.precision),
        head=recipe.head,
    )
    classifier.attach(recipe.method, generator)
    return classifier


def start(task: Task) -> Start:
    """Load, build and tokenise. Raises UserError."""
    with task.phases("load"):
        backbone, source = build_backbone(task.recipe, task.seeds.init)
        fingerprint, config = weights_fingerprint(backbone), json.loads(backbone.info.identity)
        n_classes = len(task.data.label_names)
        classifier = build_classifier(backbone, n_classes, task.recipe, task.engine, task.seeds.init)
        task.engine.place(classifier, task.device)
        n_total = sum(p.numel() for p in classifier.parameters())
        n_trained = sum(p.numel() for p in classifier.trained_parameters())
    with task.phases("tokenise"):
        inputs = prepare_inputs(task.data, task.recipe, classifier.layout, backbone.info)
    train, validation, test = (
        part.to(task.device) for part in (inputs.train, inputs.validation, inputs.test)
    )
    base = Base(
        source=source,
        fingerprint=fingerprint,
        config=config,
        init_seed=task.seeds.init,
        engine=task.engine.name,
        precision=task.engine.precision,
        tokenizer=inputs.tokenizer,
        tokenizer_fingerprint=inputs.tokenizer_fingerprint,
    )
    return Start(
        classifier=classifier,
        inputs=inputs,
        tokens=(train, validation, test),
        n_total=n_total,
        n_trained=n_trained,
        base=base,
        notes=(*backbone.notes, *inputs.tokenizer_notes),
    )


def through_frozen(
    task: Task, classifier: Classifier, fingerprint: str, splits: tuple[Rows, ...]
) -> tuple[list[Rows], float]:
    """The splits as what the first trained layer sees, and the seconds that earlier runs spent on that.

    fingerprint: of the frozen weights. Rows stay as they are where nothing is frozen.
    """
    depth = task.recipe.method.frozen_below(classifier.backbone.info.n_blocks)
    if depth == 0:
        return list(splits), 0.0
    with task.phases("trunk"):
        if not task.engine.is_fast:
            return [compute_trunk(classifier, rows, depth).rows for rows in splits], 0.0
        # One trunk of all texts, so that seeds that split them in another way share it. Of a part of the training texts
        # each seed has another; rows with other parts share the validation and test texts.
        together = [splits] if task.recipe.train_size is None else [(part,) for part in splits]
        found, spent_before = [], 0.0
        for parts in together:
            made, spent_s = task.engine.trunks.parts(classifier, fingerprint, parts, depth)
            found += made
            spent_before += spent_s
    return found, spent_before
