"""A model's own forward pass, stopped at any of its blocks or started from it.

Masks, rotary tables, windows and position rules stay the model's own: it runs, and only its blocks stand aside. For
the time of one call an attribute `forward` of a block hides its class's method; modules, state dict, hooks and layers
that a method has put into the blocks stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Forward = Callable[..., Any]


class ReachedError(Exception):
    """Ends a forward pass; carries the states (B, T, D) that it has come to."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states


def find_blocks(model: nn.Module, n: int) -> str:
    """Name of the outermost list of `n` blocks of one class. Raises LookupError where there is not exactly one."""
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and len(module) == n
        and len({type(block) for block in module}) == 1
        and any(True for _ in module.parameters())
    ]
    depth = min((name.count(".") for name in found), default=0)
    found = [name for name in found if name.count(".") == depth]
    if len(found) != 1:
        raise LookupError(f"{len(found) or 'no'} lists of {n} blocks in {type(model).__name__}")
    return str(found[0])


@contextmanager
def standing_in(forwards: dict[nn.Module, Forward]) -> Iterator[None]:
    """Let blocks do something else while the context lasts."""
    try:
        for block, forward in forwards.items():
            block.forward = forward
        yield
    finally:
        for block in forwards:
            del block.forward


def incoming(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """The states that a block is called with."""
    states: Tensor = args[0] if args else kwargs["hidden_states"]
    return states


def with_states(
    args: tuple[Any, ...], kwargs: dict[str, Any], states: Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A block's arguments with other states."""
    return ((states, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": states})


def outgoing(returned: Any) -> Tensor:
    """The states of what a block returns: a tensor, or a tuple that begins with it."""
    states: Tensor = returned[0] if isinstance(returned, tuple) else returned
    return states


def like_a_block(states: Tensor, width: int) -> Any:
    """States as a block returns them. width: of the tuple that it returns, 0 for a tensor."""
    return (states, *[None] * (width - 1)) if width else states


def gather_arguments(value: Any, shape: torch.Size, place: Tensor, packed: bool) -> Any:
    """A block's arguments with whatever runs along the positions at a few of them.

    shape: (B, T, D), or (1, N, D) of packed rows; place: (B, R) int64, columns. Tensors (B or 1, T, ...) become
    (B, R, ...), in tuples and dicts as well.
    """
    if isinstance(value, tuple | list):
        return type(value)(gather_arguments(each, shape, place, packed) for each in value)
    if isinstance(value, dict):
        return {name: gather_arguments(each, shape, place, packed) for name, each in value.items()}
    if isinstance(value, Tensor) and value.dim() in (2, 3) and value.shape[1] == shape[1]:
        if packed:
            return value[0, place]
        return value.expand(shape[0], *value.shape[1:])[_numbers(place), place]
    return value


def scattered(values: Tensor, shape: torch.Size, place: Tensor, packed: bool) -> Tensor:
    """values (B, R, D) at their columns among zeros of `shape`, see `gather_arguments`."""
    rows = torch.zeros_like(place) if packed else _numbers(place)
    return values.new_zeros(shape).index_put((rows.expand_as(place), place), values)


def _numbers(place: Tensor) -> Tensor:
    return torch.arange(len(place), device=place.device)[:, None]
