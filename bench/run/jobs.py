"""Which device of this machine is used, and by how many runs at a time. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bench.run.environment import n_threads, visible_gpus
from gptcore.backbones.checkpoints import known_config
from gptcore.errors import UserError
from gptcore.recipe import Recipe

# A model with more parameters is taken to keep all cores of a machine busy by itself, where nothing says better. A
# guess: with mini (4.3M) two runs of one thread did 1.3 times the work of one run with two (docs/log.md).
SMALL_MODEL_PARAMS = 30_000_000


def choose_device(asked: str, has_cuda: Callable[[], bool | None]) -> str:
    """The device, cpu or cuda, that an option asks for: auto takes a GPU if there is one.

    Raises UserError for cuda where there is surely no GPU.
    """
    if asked == "auto":
        return "cuda" if has_cuda() else "cpu"
    if asked == "cuda" and has_cuda() is False:
        raise UserError("--device cuda: no CUDA GPU is usable here; use cpu, or install torch with CUDA")
    return asked


def n_jobs(asked: str, recipes: Iterable[Recipe], device: str) -> int:
    """Runs at a time, from an option that may say "auto": on GPUs at most one each.

    For auto on a CPU this is the rule where nothing can be forecast; `bench.run.auto_jobs` chooses otherwise.
    Raises UserError for what is not a number of 1 or more, or is too many.
    """
    n_gpus = 0 if device == "cpu" else max(1, len(visible_gpus()))
    if asked == "auto":
        return n_gpus or (n_threads() if all(map(is_small, {recipe.backbone for recipe in recipes})) else 1)
    if not asked.isdecimal() or int(asked) < 1:
        raise UserError(f"--jobs {asked!r}: use auto or a number of runs at a time, from 1")
    jobs = int(asked)
    if n_gpus and jobs > n_gpus:
        raise UserError(
            f"--jobs {jobs}: one run at a time on a GPU, of which there are {n_gpus}: use that or auto"
        )
    if not n_gpus and jobs > n_threads():
        raise UserError(
            f"--jobs {jobs}: this program may use {n_threads()} of the machine's cores (OMP_NUM_THREADS, or those it "
            "is allowed to run on): use that or less"
        )
    return jobs


def is_small(backbone: str | None) -> bool:
    """Whether a run of a model, or of none, gains little from more than one core."""
    if backbone is None:
        return True
    config = known_config(backbone)
    return config is not None and config.n_params <= SMALL_MODEL_PARAMS
