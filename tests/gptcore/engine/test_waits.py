"""How often a step waits for the GPU. Tensors that refuse to be looked at play those on a GPU where there is none."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gptcore.data.rows import Rows
from gptcore.recipe import Recipe

LOOKS = {
    *(Tensor.__int__, Tensor.__bool__, Tensor.__float__, Tensor.__index__, Tensor.item, Tensor.tolist),
    *(Tensor.nonzero, torch.nonzero, Tensor.numpy),
}


class Far(Tensor):
    """A tensor whose values are far away: a look at them waits, and only `cpu()` is allowed, which is counted."""

    waits = 0

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is Tensor.cpu:
            Far.waits += 1
            return args[0].as_subclass(Tensor)
        if function in LOOKS:
            raise AssertionError(f"{function.__name__} waits for the GPU")
        return super().__torch_function__(function, types, args, kwargs or {})


@pytest.fixture
def rows(toy_labelled) -> Rows:
    near = toy_labelled(12).rows
    Far.waits = 0
    return replace(near, values=near.values.as_subclass(Far), lengths=near.lengths.as_subclass(Far))


@pytest.mark.parametrize("train", ["last_block", "all", "lora"])
@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ({"position": "last"}, 0),
        ({"position": "mean"}, 0),
        ({"position": "last_real"}, 1),
        ({"position": "mean_real"}, 1),
        ({"attend_padding": False, "attention": "bidirectional", "position": "mean_real"}, 1),
        ({"padding": "left", "attend_padding": False}, 1),
    ],
)
def test_a_step_waits_once_at_most(toy_classifier, rows, train, changes, waits):
    classifier = toy_classifier(Recipe(train=train, lora_rank=2, **changes), "fast")
    classifier(rows).sum().backward()
    assert Far.waits == waits


@pytest.mark.parametrize("position", ["last", "last_real"])
def test_far_rows_give_the_same(toy_classifier, toy_labelled, rows, position):
    classifier = toy_classifier(Recipe(position=position), "fast")
    near = classifier(toy_labelled(12).rows)
    torch.testing.assert_close(classifier(rows).as_subclass(Tensor), near)


def test_a_look_is_noticed(rows):
    with pytest.raises(AssertionError, match="waits for the GPU"):
        int(rows.lengths.max())
