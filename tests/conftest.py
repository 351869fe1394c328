"""What every test shares: steady small tensors, no hypothesis deadlines, and toy models."""

import gc
from collections.abc import Callable

import pytest
import torch
from hypothesis import settings

from gptcore.backbones.config import ModelConfig
from gptcore.backbones.gpt import GPT
from tests.browsing import browser

__all__ = ["browser"]  # a fixture of the tests of pages

torch.set_num_threads(1)  # toy tensors gain nothing from threads, and a busy machine makes them slow

settings.register_profile("shared-machine", deadline=None)  # a busy machine is no failure
settings.load_profile("shared-machine")


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not go through torch and its like again and again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")


def make_toy_config(**changes: object) -> ModelConfig:
    """Three blocks of width 16 over 31 tokens, or the same with changes."""
    toy = {"d_model": 16, "n_layer": 3, "n_head": 2, "context": 12, "vocab_size": 31}
    return ModelConfig.model_validate(toy | changes)


def make_toy_gpt(seed: int = 0, **changes: object) -> GPT:
    """A toy GPT whose every parameter, biases and norms too, is well away from zero: any slip shows."""
    gpt = GPT(make_toy_config(**changes))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in gpt.named_parameters():
            mean = 1.0 if "ln_" in name and name.endswith("weight") else 0.1
            parameter.normal_(mean, 0.3, generator=generator)
    return gpt


@pytest.fixture(scope="session")
def toy_config() -> Callable[..., ModelConfig]:
    return make_toy_config


@pytest.fixture(scope="session")
def toy_gpt() -> Callable[..., GPT]:
    return make_toy_gpt
