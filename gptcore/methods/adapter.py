"""What a method leaves in a backbone, as the training loop sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from gptcore.backbones.base import Attend


class Adapter(nn.Module):
    """Hooks of a method into training. This one, of methods that add nothing, leaves everything as it is."""

    def initialise(self, attend: Attend) -> None:
        """Give what was added start values that the model itself makes; attend: over a row without padding."""

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

    def wrapped_layers(self) -> tuple[nn.Module, Mapping[str, nn.Module]]:
        """A module, and by name within it the model's own layer in each wrapper that `merge` would fold; maybe none."""
        return self, {}

    @contextmanager
    def unwrapped(self) -> Iterator[None]:
        """Let the model's own layers stand in for their wrappers: of the shapes that `merge` would leave.

        So it takes the time of a merged model, without its answers, and nothing is copied.
        """
        root, layers = self.wrapped_layers()
        wrappers = {name: root.get_submodule(name) for name in layers}
        _put(root, layers)
        try:
            yield
        finally:
            _put(root, wrappers)


def _put(root: nn.Module, modules: Mapping[str, nn.Module]) -> None:
    for name, module in modules.items():
        parent, _, attribute = name.rpartition(".")
        setattr(root.get_submodule(parent), attribute, module)
