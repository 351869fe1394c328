"""GPT-2 in one readable file (Radford et al. 2019): embeddings, pre-norm blocks, final norm.

Module and parameter names are those of the Hugging Face checkpoints, so loading is a change of layout only.
The forward pass can stop at or start from any block, and the last block can be asked for selected
positions only: keys and values are computed everywhere, queries and the MLP just where they are read. Rows may
go through the blocks without their padding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcore.backbones.config import Activation, ModelConfig
from gptcore.backbones.packing import Packing

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


@dataclass(frozen=True)
class Attend:
    """Which positions may attend to which.

    causal: a position sees itself and what is left of it; otherwise it sees the whole row.
    real:   (B, T) bool, False where a key is padding that must not be seen; None: everything may be seen.
    packing: how rows that are padded on the right, where nothing may see padding, lie one after the other.
    """

    causal: bool = True
    real: Tensor | None = None
    packing: Packing | None = None

    def mask(self, n_keys: int, read: Tensor | None, device: torch.device) -> Tensor | None:
        """Boolean mask, True where attention is allowed, (B or 1, 1, n_queries, n_keys); None: all allowed.

        read: (B, R) int64 positions of the queries, None for every position.
        """
        if self.real is None and (not self.causal):
            return None
        keys = torch.arange(n_keys, device=device)
        queries = keys[None] if read is None else read  # (1 or B, R)
        own = queries[:, :, None] == keys  # (1 or B, R, T)
        allowed = queries[:, :, None] >= keys if self.causal else torch.ones_like(own)
        if self.real is not None:
            # A query always sees itself: left of the first real token there is nothing else, and a
            # softmax over nothing is NaN.
            allowed = allowed & self.real[:, None, :] | own
        return allowed[:, None]


CAUSAL = Attend()


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection for query, key and value; `layer` is its block's number."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.score_divisor = config.score_divisor(layer)
        self.c_attn = nn.Linear(config.d_model, 3 * config.d_model)
        self.c_proj = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor, attend: Attend, read: Tensor | None = None) -> Tensor:
        """x (B, T, d_model) -> (B, T, d_model), or (B, R, d_model) for the R positions in `read`.

        With a packing and no `read`, x is (N, d_model), and so is what comes out.
        """
        # An adapter in the projection's place may have no weight that could be split.
        weight = None if read is None else self.c_attn.weight
        if read is not None and weight is not None:
            heads = self._few_queries(x, attend, read, weight, self.c_attn.bias)
        elif read is None and (packing := attend.packing) is not None:
            # Attention itself sees padded rows: for 134 tokens it is 3% of a block's arithmetic on 124M.
            heads = packing.pack(self._all_keys(packing.unpack(self.c_attn(x)), attend, None))
        else:
            heads = self._all_keys(self.c_attn(x), attend, read)
        out: Tensor = self.c_proj(heads)
        return out

    def _all_keys(self, qkv: Tensor, attend: Attend, read: Tensor | None) -> Tensor:
        """qkv (B, T, 3 d_model) -> what the heads see, concatenated (B, R or T, d_model)."""
        (B, T), D = qkv.shape[:2], qkv.shape[2] // 3
        q, k, v = qkv.split(D, dim=2)  # each (B, T, d_model)
        if read is not None:
            q = gather_positions(q, read)  # (B, R, d_model)
        q, k, v = (t.view(B, -1, self.n_head, D // self.n_head).transpose(1, 2) for t in (q, k, v))
        # (B, n_head, R or T, d_head)
        plain_causal = attend.causal and attend.real is None and read is None
        mask = None if plain_causal else attend.mask(T, read, qkv.device)
        if qkv.device.type == "cpu" and q.dtype == torch.bfloat16:
            # The CPU kernel is slower in bfloat16 than in float32, its backward pass three times (docs/log.md).
            with torch.autocast("cpu", enabled=False):
                q, k, v = q.float(), k.float(), v.float()
                y = self._attention(q, k, v, mask, plain_causal)
        else:
            y = self._attention(q, k, v, mask, plain_causal)
        return y.transpose(1, 2).reshape(B, -1, D)  # (B, R or T, d_model)

    def _attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        scale = 1.0 / self.score_divisor
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=scale)

    def _few_queries(self, x: Tensor, attend: Attend, read: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """x (B, T, d_model), read (B, R) -> what the heads see at R positions, concatenated (B, R, d_model).

        weight (3 d_model, d_model), bias: of the projection. No key and no value is computed. With W_k, W_v a head's
        rows of the projection,

            q . (W_k x_j + b_k) = (q W_k) . x_j + q . b_k      sum_j p_j (W_v x_j + b_v) = W_v (sum_j p_j x_j) + b_v

        so a position costs 4 n_head d_model operations instead of 4 d_model^2.
        """
        (B, T, D), R, H = x.shape, read.shape[1], self.n_head
        w_q, w_k, w_v = weight.split(D)  # each (d_model, d_model)
        b_q, b_k, b_v = bias.split(D)
        q = F.linear(gather_positions(x, read), w_q, b_q).view(B, R, H, D // H)
        # (B, R * n_head, d_model)
        q_x = torch.einsum("brhd,hdc->brhc", q, w_k.view(H, D // H, D)).flatten(1, 2)
        scores = (q_x @ x.transpose(1, 2)).view(B, R, H, T) + (q * b_k.view(H, -1)).sum(3, keepdim=True)
        scores = scores / self.score_divisor
        mask = attend.mask(T, read, x.device)  # (B or 1, 1, R, T)
        if mask is not None:
            scores = scores.masked_fill(~mask.transpose(1, 2), -math.inf)
        seen = scores.softmax(dim=3).flatten(1, 2) @ x  # (B, R * n_head, d_model)
        y = torch.einsum("brhc,hdc->brhd", seen.view(B, R, H, D), w_v.view(H, D // H, D))
        heads: Tensor = y.flatten(2) + b_v
        return heads


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
        """x (B, T, d_model) -> (B, T, d_model), or (B, R, d_model) for the R positions in `read`.

        With a packing and no `read`, what comes out where padding is is zero, whatever went in.
        """
        if read is None:
            if attend.packing is None:
                return self._run(x, x, attend, None)
            packed = attend.packing.pack(x)
            return attend.packing.unpack(self._run(packed, packed, attend, None))
        # A few rows through large weights: rounding the weights would cost more than bfloat16 products save.
        with torch.autocast(x.device.type, enabled=False):
            return self._run(x, gather_positions(x, read), attend, read)

    def _run(self, x: Tensor, residual: Tensor, attend: Attend, read: Tensor | None) -> Tensor:
        residual = residual + self.attn(self.ln_1(x), attend, read)
        out: Tensor = residual + self.mlp(self.ln_2(residual))
        return out


class GPT(nn.Module):
    """A GPT-2: tokens in, hidden states (or language-model logits) out.

    `GPT(config)` leaves torch's default initialisation; see `weights.random_gpt` and `weights.load_gpt`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.notes: tuple[str, ...] = ()  # what loading its checkpoint left out
        self.wte = nn.Embedding(config.vocab_size, config.d_model)
        self.wpe = nn.Embedding(config.context, config.d_model)
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.lm_head: nn.Linear | None = None  # stays None where the output is tied to the embedding
        if not config.tie_output:
            self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    def embed(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """tokens (B, T) int64 -> (B, T, d_model); positions (B, T) int64, by default 0 .. T-1."""
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)
        x: Tensor = self.wte(tokens) + self.wpe(positions)
        return x

    def run_blocks(
        self,
        x: Tensor,
        attend: Attend = CAUSAL,
        *,
        start: int = 0,
        stop: int | None = None,
        read: Tensor | None = None,
    ) -> Tensor:
        """Blocks start .. stop-1 on x (B, T, d_model), without the final norm.

        read: (B, R) int64; if given, the last block of the range returns those positions: (B, R, d_model).
        """
        stop = self.config.n_layer if stop is None else stop
        for i in range(start, stop):
            x = self.h[i](x, attend, read if i == stop - 1 else None)
        if read is not None and start >= stop:
            x = gather_positions(x, read)
        return x

    def forward(self, tokens: Tensor, attend: Attend = CAUSAL, positions: Tensor | None = None) -> Tensor:
        """tokens (B, T) int64 -> hidden states after the final norm (B, T, d_model)."""
        hidden: Tensor = self.ln_f(self.run_blocks(self.embed(tokens, positions), attend))
        return hidden

    def lm_logits(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) int64 -> next-token logits (B, T, vocab_size) under a causal mask."""
        weight = self.wte.weight if self.lm_head is None else self.lm_head.weight
        return F.linear(self(tokens), weight)


def gather_positions(x: Tensor, read: Tensor) -> Tensor:
    """x (B, T, D), read (B, R) int64 -> (B, R, D)."""
    return x.gather(1, read[:, :, None].expand(-1, -1, x.shape[2]))


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
