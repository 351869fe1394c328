"""Methods whose layers come from the peft library: it wraps linear layers of the blocks, the engine does the rest.

Each is a value like any other method. peft is an optional dependency (`pip install -e .[hf]`), loaded when a method is
attached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from gptcore.errors import UserError
from gptcore.methods.base import Method, PeftForm
from gptcore.methods.targets import ALL_LINEAR, is_target, unmatched

if TYPE_CHECKING:
    import torch
    from torch import nn

    from gptcore.backbones.base import Backbone
    from gptcore.backbones.layer_names import BlockLayers
    from gptcore.methods.adapter import Adapter


class Wrapped(Method):
    """Frozen linear layers of the blocks, each wrapped by a layer of peft's that learns.

    targets: names of layers, or ends of names; top: only of so many upper blocks; those below are then computed once.
    """

    peft_config: ClassVar[str]  # the class of peft that configures it

    targets: tuple[str, ...] = Field(default=(ALL_LINEAR,), min_length=1)
    top: int | None = Field(default=None, ge=1, description="only the upper k blocks; None: all")

    def frozen_below(self, n_blocks: int) -> int:
        """The blocks below the upper ones that are wrapped."""
        return 0 if self.top is None else max(0, n_blocks - self.top)

    def obstacle(self, blocks: BlockLayers) -> str | None:
        """Targets that name no layer, such as those of another architecture, and layers that it cannot wrap."""
        return self._obstacle(blocks.linear)

    def _obstacle(self, linear: Mapping[str, int]) -> str | None:
        """The same; linear: name of each linear layer -> its inputs."""
        if (problem := unmatched(self.targets, list(linear))) is not None:
            return f"{self.kind}: {problem}"
        return self._misfit({name: n for name, n in linear.items() if is_target(name, self.targets)})

    def _misfit(self, wrapped: Mapping[str, int]) -> str | None:
        """Why the method cannot wrap these layers, name -> inputs, with a remedy; None where it can."""
        del wrapped
        return None

    def settings(self) -> dict[str, Any]:
        """The arguments of peft's configuration, but for the layers it is about."""
        raise NotImplementedError

    def as_peft(self) -> PeftForm | str:
        """What it is made with."""
        return PeftForm(self.peft_config, self.settings())

    def settings_for_shapes(self) -> dict[str, Any]:
        """The same for layers without values, on torch's meta device, where nothing can be computed from them."""
        return self.settings()

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Wrap the layers. Raises UserError for a target that names none, and for a shape that peft refuses."""
        from gptcore.methods.peft_layers import PeftAdapter

        return PeftAdapter(self._wrapped(backbone, generator))

    def _wrapped(self, backbone: Backbone, generator: torch.Generator) -> Any:
        """peft's tuner of the layers. Raises UserError as `attach` does."""
        from gptcore.methods.peft_layers import wrap

        backbone.requires_grad_(False)
        blocks = backbone.blocks[self.frozen_below(len(backbone.blocks)) :]
        has_values = next(blocks.parameters()).device.type != "meta"
        settings = self.settings() if has_values else self.settings_for_shapes()
        return wrap(blocks, self.kind, self.peft_config, settings | self._layers(blocks), generator)

    def _layers(self, blocks: nn.ModuleList) -> dict[str, Any]:
        """Which layers, as peft's configuration has it. Raises UserError."""
        linear = linear_inputs(blocks)
        if (problem := self._obstacle(linear)) is not None:
            raise UserError(problem)
        return {"target_modules": [name for name in linear if is_target(name, self.targets)]}


def linear_inputs(blocks: nn.Module) -> dict[str, int]:
    """The linear layers within blocks, such as `0.attn.c_attn`, and how many inputs each has."""
    from torch import nn

    return {name: m.in_features for name, m in blocks.named_modules() if isinstance(m, nn.Linear)}


