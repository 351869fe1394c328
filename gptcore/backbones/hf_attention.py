"""The attention function that models of `transformers` are given: it asks the engine's, whatever the architecture.

Registered with the attention interface alone, and not with that of masks, so a model makes no mask of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gptcore.backbones.base import Attend, KeysAndValues

NAME = "gptcore"
# Arguments that say nothing about the scores beyond what is handled here.
_IGNORED = frozenset(
    (
        *(
            "position_ids",
            "position_embeddings",
            "attention_mask",
            "is_causal",
            "deterministic",
            "cache_position",
        ),
        *("use_cache", "past_key_values", "output_attentions", "output_hidden_states", "return_dict"),
    )
)


class CollectedError(Exception):
    """Ends a block's forward pass once its keys and values are known."""


@dataclass
class Pass:
    """The forward pass that is under way.

    attend: the engine's; causal: how the model was pretrained; blocks: the number of its block by module; packed: rows
    lie end to end, (1, N, ...); read: (B, R) int64, where the queries are, None for everywhere; kept: keys and values
    (B, T, n_head, d_head) of all positions: an empty list collects them.
    """

    attend: Attend
    causal: bool
    blocks: Mapping[nn.Module, int]
    packed: bool = False
    read: Tensor | None = None
    kept: list[Tensor] | None = None


Recorded = list[tuple[nn.Module, KeysAndValues]]

_pass: ContextVar[Pass] = ContextVar("gptcore-forward-pass")
_recorded: ContextVar[Recorded | None] = ContextVar("gptcore-recorded-keys", default=None)


@contextmanager
def under_way(current: Pass) -> Iterator[None]:
    """Let attention be computed for this pass while the context lasts."""
    token = _pass.set(current)
    try:
        yield
    finally:
        _pass.reset(token)


@contextmanager
def recorded() -> Iterator[Recorded]:
    """A list that fills with who calls the attention function, and the first row's keys and values."""
    found: Recorded = []
    token = _recorded.set(found)
    try:
        yield found
    finally:
        _recorded.reset(token)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """query (B, n_head, T, d_head), key and value (B, n_kv, T, d_head) -> (B, T, n_head, d_head); packed B is 1.

    Raises NotImplementedError for an argument that is not understood, such as attention sinks.
    """
    odd = {name for name, given in more.items() if given is not None} - _IGNORED
    if odd or attention_mask is not None or dropout:
        what = min(odd) if odd else "a mask" if attention_mask is not None else "dropout"
        raise NotImplementedError(f"attention of {type(module).__name__} with {what}")
    if (record := _recorded.get()) is not None:
        record.append((module, (key[0].transpose(0, 1), value[0].transpose(0, 1))))
    current = _pass.get()
    attend, heads = current.attend.at(current.blocks[module]), query.shape[1] // key.shape[1]
    k, v = (t.repeat_interleave(heads, dim=1) if heads > 1 else t for t in (key, value))
    q, k, v = (t.transpose(1, 2) for t in (query, k, v))  # each (B, T, n_head, d_head)
    packed = current.packed and current.read is None
    if packed:
        q, k, v = (t[0] for t in (q, k, v))  # each (N, n_head, d_head)
    if current.kept == []:
        current.kept += [attend.unpack(k), attend.unpack(v)] if packed else [k, v]
        raise CollectedError
    if current.kept:
        k, v = current.kept
    if sliding_window is not None and current.causal and not attend.causal:
        # As `transformers` turns a causal window: so many positions on either side, and not one fewer.
        sliding_window += 1
    divisor = query.shape[-1] ** 0.5 if scaling is None else 1 / scaling
    out = attend(q, k, v, divisor, current.read, sliding_window, softcap, _prefix_of(module, heads))
    return (out[None] if packed else out), None


def _prefix_of(module: nn.Module, heads: int) -> KeysAndValues | None:
    """What a method has put into the module, for every head; heads: that share keys and values."""
    if (prefix := getattr(module, "prefix", None)) is None:
        return None
    k, v = prefix()  # each (n, n_kv, d_head)
    return k.repeat_interleave(heads, dim=1), v.repeat_interleave(heads, dim=1)


def register() -> None:
    """Make the function known to `transformers`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attention)


class AnyValues:
    """Attention where shapes and gradients matter, and values do not; see `Attend`."""

    real = positions = None

    def __init__(self, causal: bool) -> None:
        self.causal = causal

    def at(self, block: int) -> AnyValues:
        """The same in every block."""
        del block
        return self

    def pack(self, x: Tensor) -> Tensor:
        """x, as nothing is left out."""
        return x

    unpack = pack

    def __call__(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        divisor: float,
        read: Tensor | None = None,
        window: int | None = None,
        softcap: float | None = None,
        prefix: KeysAndValues | None = None,
    ) -> Tensor:
        """Something of the right shape."""
        del k, divisor, read, window, softcap, prefix
        return q * 0 + v

    def without_keys(self, *_: object) -> None:
        """There is no shorter way."""
