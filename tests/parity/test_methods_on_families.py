"""Every method on toys of three architectures: what learns counts, and both engines compute the same.

A decoder of transformers, one with windows and norms of its own, and an encoder; `test_every_method.py` has the GPT.
"""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine, EngineName
from gptcore.methods.base import Method
from gptcore.methods.existing import BitFit, LnTuning
from gptcore.methods.layers import All, TopBlocks
from gptcore.methods.lora import Lora
from gptcore.methods.prefix import Prefix
from gptcore.methods.prompts import Prompt, PTuning
from gptcore.methods.spelling import METHODS
from gptcore.methods.wrapped import AdaLora, Boft, Dora, Ia3, Oft, Pissa, Vera
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier
from gptcore.training.fits import fit_obstacle
from gptcore.training.inputs import Inputs, prepare_inputs
from tests.parity.test_families import DATA, KEYS_BIAS, compare_engines, load_toy, toy, toys_only

FAMILIES = ("llama", "gemma3_text", "bert")
LINEAR: Any = ("all-linear",)
OF_EACH: tuple[Method, ...] = (
    *(Lora(rank=2, targets=LINEAR), Dora(rank=2), Pissa(rank=2, alpha=2), Vera(rank=4)),
    *(Ia3(feedforward=("mlp",)), AdaLora(rank=3, mean_rank=2), Oft(block_size=4), Boft(factors=1)),
    *(LnTuning(), Prompt(n=3), PTuning(n=3, hidden=8), Prefix(n=3), TopBlocks(k=2), All()),
)
WITH_BIASES: tuple[Method, ...] = (BitFit(), Lora(rank=2, targets=LINEAR, bias="lora_only"))
CASES = [
    pytest.param(family, method, id=f"{family}-{method.kind}")
    for family in FAMILIES
    for method in (*OF_EACH, *(WITH_BIASES if family == "bert" else ()))
]
# A shorter list each time: what two engines make of a whole training takes longer.
FAST = ("llama", "boft"), ("llama", "prefix"), ("bert", "bitfit"), ("gemma3_text", "oft")
TRAINED = [
    pytest.param(*case.values, id=case.id, marks=[] if (family, method.kind) in FAST else [pytest.mark.slow])
    for case in CASES
    for family, method in [case.values]
]


def recipe_of(family: str, method: Method) -> Recipe:
    layout = {"position": "last_real", "attention": "native", "attend_padding": False}
    return Recipe(model=family, epochs=2, lr=1e-3, batch_size=4, **layout).with_method(method)


def test_every_method_is_here() -> None:
    assert {method.kind for method in (*OF_EACH, *WITH_BIASES)} == set(METHODS) - {"features"}


def shaken(recipe: Recipe, engine: EngineName, seed: int = 2) -> tuple[Classifier, Inputs]:
    """A classifier in whose trained tensors nothing is zero, and texts as it reads them; call it in `toys_only`."""
    backbone, _ = load_toy(recipe, 0)
    if recipe.method.kind == "pissa":  # its start values are found in float32 alone
        backbone = backbone.float()
    classifier = build_classifier(backbone, 2, recipe, Engine(engine), 0).eval()
    classifier = classifier.double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in classifier.trained_parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    return classifier, prepare_inputs(DATA, recipe, classifier.layout, backbone.info)


@pytest.mark.parametrize(("family", "method"), CASES)
def test_a_change_of_any_trained_tensor_changes_the_logits(family: str, method: Method) -> None:
    """A shortcut must not read past an adapter's layer."""
    with toys_only(family), torch.no_grad():
        classifier, inputs = shaken(recipe_of(family, method), "fast")
        generator = torch.Generator().manual_seed(3)
        before = classifier(inputs.test)
        learning = [(name, p) for name, p in classifier.named_parameters() if p.requires_grad]
        assert len(learning) > 2  # not the head alone
        for name, p in learning:
            kept = p.clone()
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
            change = float((classifier(inputs.test) - before).abs().max())
            p.copy_(kept)
            # A softmax does not see what is added to all scores.
            assert (change > 1e-5) != bool(KEYS_BIAS.search(name)), f"{name} learns and changes nothing"


@pytest.mark.parametrize(("family", "method"), CASES)
def test_gradients_of_both_engines_are_equal(family: str, method: Method) -> None:
    """One backward pass over rows of many lengths."""
    recipe, found = recipe_of(family, method), []
    with toys_only(family):
        for engine in ("plain", "fast"):
            classifier, inputs = shaken(recipe, engine)
            labels = torch.arange(len(inputs.train)) % 2
            cross_entropy(classifier(inputs.train), labels).backward()
            found.append({name: p.grad for name, p in classifier.named_parameters() if p.requires_grad})
    plain, fast = found
    assert plain.keys() == fast.keys()
    for name, gradient in plain.items():
        assert isinstance(gradient, Tensor), name
        torch.testing.assert_close(fast[name], gradient, rtol=1e-4, atol=1e-7, msg=name)
        assert KEYS_BIAS.search(name) or float(gradient.abs().max()) > 1e-7, name


@pytest.mark.parametrize(("family", "method"), TRAINED)
def test_engines_agree_on_training(family: str, method: Method) -> None:
    if isinstance(method, Pissa):
        pytest.skip("starts in float32, and the toys are in float64; its gradients are compared above")
    recipe = recipe_of(family, method)
    assert fit_obstacle(recipe, toy(family).info) is None
    with toys_only(family):
        compare_engines(recipe)
