"""What a method leaves in a backbone, as the training loop sees it."""

from __future__ import annotations

from torch import Tensor, nn


class Adapter(nn.Module):
    """Hooks of a method into training. This one, of methods that add nothing, leaves everything as it is."""

    def extra_loss(self) -> Tensor | None:
        """What is added to the loss of a step, a scalar."""
        return None

    def after_step(self, step: int, n_steps: int) -> None:
        """Called after each optimiser step, while gradients are still there; step: from 1 to n_steps."""

    @property
    def acts_after_steps(self) -> bool:
        """Whether `after_step` does anything: a recorded step would not repeat it."""
        return type(self).after_step is not Adapter.after_step

    def merge(self) -> None:
        """Fold what was added into the backbone's own layers, in place, where it can be."""