def _indivisible(kind: str, size: str, name: str, n_inputs: int) -> str:
    return f"{kind}: {size} does not divide the {n_inputs} inputs of {name}: choose one that does, or other targets"


class LoraLike(Wrapped):
    """A variant of LoRA that peft configures as one, its update scaled by alpha / rank as in the papers."""

    peft_config: ClassVar[str] = "LoraConfig"
    variant: ClassVar[dict[str, Any]]  # the arguments of peft's configuration that make it what it is

    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=16, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def settings(self) -> dict[str, Any]:
        """LoRA's, and what makes the variant."""
        found = {"r": self.rank, "lora_alpha": self.alpha, "lora_dropout": self.dropout}
        return found | self.variant

    def same_cost(self) -> Self:
        """alpha is a factor of the update."""
        return self.model_copy(update={"alpha": 1.0})


class Dora(LoraLike):
    """LoRA on the direction of each weight, with its magnitude learned apart (Liu et al. 2024)."""

    kind: ClassVar[str] = "dora"
    variant: ClassVar[dict[str, Any]] = {"use_dora": True}


class Pissa(LoraLike):
    """LoRA that starts from the largest singular vectors of each weight, the rest of it frozen (Meng et al. 2024)."""

    kind: ClassVar[str] = "pissa"
    variant: ClassVar[dict[str, Any]] = {"init_lora_weights": "pissa"}

    def as_peft(self) -> PeftForm | str:
        """A plain update of twice the rank, minus where it started: no singular vectors need be found again."""
        return PeftForm(self.peft_config, {"r": 2 * self.rank, "lora_alpha": 2 * self.alpha}, from_start=True)

    def settings_for_shapes(self) -> dict[str, Any]:
        """Without the singular vectors."""
        return self.settings() | {"init_lora_weights": True}


