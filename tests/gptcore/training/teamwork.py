"""Work for the processes of `test_distributed.py`, in a module that they can import."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from gptcore.backbones.base import Backbone
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.sharded import ShardedEngine, Team, shard
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier
from gptcore.training.class_weight import text_weights
from gptcore.training.evaluate import predict_logits
from gptcore.training.loop import Labelled, train
from gptcore.training.timing import Phases
from tests.conftest import make_toy_gpt
from tests.gptcore.conftest import in_float64, make_toy_labelled
from tests.parity.toys import toy_backbone

PLAIN = Recipe(model="nano", train="all", epochs=2, batch_size=4, lr=3e-3, position="last_real")
ODD = {"batch_size": 5, "accumulation": 2, "clip_norm": 0.5, "class_weight": "balanced"}
LORA: dict[str, Any] = {"train": "lora", "lora_rank": 2}
LLAMA_LORA: dict[str, Any] = {
    "train": {"method": "lora", "rank": 2, "targets": ["q_proj", "down_proj"]},
    "attention": "native",
}
# Name -> family ("gpt" is ours) and what a recipe changes
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "all": ("gpt", {}),
    "all, odd batches": ("gpt", ODD | {"schedule": "cosine", "warmup": 0.2}),
    "all, padding read": ("gpt", {"position": "last"}),
    "all, best epoch": ("gpt", {"restore_best": True, "epochs": 4, "lr": 3e-2}),
    "lora": ("gpt", LORA),
    "lora, biases": (
        "gpt",
        {"train": {"method": "lora", "rank": 2, "bias": "all", "targets": ["c_attn"]}, "head": "mlp"} | ODD,
    ),
    "llama, all": ("llama", {"attention": "native"} | ODD),
    "llama, lora": ("llama", LLAMA_LORA),
    "bert, all": ("bert", {"attention": "native", "position": "mean_real", "attend_padding": False}),
}


def backbone_of(family: str) -> Backbone:
    return make_toy_gpt() if family == "gpt" else toy_backbone(family)


def train_toy(name: str, engine: Engine) -> dict[str, Any]:
    """Train a case's toy classifier in float64: losses, epochs, and on 7 other rows logits; and its weights."""
    family, changes = CASES[name]
    recipe = Recipe.model_validate(PLAIN.model_dump(exclude_defaults=True) | changes)
    with in_float64():
        classifier = build_classifier(backbone_of(family), 2, recipe, engine, 0)
        engine.place(classifier, torch.device("cpu"))
        data, other = make_toy_labelled(23), make_toy_labelled(7, seed=1)
        (weights,) = text_weights(recipe.class_weight, data.labels, data.labels)
        data = Labelled(data.rows, data.labels, weights)
        done = train(classifier, recipe, data, other, 5, Phases(torch.device("cpu")))
        return {
            "losses": done.losses,
            "validation": [epoch.validation_loss for epoch in done.epochs],
            "accuracy": [epoch.train_accuracy for epoch in done.epochs],
            "best": done.best_epoch,
            "logits": predict_logits(classifier, other.rows).numpy(),
            "weights": whole_weights(classifier),
        }


def whole_weights(classifier: Classifier) -> dict[str, np.ndarray]:
    return {
        name: (p.full_tensor() if isinstance(p, DTensor) else p).detach().numpy()
        for name, p in classifier.named_parameters()
    }


def train_toys_and_fail(team: Team, device: str, tell: Callable[[object], None]) -> None:
    """Every case, in this process of several, told one by one; then one process says, as an error, which share of a
    classifier's parameters lies in each, while the other waits."""
    torch.set_num_threads(1)
    for name in CASES:
        tell((name, train_toy(name, ShardedEngine(team=team))))
    classifier = build_classifier(make_toy_gpt(), 2, PLAIN, ShardedEngine(team=team), 0)
    shard(classifier, team, torch.device(device))
    whole, mine = 0, 0
    for parameter in classifier.parameters():
        assert isinstance(parameter, DTensor)
        whole, mine = whole + parameter.numel(), mine + parameter.to_local().numel()
    shares: list[float] = [0.0] * team.size
    dist.all_gather_object(shares, mine / whole)
    if team.rank == 1:
        raise ValueError(f"broken after {shares[0]:.2f} and {shares[1]:.2f}")
    dist.barrier()  # for which the other one never comes


def never_come(team: Team, device: str, tell: Callable[[object], None]) -> None:
    """One process waits for another that does something else for ever."""
    del device, tell
    if team.rank == 1:
        threading.Event().wait()
    dist.barrier()
