"""GPT-2 in one readable file (Radford et al. 2019): embeddings, pre-norm blocks, final norm.

Module and parameter names are those of the Hugging Face checkpoints, so loading is a change of layout only. Who sees
whom is a function that is passed in (`Attend`); rows may start and stop at any block.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcore.backbones.base import CAUSAL, Attend, Backbone, KeysAndValues, gather_positions
from gptcore.backbones.config import Activation, ModelConfig
from gptcore.data.rows import Rows

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu_new": partial(F.gelu, approximate="tanh"),  # as GPT-2 was trained
    "gelu": F.gelu,
    "relu": F.relu,
    "relu6": F.relu6,
    "silu": F.silu,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "leaky_relu": F.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection for query, key and value; `layer` is its block's number."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.score_divisor = config.score_divisor(layer)
        self.c_attn = nn.Linear(config.d_model, 3 * config.d_model)
        self.c_proj = nn.Linear(config.d_model, config.d_model)
        self.prefix: nn.Module | None = None  # gives keys and values that every position sees

    def forward(self, x: Tensor, attend: Attend, read: Tensor | None = None) -> Tensor:
        """x (B, T, d_model) -> the same, or (B, R, d_model) for the R positions in `read`; packed (N, d_model)."""
        seen, prefix = None, None if self.prefix is None else self.prefix()
        if read is not None and prefix is None:
            seen = attend.without_keys(x, self.c_attn, self.n_head, self.score_divisor, read)
        if seen is None:
            qkv = self.c_attn(x).split(x.shape[-1], dim=-1)
            q, k, v = (t.unflatten(-1, (self.n_head, -1)) for t in qkv)  # each (B, T, n_head, d_head)
            q = q if read is None else gather_positions(q, read)
            seen = attend(q, k, v, self.score_divisor, read, prefix=prefix)
        out: Tensor = self.c_proj(seen.flatten(-2))
        return out


class MLP(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.d_model, config.d_mlp)
        self.activation = ACTIVATIONS[config.activation]
        self.c_proj = nn.Linear(config.d_mlp, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., d_model) -> (..., d_model)."""
        out: Tensor = self.c_proj(self.activation(self.c_fc(x)))
        return out


class Block(nn.Module):
    """Pre-norm transformer block: x + attention(norm(x)), then x + MLP(norm(x))."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.attn = Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, attend: Attend, read: Tensor | None = None) -> Tensor:
        """x (B, T, d_model) -> the same, or (B, R, d_model) for the R positions in `read`; packed (N, d_model)."""
        residual = x if read is None else gather_positions(x, read)
        residual = residual + self.attn(self.ln_1(x), attend, read)
        out: Tensor = residual + self.mlp(self.ln_2(residual))
        return out


class GPT(Backbone):
    """A GPT-2: tokens in, hidden states (or language-model logits) out.

    `GPT(config)` leaves torch's default initialisation; see `weights.random_gpt` and `weights.load_gpt`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = self.info = config
        self.wte = nn.Embedding(config.vocab_size, config.d_model)
        self.wpe = nn.Embedding(config.context, config.d_model)
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.lm_head: nn.Linear | None = None  # stays None where the output is tied to the embedding
        if not config.tie_output:
            self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    blocks = property(lambda self: self.h)
    tail = property(lambda self: self.ln_f)
    embedding = property(lambda self: self.wte)

    def set_embedding(self, embedding: nn.Embedding) -> None:
        """Put another token embedding in its place."""
        self.wte = embedding

    def drop_output(self) -> None:
        """Let go of an output layer of its own: nothing but the tied one is left to save."""
        self.lm_head = None
        self.config = self.info = self.config.model_copy(update={"tie_output": True})

    def keys_and_values(self, tokens: Tensor, attend: Attend) -> list[tuple[nn.Module, KeysAndValues]]:
        """See `Backbone`."""
        found: list[tuple[nn.Module, KeysAndValues]] = []
        with torch.no_grad():
            x = self.embed(tokens[None])
            for i, block in enumerate(self.h):
                assert isinstance(block, Block)
                _, k, v = block.attn.c_attn(block.ln_1(x)).unflatten(-1, (3, block.attn.n_head, -1)).unbind(2)
                found.append((block.attn, (k[0], v[0])))
                x = block(x, attend.at(i))
        return found

    def embed(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """tokens (B, T) int64 -> (B, T, d_model); positions (B, T) int64, by default 0 .. T-1."""
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)
        x: Tensor = self.wte(tokens) + self.wpe(positions)
        return x

    def run(
        self, rows: Rows, attend: Attend, *, stop: int | None = None, read: Tensor | None = None
    ) -> Tensor:
        """Rows from where they stand to the states before block `stop`, or else through the final norm.

        read: (B, R) int64: the last block that runs gives these positions alone. Returns (B, T or R, d_model).
        """
        end = len(self.h) if stop is None else stop
        n_whole = end - rows.depth - (read is not None)  # blocks that give every position
        x = self.embed(rows.values, attend.positions) if rows.are_tokens else rows.values
        if n_whole > 0:
            x = attend.pack(x)  # (B, T, d_model), or (N, d_model) without padding
            for i in range(rows.depth, rows.depth + n_whole):
                x = self.h[i](x, attend.at(i))
            x = attend.unpack(x)
        if read is not None:
            x = (
                self.h[end - 1](x, attend.at(end - 1), read)
                if end > rows.depth
                else gather_positions(x, read)
            )
        return x if stop is not None else self.ln_f(x)

    def forward(self, tokens: Tensor, attend: Attend = CAUSAL) -> Tensor:
        """tokens (B, T) int64 -> hidden states after the final norm (B, T, d_model)."""
        return self.run(Rows.whole(tokens), attend)

    def lm_logits(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) int64 -> next-token logits (B, T, vocab_size) under a causal mask."""
        weight = self.wte.weight if self.lm_head is None else self.lm_head.weight
        return F.linear(self(tokens), weight)


def init_gpt2_weights(model: GPT, generator: torch.Generator) -> None:
    """GPT-2's initialisation, in place: normal(0, 0.02), biases 0, residual projections / sqrt(2 n_layer)."""
    residual_std = 0.02 / math.sqrt(2 * model.config.n_layer)  # Radford et al. 2019, section 2.3
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("c_proj.weight"):
                parameter.normal_(0.0, residual_std, generator=generator)
            elif ".ln_" in name or name.startswith("ln_f"):
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
            elif name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.normal_(0.0, 0.02, generator=generator)
