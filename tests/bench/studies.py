"""Made-up studies with plausible records: all that a report has to cope with, and no training."""

from __future__ import annotations

import random
import zlib
from typing import Any

from bench.records.dataset import DatasetFacts
from bench.records.record import (
    Cost,
    Curves,
    Environment,
    InputFacts,
    LossPoint,
    Metrics,
    Parameters,
    Predictions,
    Record,
    SplitMetrics,
    WeightsFacts,
    run_id,
)
from bench.records.study import Published, Row, Study
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Epoch

DATASET = DatasetFacts(
    name="sms-spam",
    fingerprint="a" * 64,
    source_fingerprint="b" * 64,
    n_train=1045,
    n_validation=149,
    n_test=300,
    label_names=("ham", "spam"),
    test_label_counts=(141, 159),
    duplicates=37,
)
SEEDS = [Seeds(init=123 + i, order=123 + i) for i in range(3)]

# name, against, changes, question, published (row, test accuracy, minutes), expected accuracy, training seconds
Spec = tuple[str, str | None, dict[str, Any], str | None, tuple[int, float, float] | None, float, float]
_SPECS: list[Spec] = [
    ("baseline", None, {}, None, (1, 95.00, 0.28), 0.950, 12),
    ("first-token", "baseline", {"position": "first"}, "token", (2, 75.00, 0.28), 0.740, 11.9),
    ("mean-pooling", "baseline", {"position": "mean"}, "token", (19, 96.33, 0.32), 0.962, 12.2),
    ("mean-real", "baseline", {"position": "mean_real"}, "token", None, 0.964, 12.3),
    ("last-layer", "baseline", {"train": "last_layer"}, "layers", (3, 72.00, 0.25), 0.720, 9.8),
    ("last-two-blocks", "baseline", {"train": "last_two_blocks"}, "layers", (4, 98.33, 0.33), 0.978, 14),
    ("all-layers", "baseline", {"train": "all"}, "layers", (5, 96.67, 0.69), 0.968, 33),
    ("lora", "all-layers", {"train": "lora"}, "layers", (11, 96.67, 0.75), 0.968, 37),
    ("lora-rank-4", "lora", {"lora_rank": 4}, "layers", None, 0.962, 36.5),
    ("features", "baseline", {"train": "features"}, "layers", None, 0.955, 2.4),
    ("medium", "baseline", {"model": "gpt2-medium"}, "size", (6, 84.67, 0.75), 0.850, 32),
    ("large", "baseline", {"model": "gpt2-large"}, "size", (7, 96.67, 1.50), 0.966, 66),
    ("xl", "baseline", {"model": "gpt2-xl"}, "size", (8, 98.33, 2.83), 0.980, 130),
    ("xl-all-layers", "xl", {"train": "all"}, "size", (9, 98.67, 8.12), 0.987, 380),
    ("xl-lora", "xl-all-layers", {"train": "lora", "lora_alpha": 8.0}, "size", (12, 98.33, 5.79), 0.98, 270),
    ("random-weights", "all-layers", {"weights": "random"}, "weights", (10, 93.67, 0.69), 0.936, 33.3),
    ("full-context", "baseline", {"context": "model"}, "padding", (13, 78.33, 2.46), 0.790, 104),
    ("context-64", "baseline", {"context": 64}, "padding", None, 0.956, 7.1),
    (
        *("no-padding-1", "baseline", {"padding": "none", "batch_size": 1}, "padding"),
        *((14, 98.00, 1.75), 0.978, 70),
    ),
    ("no-padding-8", "no-padding-1", {"accumulation": 8}, "padding", (15, 98.33, 1.70), 0.98, 68),
    ("last-real-token", "baseline", {"position": "last_real"}, "padding", (16, 98.33, 0.30), 0.982, 12.4),
    ("left-padding", "baseline", {"padding": "left"}, "padding", None, 0.975, 12.1),
    (
        *("left-padding-masked", "baseline", {"padding": "left", "attend_padding": False}, "padding"),
        *(None, 0.983, 12.9),
    ),
    ("right-padding-masked", "baseline", {"attend_padding": False}, "padding", None, 0.60, 12.8),
    ("no-causal-mask", "baseline", {"attention": "bidirectional"}, "mask", (17, 95.33, 0.29), 0.955, 12.1),
    ("ignore-index", "baseline", {}, "mask", (18, 95.00, 0.28), 0.950, 12),
    ("high-lr", "baseline", {"lr": 5e-4}, None, None, 0.952, 12),
    ("tf-idf", "baseline", {"model": "tfidf"}, "floor", None, 0.957, 0.05),
]
QUESTIONS = {
    "token": "Which token should the head read?",
    "layers": "How many layers have to learn?",
    "size": "What does a larger model buy?",
    "weights": "What is pretraining worth?",
    "padding": "What do padding and context do?",
    "mask": "Does the causal mask matter, and does ignoring the padding index?",
    "floor": "What does a classifier without a GPT reach?",
}
_SIZES = {
    "gpt2": (124_441_346, 768, 12),
    "gpt2-medium": (354_825_218, 1024, 24),
    "gpt2-large": (774_032_642, 1280, 36),
    "gpt2-xl": (1_557_614_402, 1600, 48),
}
_ENVIRONMENT = Environment(
    device="cpu",
    cpu="Example CPU 2.0 GHz",
    threads=2,
    memory_bytes=8 * 2**30,
    dtype="float32",
    python="3.11.9",
    platform="Linux-6.1-x86_64",
    versions={"torch": "2.13.0", "numpy": "2.3.0"},
    git_sha="0123456789abcdef0123456789abcdef01234567",
    git_dirty=False,
)


