"""One classifier divided among several processes by PyTorch's FSDP2: each keeps a part of every weight.

Each process is handed the same rows, computes its share of them, and gets the logits of all, so that the training loop
and evaluation are those of one process: every process has the same loss, and takes the same decisions from it. The
gradients of the shares are added up, which makes them those of the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from gptcore.backbones.info import BackboneInfo
from gptcore.data.rows import Rows
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.layout import Layout
from gptcore.errors import UserError
from gptcore.recipe import Recipe


@dataclass(frozen=True)
class Team:
    """The processes that share a classifier, torch's default group. rank: number of this one from 0; size: of all."""

    rank: int
    size: int


@dataclass
class ShardedEngine(Engine):
    """The fast engine for one of several processes: without trunks, and every block computes every position.

    A frozen trunk or a smaller embedding would change which weights are shared after they are. Batches of a step go
    through the model one by one, as memory is what is short.
    """

    team: Team = Team(0, 1)

    @property
    def is_fast(self) -> bool:
        """Only rows are laid out as in the fast engine."""
        return False

    def layout(self, recipe: Recipe, info: BackboneInfo) -> Layout:
        """The fast engine's, with each block called once for all positions."""
        found = super().layout(recipe, info)
        return replace(found, last_block_at_read_positions=False, whole_steps=False)

    def place(self, classifier: Classifier, device: torch.device) -> None:
        """Divide it among the processes. Raises UserError as `shard` does."""
        shard(classifier, self.team, device)


def shard(classifier: Classifier, team: Team, device: torch.device) -> None:
    """Divide a classifier among the processes of a team, in place; all must hold the same one.

    Block by block, and the token embedding by itself, so that a GPU never holds much more than its share and one of
    them. Raises UserError where blocks share weights, or where dropout would draw other numbers than in one process.
    """
    parts = [*classifier.backbone.blocks, classifier.backbone.embedding]
    _check(classifier, parts)
    mesh = DeviceMesh(device.type, list(range(team.size)))
    for module in (*parts, classifier):
        for parameter in module.parameters():
            if not isinstance(parameter, DTensor):
                # Frozen weights may be transposed views of a checkpoint's file.
                parameter.data = parameter.data.contiguous()
        # Also the outermost one: weights that it kept whole would be stale once the best epoch's are put back.
        fully_shard(module, mesh=mesh, reshard_after_forward=True)
        assert isinstance(module, FSDPModule)
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)  # gloo knows no other
    shares = _Shares(team)
    classifier.register_forward_pre_hook(shares.take)
    classifier.register_forward_hook(shares.give)
    classifier.n_processes = team.size


class _Shares:
    """Hands a process its share of the rows of a call, and makes its logits those of all rows."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.n_rows = 0

    def take(self, module: nn.Module, args: tuple[Rows]) -> tuple[Rows]:
        """The rows of this process, as many as of every other: the last row fills up, and is left out again."""
        del module
        (rows,) = args
        self.n_rows = len(rows)
        each = -(-self.n_rows // self.team.size)
        index = torch.arange(self.team.rank * each, (self.team.rank + 1) * each)
        return (rows.take(index.clamp(max=self.n_rows - 1)),)

    def give(self, module: nn.Module, args: tuple[Rows], logits: Tensor) -> Tensor:
        """Own logits (b, n_classes) -> those of all rows (B, n_classes), in their order."""
        del module, args
        found: Tensor = _Gather.apply(logits, self.team)
        return found[: self.n_rows]


class _Gather(torch.autograd.Function):
    """Tensors of all processes, one after the other. As all compute the same loss from them, a process's gradient is
    its own part.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, mine: Tensor, team: Team) -> Tensor:
        """(b, n) -> (size * b, n)."""
        ctx.team = team  # type: ignore[attr-defined]
        found = [torch.empty_like(mine) for _ in range(team.size)]
        dist.all_gather(found, mine.contiguous())
        return torch.cat(found)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        """(size * b, n) -> (b, n)."""
        team: Team = ctx.team  # type: ignore[attr-defined]
        return grads[0].chunk(team.size)[team.rank], None


def _check(classifier: Classifier, parts: Sequence[nn.Module]) -> None:
    """Raises UserError for what would not be the same in several processes. parts: that are divided one by one."""
    if not hasattr(FSDPModule, "set_force_sum_reduction_for_comms"):
        raise UserError(f"--nproc: torch {torch.__version__} is too old for it: it is tested with 2.13")
    if not classifier.backbone.info.abilities.trunk:
        raise UserError("--nproc: this model has one block that serves as all of them: leave --nproc out")
    part_of = {m: i for i, part in enumerate(parts) for m in part.modules()}
    owner: dict[int, int | None] = {}
    for name, module in classifier.named_modules():
        if isinstance(module, nn.Dropout) and module.p and not _stays_off(classifier, module):
            raise UserError(
                f"--nproc: {name} drops at random, which several processes do otherwise than one: use dropout = 0, or "
                "leave --nproc out"
            )
        for parameter in module.parameters(recurse=False):
            where = part_of.get(module)
            if owner.setdefault(id(parameter), where) != where:
                raise UserError(f"--nproc: {name} shares a weight with another part: leave --nproc out")


def _stays_off(classifier: Classifier, module: nn.Module) -> bool:
    """Whether a module stays in evaluation mode while the classifier trains."""
    was_training = classifier.training
    classifier.train()
    off = not module.training
    classifier.train(was_training)
    return off