class Vera(Wrapped):
    """Random low-rank matrices that all layers share and that stay as they are; two vectors a layer scale them
    (Kopiczko et al. 2024). projection_seed: of the matrices."""

    kind: ClassVar[str] = "vera"
    peft_config: ClassVar[str] = "VeraConfig"

    rank: int = Field(default=256, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    projection_seed: int = Field(default=0, ge=0)

    def settings(self) -> dict[str, Any]:
        """With the library's start value of the scales, 0.1."""
        return {"r": self.rank, "vera_dropout": self.dropout, "projection_prng_key": self.projection_seed}


class Ia3(Wrapped):
    """A learned factor for each output of a layer, or for each input of those in `feedforward` (Liu et al. 2022).

    The paper scales keys, values and the input of the second MLP layer; here, unless named, outputs of every layer.
    """

    kind: ClassVar[str] = "ia3"
    peft_config: ClassVar[str] = "IA3Config"

    feedforward: tuple[str, ...] = Field(default=(), description="targets whose inputs are scaled instead")

    def settings(self) -> dict[str, Any]:
        """There are none."""
        return {}

    def _misfit(self, wrapped: Mapping[str, int]) -> str | None:
        problem = unmatched(self.feedforward, list(wrapped)) if self.feedforward else None
        return None if problem is None else f"ia3: feedforward: {problem}"

    def _layers(self, blocks: nn.ModuleList) -> dict[str, Any]:
        found = super()._layers(blocks)
        names = found["target_modules"]
        return found | {"feedforward_modules": [name for name in names if is_target(name, self.feedforward)]}


class AdaLora(Wrapped):
    """LoRA as a singular value decomposition whose values are dropped where they matter least (Zhang et al. 2023).

    rank: of each layer at the start; mean_rank: at the end, on average; start, end: shares of the steps before the
    first value is dropped, and after the last one; orthogonality: weight of the penalty.
    """

    kind: ClassVar[str] = "adalora"
    peft_config: ClassVar[str] = "AdaLoraConfig"

    rank: int = Field(default=12, ge=1)
    mean_rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    start: float = Field(default=0.1, ge=0, lt=1)
    end: float = Field(default=0.3, ge=0, lt=1)
    orthogonality: float = Field(default=0.5, ge=0)

    @model_validator(mode="after")
    def _can_end_with_its_budget(self) -> Self:
        if self.mean_rank >= self.rank:
            raise ValueError(f"mean_rank = {self.mean_rank}: it must be less than rank = {self.rank}")
        if self.start + self.end >= 1:
            raise ValueError(
                f"start + end = {self.start + self.end:g}: they are shares of the steps, less than 1"
            )
        return self

    def settings(self) -> dict[str, Any]:
        """The steps are set when training says how many there are."""
        return {
            **{"init_r": self.rank, "target_r": self.mean_rank, "lora_alpha": self.alpha},
            **{"lora_dropout": self.dropout, "orth_reg_weight": self.orthogonality, "total_step": 3},
        }

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Wrap the layers; penalty and budget are the adapter's. Raises UserError as the others do."""
        from gptcore.methods.peft_layers import AdaLoraAdapter

        return AdaLoraAdapter(self._wrapped(backbone, generator), self.start, self.end)

    def same_cost(self) -> Self:
        """alpha and the weight of the penalty are factors."""
        return self.model_copy(update={"alpha": 1.0, "orthogonality": 0.5})


class Oft(Wrapped):
    """Blocks of each layer's inputs are rotated (Qiu et al. 2023). block_size: inputs that rotate together."""

    kind: ClassVar[str] = "oft"
    peft_config: ClassVar[str] = "OFTConfig"

    block_size: int = Field(default=32, ge=2)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def settings(self) -> dict[str, Any]:
        """The rotation is exact: Cayley's formula is solved, not approximated by a series."""
        found = {"r": 0, "oft_block_size": self.block_size, "module_dropout": self.dropout}
        return found | {"use_cayley_neumann": False}

    def _misfit(self, wrapped: Mapping[str, int]) -> str | None:
        size = self.block_size
        odd = next((name for name, n in wrapped.items() if n % size), None)  # peft would take another size
        return None if odd is None else _indivisible("oft", f"block_size = {size}", odd, wrapped[odd])


class Boft(Wrapped):
    """Rotations that are products of sparse ones, as in a butterfly network (Liu et al. 2024).

    block_size: inputs that rotate together; factors: of the product. peft computes more than one with an extension that
    it compiles for CUDA, and without it silently takes one.
    """

    kind: ClassVar[str] = "boft"
    peft_config: ClassVar[str] = "BOFTConfig"

    block_size: int = Field(default=4, ge=2)
    factors: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def settings(self) -> dict[str, Any]:
        """peft counts a product of one as zero butterflies."""
        return {
            **{"boft_block_size": self.block_size, "boft_n_butterfly_factor": self.factors},
            "boft_dropout": self.dropout,
        }

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Wrap the layers. Raises UserError as the others do, and where peft takes fewer factors."""
        adapter = super().attach(backbone, generator)
        factors = next(len(p) for name, p in backbone.blocks.named_parameters() if ".boft_R." in name)
        if factors != self.factors:
            raise UserError(
                f"boft: factors = {self.factors}: peft multiplies rotations only with an extension that it compiles "
                "with ninja and nvcc, which failed here: use factors = 1"
            )
        return adapter

    def _misfit(self, wrapped: Mapping[str, int]) -> str | None:
        size = self.block_size * 2 ** (self.factors - 1)
        odd = next((name for name, n in wrapped.items() if n % size), None)
        if odd is not None:
            power = f" * 2 ** {self.factors - 1}" if self.factors > 1 else ""
            what = f"block_size = {self.block_size}{power}"
            return _indivisible("boft", what, odd, wrapped[odd])
        if self.factors > 1 and self.block_size % 2:
            return f"boft: block_size = {self.block_size}: use an even one, or factors = 1"
        return None


WRAPPED: tuple[type[Method], ...] = (Dora, Pissa, Vera, Ia3, AdaLora, Oft, Boft)