def make_rows() -> list[Row]:
    """The rows, each recipe made of the one it is compared with and its changes."""
    recipes: dict[str, Recipe] = {}
    rows = []
    for name, against, changes, question, figures, _, _ in _SPECS:
        base = recipes[against].model_dump() if against else {}
        recipes[name] = Recipe(**{**base, **changes})
        published = None
        if figures:
            number, test, minutes = figures
            published = Published(
                row=number, train_acc=99.0, val_acc=98.0, test_acc=test, minutes_a100=minutes
            )
        note = "The option was never passed on in the source." if name == "ignore-index" else None
        rows.append(
            Row(
                name=name,
                recipe=recipes[name],
                against=against,
                changes=changes,
                question=question,
                note=note,
                published=published,
                no_op=name == "ignore-index",
            )
        )
    return rows


def make_study(**changed: Any) -> Study:
    """The whole study on the GPT-2 family, with any field changed."""
    fields: dict[str, Any] = {
        "name": "full-gpt2",
        "matrix": "full",
        "about": "Nineteen published rows, and what they leave open.",
        "models": "gpt2",
        "baseline": "baseline",
        "questions": QUESTIONS,
        "rows": make_rows(),
        "seeds": SEEDS,
        "dataset": DATASET,
        "command": "python -m bench run --matrix full --models gpt2 --seeds 3",
    }
    return Study(**(fields | changed))


