"""What a trained classifier takes to ship and to ask."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from gptcore import Engine, fit
from gptcore.classifier import DESCRIPTION, TENSORS
from gptcore.data.datasets import Dataset
from gptcore.methods.base import Method
from gptcore.methods.layers import All, TopBlocks
from gptcore.methods.lora import Lora
from gptcore.methods.prompts import Prompt
from gptcore.methods.wrapped import AdaLora, Boft, Dora, Ia3, Oft, Pissa, Vera
from gptcore.recipe import Recipe
from gptcore.training.serving_cost import FEWEST_ALONE, serving_cost, tensor_file_bytes

TEXTS = [f"{'buy now' if i % 2 else 'see you at'} {i} {'!' * (i % 5)}" for i in range(60)]
ADAPTERS: list[Method] = [
    *(Lora(rank=2), Dora(rank=2), Pissa(rank=2, alpha=2), Vera(rank=4), AdaLora(rank=3, mean_rank=2)),
    *(Oft(block_size=4), Boft(block_size=2, factors=1), Ia3()),
]


def _kind(method: Method) -> str:
    return method.kind


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset.from_texts(TEXTS, [i % 2 for i in range(60)])


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "tfidf"},
        {"model": "nano", "train": "features"},
        {"model": "nano", "train": All()},
        {"model": "nano", "train": TopBlocks(k=0)},
        {"model": "nano", "train": Lora(rank=2, top=1)},
        {"model": "nano", "train": Prompt(n=2)},
    ],
    ids=lambda fields: str(fields.get("train", fields["model"])),
)
def test_sizes_are_those_of_the_files(data: Dataset, tmp_path: Path, fields: dict) -> None:
    recipe = Recipe(**fields, position="last_real", epochs=1)
    classifier = fit(recipe, data, 1, Engine(), "cpu").classifier
    found = serving_cost(classifier, TEXTS, budget_s=0)
    classifier.save(tmp_path)
    assert found.saved_bytes == sum((tmp_path / name).stat().st_size for name in (TENSORS, DESCRIPTION))
    network = getattr(classifier.predictor, "network", None)
    frozen = [] if network is None else [p for p in network.backbone.parameters() if not p.requires_grad]
    assert found.with_base_bytes == found.saved_bytes + sum(4 * p.numel() for p in frozen)
    assert (found.with_base_bytes == found.saved_bytes) == (
        fields["model"] == "tfidf" or fields["train"] == All()
    )
    assert (found.merged_latency_p50_s is None) == (not isinstance(recipe.method, Lora))


def test_a_file_of_mixed_types_has_the_size_that_is_said() -> None:
    arrays = {
        "ünicode": np.zeros(3),
        "b": np.zeros((2, 5), dtype=np.float16),
        "a": np.zeros(1000, dtype=np.int64),
        "c": np.zeros(7, dtype=np.float32),
        "d": np.zeros((0, 4), dtype=np.float32),
    }
    assert tensor_file_bytes(arrays) == len(save(arrays))


@pytest.mark.parametrize("method", ADAPTERS, ids=_kind)
def test_a_merged_adapter_is_timed_without_touching_it(data: Dataset, method: Method) -> None:
    recipe = Recipe(model="nano", position="last_real", lr=1e-2, epochs=1).with_method(method)
    classifier = fit(recipe, data, 1, Engine(), "cpu").classifier
    network = classifier.predictor.network
    modules, before = dict(network.named_modules()), classifier.predict_proba(TEXTS)
    found = serving_cost(classifier, TEXTS, budget_s=0)
    assert found.n_alone == FEWEST_ALONE
    assert found.merged_latency_p50_s is not None
    assert found.merged_texts_per_s is not None
    assert dict(network.named_modules()) == modules
    assert (classifier.predict_proba(TEXTS) == before).all()
    with network.adapter.unwrapped():
        during = [(type(m), p.shape) for m in network.modules() for p in m.parameters(recurse=False)]
    network.adapter.merge()
    assert during == [(type(m), p.shape) for m in network.modules() for p in m.parameters(recurse=False)]


def test_few_texts_will_do(data: Dataset) -> None:
    classifier = fit(Recipe(model="tfidf"), data, 1, Engine(), "cpu").classifier
    found = serving_cost(classifier, TEXTS[:1])
    assert found.n_together == 1
    assert found.latency_p50_s > 0 < found.texts_per_s
    with pytest.raises(ValueError, match="needs texts"):
        serving_cost(classifier, [])
