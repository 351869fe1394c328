"""A model of `transformers` as a backbone: its own forward pass runs, from any block to any other, and its attention is
the engine's. What holds of its architecture stands in `families`, and is tried out by `gptcore.engine.self_check`.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import cached_property, partial
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn

from gptcore.backbones import hf_attention
from gptcore.backbones.base import Attend, Backbone, KeysAndValues, gather_positions
from gptcore.backbones.hf_attention import AnyValues, CollectedError, Pass, under_way
from gptcore.backbones.hf_blocks import (
    Forward,
    ReachedError,
    find_blocks,
    gather_arguments,
    incoming,
    like_a_block,
    outgoing,
    scattered,
    standing_in,
    with_states,
)
from gptcore.backbones.hf_config import HFConfig
from gptcore.data.rows import Rows
from gptcore.errors import UserError

# Blocks of a shared model stand aside for one call at a time.
_ONE_AT_A_TIME = RLock()


class HFBackbone(Backbone):
    """An AutoModel of `transformers`.

    Its own modules stay in evaluation mode, as the engines compute frozen blocks once: what a method puts into
    them, such as dropout on an adapter's input, trains.
    """

    info: HFConfig
    reentrant = False  # blocks stand in for one another while it is computed

    def __init__(self, model: nn.Module, info: HFConfig) -> None:
        super().__init__()
        self.model = model.eval()
        self.info = info
        self._loaded = tuple(model.modules())
        self.path = _blocks_of(model, info)
        self._theirs: str = model.config._attn_implementation  # type: ignore[union-attr, assignment]
        if info.abilities.own_attention:
            hf_attention.register()
            model.set_attn_implementation(hf_attention.NAME)  # type: ignore[operator]
        accepted = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in accepted
        # GPT-2 and GPT-Neo look them up among their tokens, where they must not be given.
        self._takes_types = "token_type_ids" in accepted and bool(getattr(model.config, "type_vocab_size", 0))
        self._fixed = {"use_cache": False} if "use_cache" in accepted else {}
        self._returned: int | None = None  # see `_width`
        # Layers that a method puts in come later, but none of them is the attention itself.
        self._block_of = {module: i for i, block in enumerate(self.blocks) for module in block.modules()}

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks, from the bottom."""
        found = self.model.get_submodule(self.path)
        assert isinstance(found, nn.ModuleList)
        return found

    @cached_property
    def tail(self) -> nn.Module:
        """What follows the blocks: the modules whose parameters a gradient passes on the way from the last block."""
        n = len(self.blocks)
        device = self.embedding.weight.device
        tokens = Rows.whole(torch.zeros(1, 2, dtype=torch.int64, device=device))
        wanted = {name: p.requires_grad for name, p in self.model.named_parameters()}
        self.model.requires_grad_(True)
        try:
            with torch.enable_grad():
                states = torch.ones(1, 2, self.info.width, device=device, requires_grad=True)
                out = self.run(Rows(states, tokens.lengths, depth=n), AnyValues(self.info.abilities.causal))
                named = dict(self.model.named_parameters())
                found = torch.autograd.grad(out.sum(), list(named.values()), allow_unused=True)
        finally:
            for name, parameter in self.model.named_parameters():
                parameter.requires_grad_(wanted[name])
        reached = {id(p) for p, gradient in zip(named.values(), found, strict=True) if gradient is not None}
        owners = [
            m for m in self.model.modules() if any(id(p) in reached for p in m.parameters(recurse=False))
        ]
        return nn.ModuleList(owners)

    @property
    def embedding(self) -> nn.Embedding:
        """The token embedding."""
        found = self.model.get_input_embeddings()  # type: ignore[operator]
        assert isinstance(found, nn.Embedding)
        return found

    def set_embedding(self, embedding: nn.Embedding) -> None:
        """Put another token embedding in its place."""
        self.model.set_input_embeddings(embedding)  # type: ignore[operator]

    def drop_output(self) -> None:
        """Nothing to let go of: an AutoModel has no output layer."""

    def train(self, mode: bool = True) -> HFBackbone:
        """Training mode, but for the modules of the loaded model."""
        super().train(mode)
        for module in self._loaded:
            module.training = False
        return self

    @torch.no_grad()
    def their_states(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) int64 without padding -> (B, T, width), by the model as it comes: to be compared with."""
        with _ONE_AT_A_TIME:
            ours = self.model.config._attn_implementation  # type: ignore[union-attr]
            self.model.set_attn_implementation(self._theirs)  # type: ignore[operator]
            try:
                found: Tensor = self.model(input_ids=tokens, **self._fixed).last_hidden_state
            finally:
                self.model.set_attn_implementation(ours)  # type: ignore[operator]
        return found

    @torch.no_grad()
    def keys_and_values(self, tokens: Tensor, attend: Attend) -> list[tuple[nn.Module, KeysAndValues]]:
        """See `Backbone`. Raises UserError where blocks do not call the engine's attention once each."""
        with hf_attention.recorded() as found:
            self.run(Rows.whole(tokens[None]), attend)
        if len({id(module) for module, _ in found}) != len(self.blocks) or len(found) != len(self.blocks):
            raise UserError(f"{self.info.model_type}: its blocks do not have one attention each")
        return found

    def run(
        self, rows: Rows, attend: Attend, *, stop: int | None = None, read: Tensor | None = None
    ) -> Tensor:
        """Rows from where they stand to the states before block `stop`, or else through the tail.

        read: (B, R) int64: these columns alone are returned, and where `info.abilities.reads` says so, computed.
        """
        abilities, n = self.info.abilities, len(self.blocks)
        end = n if stop is None else stop
        if not abilities.own_attention and attend.causal != abilities.causal:
            raise NotImplementedError(f"{self.info.model_type} with another mask than its own")
        if not abilities.trunk and (stop is not None or (0 <= rows.depth < n and not rows.are_tokens)):
            raise NotImplementedError(f"{self.info.model_type} from one block to another")
        if stop is not None and not rows.are_tokens and end == rows.depth:
            return rows.values if read is None else gather_positions(rows.values, read)
        reads = abilities.reads and read is not None and rows.depth < end
        packed = attend.pack(rows.lengths.new_zeros(rows.lengths.shape[0], rows.width)).dim() == 1
        states = None if rows.are_tokens else self._packed(rows.values, attend, packed)
        with _ONE_AT_A_TIME:
            width = self._width() if reads or stop is not None or states is not None else 0
            forwards = self._forwards(rows.depth, states, end, stop is not None, width)
            if reads:
                assert read is not None
                last = self.blocks[end - 1]
                given = forwards.get(last, last.forward)
                place = _places(rows, read) if packed else read
                forwards[last] = partial(self._at_positions, given, attend, read, place, packed, width)
            with under_way(Pass(attend, abilities.causal, self._block_of, packed)), standing_in(forwards):
                try:
                    out = self.model(**self._inputs(rows, attend, packed), **self._fixed).last_hidden_state
                except ReachedError as reached:
                    out = reached.states
        out = attend.unpack(out[0]) if packed else out  # (B, T, D)
        return out if read is None else gather_positions(out, read)

    def _inputs(self, rows: Rows, attend: Attend, packed: bool) -> dict[str, Tensor]:
        """What the model is called with: tokens, which states below a block that is started from do not depend on."""
        B, T = rows.lengths.shape[0], rows.width  # not len(rows), which a tracer takes for a constant
        device = rows.lengths.device
        tokens = rows.values if rows.are_tokens else torch.zeros(B, T, dtype=torch.int64, device=device)
        positions = (
            torch.arange(T, device=device).expand(B, T) if attend.positions is None else attend.positions
        )
        inputs = {"input_ids": tokens}
        if self._takes_positions:
            inputs["position_ids"] = positions + self.info.family.first_position
        if self._takes_types:
            inputs["token_type_ids"] = torch.zeros_like(tokens)
        inputs = {name: self._packed(value, attend, packed) for name, value in inputs.items()}
        if self.info.abilities.own_attention:
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        else:
            real = attend.real
            inputs["attention_mask"] = torch.ones_like(tokens) if real is None else real.long()
        return inputs

    @staticmethod
    def _packed(x: Tensor, attend: Attend, packed: bool) -> Tensor:
        """x (B, T, ...) -> the same, or (1, N, ...)."""
        return attend.pack(x)[None] if packed else x

    def _forwards(
        self, start: int, states: Tensor | None, end: int, stops: bool, width: int
    ) -> dict[nn.Module, Forward]:
        """What blocks do instead of their own: below `start` hand on, at it take `states`, at `end` stop."""
        blocks = self.blocks
        forwards: dict[nn.Module, Forward] = {
            block: lambda *args, **kwargs: like_a_block(incoming(args, kwargs), width)
            for block in blocks[:start]
        }
        if states is not None and start < len(blocks):
            forwards[blocks[start]] = partial(_given, blocks[start].forward, states)
        elif states is not None:
            forwards[blocks[-1]] = lambda *_, **__: like_a_block(states, width)
        if stops and end < len(blocks):
            forwards[blocks[end]] = _reach
        elif stops:
            given = forwards.get(blocks[-1], blocks[-1].forward)
            forwards[blocks[-1]] = partial(_then_reach, given)
        return forwards

    @torch.no_grad()
    def _width(self) -> int:
        """Width of the tuple that a block returns, 0 for a tensor, learnt from a first call."""
        if self._returned is not None:
            return self._returned
        seen: list[Any] = []
        device = self.embedding.weight.device
        rows = Rows.whole(torch.zeros(1, 2, dtype=torch.int64, device=device))
        handle = self.blocks[0].register_forward_hook(lambda _module, _args, out: seen.append(out))
        try:
            self.run(rows, AnyValues(self.info.abilities.causal))
        finally:
            handle.remove()
        self._returned = len(seen[0]) if isinstance(seen[0], tuple) else 0
        return self._returned

    def _at_positions(
        self,
        forward: Forward,
        attend: Attend,
        read: Tensor,
        place: Tensor,
        packed: bool,
        width: int,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """The last block at a few positions: once for the keys and values of all, then for those few.

        forward: the block's own, or one that puts stored states in; place: (B, R), their columns as the rows lie.
        """
        if isinstance(forward, partial):  # `_given`: the states that it would put in
            args, kwargs = with_states(args, kwargs, forward.args[1])
            forward = forward.args[0]
        x, kept = incoming(args, kwargs), list[Tensor]()
        causal = self.info.abilities.causal
        with under_way(Pass(attend, causal, self._block_of, packed, kept=kept)), suppress(CollectedError):
            forward(*args, **kwargs)
        few, named = gather_arguments((args, kwargs), x.shape, place, packed)
        with under_way(Pass(attend, causal, self._block_of, packed, read, kept)):
            out = outgoing(forward(*few, **named))  # (B, R, D)
        # The model's own code goes on with rows of their shape: what is not read is zero.
        return like_a_block(scattered(out, x.shape, place, packed), width)


def _blocks_of(model: nn.Module, info: HFConfig) -> str:
    if not info.abilities.trunk:
        return "encoder.albert_layer_groups"
    try:
        return find_blocks(model, info.n_blocks)
    except LookupError as error:
        raise UserError(
            f"{info.model_type}: {error}: this architecture cannot be split into blocks"
        ) from error


def _places(rows: Rows, read: Tensor) -> Tensor:
    """Columns (B, R) of rows that are padded on the right -> where they are when rows lie end to end."""
    return read + (rows.lengths.cumsum(0) - rows.lengths)[:, None]


def _given(forward: Forward, states: Tensor, *args: Any, **kwargs: Any) -> Any:
    args, kwargs = with_states(args, kwargs, states)
    return forward(*args, **kwargs)


def _reach(*args: Any, **kwargs: Any) -> Any:
    raise ReachedError(incoming(args, kwargs))


def _then_reach(forward: Forward, *args: Any, **kwargs: Any) -> Any:
    raise ReachedError(outgoing(forward(*args, **kwargs)))