def make_record(row: Row, seed_index: int, accuracy: float, train_s: float, **changed: Any) -> Record:
    """A finished run whose figures scatter a little around the given ones; the same every time."""
    rng = random.Random(zlib.crc32(f"{row.recipe.id}/{seed_index}".encode()))
    tfidf, trains = row.recipe.trainer == "tfidf", row.recipe.trainer == "network"
    correct = min(300, max(0, round(300 * accuracy + rng.gauss(0, 1.7))))
    predicted = [0] * 141 + [1] * 159
    for wrong in rng.sample(range(300), 300 - correct):
        predicted[wrong] = 1 - predicted[wrong]
    train_s *= rng.uniform(0.97, 1.03)
    phases = {"load": 0.4, "tokenise": 0.2, "train": train_s, "evaluate": 0.1 * train_s, "other": 0.05}
    total, width, depth = _SIZES.get(row.recipe.model, (0, 0, 0))
    trained = {"all": total, "last_layer": 2 * width, "lora": depth * 16 * width}.get(
        row.recipe.train, 12 * width**2
    )
    fields: dict[str, Any] = {
        "run_id": run_id(row.recipe, seed_index),
        "recipe_id": row.recipe.id,
        "recipe": row.recipe,
        "seed_index": seed_index,
        "seeds": SEEDS[seed_index],
        "status": "done",
        "dataset": DATASET,
        "inputs": InputFacts(
            tokenizer="gpt2",
            tokens_per_row=None if row.recipe.padding == "none" else 120,
            longest_tokens=204,
            n_truncated=23 if row.recipe.context == 64 else 0,
        ),
        "weights": None
        if tfidf
        else WeightsFacts(source="hub", fingerprint="c" * 64, pretrained=row.recipe.weights == "pretrained"),
        "metrics": Metrics(
            train=SplitMetrics(n=1045, correct=1000, accuracy=1000 / 1045, log_loss=0.1),
            validation=SplitMetrics(n=149, correct=140, accuracy=140 / 149, log_loss=0.15),
            test=SplitMetrics(n=300, correct=correct, accuracy=correct / 300, log_loss=0.2),
        ),
        "test": Predictions(
            labels=[0] * 141 + [1] * 159, predicted=predicted, probabilities=[[0.5, 0.5]] * 300
        ),
        "curves": _curves(rng, accuracy, train_s, row.recipe.epochs) if trains else None,
        "parameters": None if tfidf else Parameters(total=total, trained=trained),
        "cost": Cost(
            phases=phases,
            marginal_s=sum(phases.values()),
            standalone_s=sum(phases.values())
            + (1.5 if seed_index and row.recipe.train == "last_layer" else 0),
            process_mem_bytes=int(3e8 + 16 * total),
            tokens_processed=627_000,
            flops=1e13,
        ),
        "environment": _ENVIRONMENT,
        "created_at": "2025-01-01T00:00:00Z",
    }
    return Record(**(fields | changed))


def make_unfinished(row: Row, seed_index: int, status: str, reason: str) -> Record:
    """A record of a run that failed or was skipped."""
    nothing = dict.fromkeys(
        ("inputs", "weights", "metrics", "test", "curves", "parameters", "cost"),
    )
    return make_record(row, seed_index, 0.5, 1.0, status=status, reason=reason, **nothing)


def make_records(study: Study, untrained: bool = False) -> list[Record]:
    """Records of the study: xl skipped, one run of full-context failed, the last seed of high-lr missing."""
    expected = {spec[0]: (spec[5], spec[6]) for spec in _SPECS}
    records: dict[str, Record] = {}
    for row in study.rows:
        for index in range(len(study.seeds)):
            if row.recipe.model == "gpt2-xl":
                record = make_unfinished(row, index, "skipped", "needs 12.4 GiB of memory, 7.1 GiB are there")
            elif row.name == "full-context" and index == 1:
                record = make_unfinished(row, index, "failed", "RuntimeError: loss became nan at step 41")
            elif row.name == "high-lr" and index == 2:
                continue
            else:
                record = make_record(row, index, *expected[row.name])
                if untrained and record.weights:
                    random_weights = record.weights.model_copy(update={"pretrained": False})
                    record = record.model_copy(update={"weights": random_weights})
            records.setdefault(record.run_id, record)
    return list(records.values())


def _curves(rng: random.Random, accuracy: float, train_s: float, epochs: int) -> Curves:
    steps, loss = 130, 0.7
    losses, points = [], []
    for step in range(10, steps * epochs + 1, 10):
        loss += 0.08 * (2.2 * (1 - accuracy) - loss) + rng.gauss(0, 0.015)
        losses.append(LossPoint(step=step, loss=max(0.01, loss)))
    for epoch in range(1, epochs + 1):
        share = accuracy - (accuracy - 0.5) * 0.5**epoch + rng.gauss(0, 0.01)
        points.append(
            Epoch(
                epoch=epoch,
                step=steps * epoch,
                train_accuracy=min(1.0, share),
                validation_accuracy=min(1.0, share + rng.gauss(0, 0.01)),
                validation_loss=1 - share,
                train_s=train_s * epoch / epochs,
            )
        )
    return Curves(losses=losses, epochs=points, best_epoch=None)
