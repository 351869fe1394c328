"""Times both engines row by row, in turn, in one process on the same data. Loads torch: it times real steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import torch

from bench.records.record import Environment
from bench.records.speed import EndToEnd, EndToEndRow, EngineName, RowSpeed, SpeedStudy, Taken
from bench.records.study import Row
from bench.run.environment import describe_environment
from bench.run.supervisor import Supervisor
from bench.run.timing import Runner, take_rounds
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.backbones.checkpoints import known_config
from gptcore.backbones.config import FAMILIES
from gptcore.data.datasets import Dataset
from gptcore.engine.engine import PRODUCT_FLOPS, Engine, probe_precision, product_seconds
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds
from gptcore.result import OnEpoch
from gptcore.training.costs import estimate_flops
from gptcore.training.probe import probe
from gptcore.training.sample import Probe
from gptcore.training.stand_in import SliceSize
from gptcore.wording import pluralise

ENGINES: tuple[EngineName, ...] = ("fast", "plain")
# The plain engine's slices are small because they are slow; its first epoch warms up, the second is timed.
SLICES: dict[EngineName, dict[str, SliceSize]] = {
    "plain": {
        "gpt2": SliceSize(batches=1, evaluated=8, stand_in=False),
        "bundled": SliceSize(batches=4, evaluated=32, stand_in=False),
    },
    "fast": {
        "gpt2": SliceSize(batches=2, evaluated=16, stand_in=False),
        "bundled": SliceSize(batches=16, evaluated=64, stand_in=False),
    },
}
END_TO_END_PAIRS = 3  # of slices of a row that is then timed end to end
LENGTHS = (32, 64, 128, 256)  # tokens per padded row, to show how cost grows
OTHER_MODELS = {"gpt2": ("mini", "gpt2-medium"), "bundled": ("nano", "micro", "mini")}

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

OnTimed = Callable[[str, float], None]  # what is being timed; the share done, from 0 to 1


def measure(
    models: str,
    rows: Sequence[Row],
    extra_rows: Sequence[Row],
    data: Dataset,
    pairs: int,
    device: str,
    on_timed: OnTimed,
) -> SpeedStudy:
    """Time slices of every row of one model under both engines.

    extra_rows: rows that are not part of the matrix and do not count towards its total. Weights are random: they
    do not affect time. Rows are in the order of the plan; TF-IDF has no engine.
    """
    base = rows[0].recipe
    timer = _Timer(data, device, base.model)
    config = known_config(base.model)
    widths = [n for n in LENGTHS if config is None or n <= config.context]
    lengths = [base.model_copy(update={"context": n}) for n in widths]
    others = [
        base.model_copy(update={"model": model})
        for model in OTHER_MODELS[timer.family]
        if model != base.model
    ]
    n, done = len(rows) + len(extra_rows) + len(lengths) + len(others), 0

    def timed(name: str, recipe: Recipe) -> RowSpeed:
        nonlocal done
        on_timed(name, done / n)
        done += 1
        return timer.row(name, recipe, pairs)

    return SpeedStudy(
        models=models,
        dataset=data.name,
        n_train=len(data.train),
        epochs=base.epochs,
        pairs=pairs,
        precision=timer.engines["fast"].precision,
        slices={name: _in_words(sizes[timer.family], base) for name, sizes in SLICES.items()},
        rates={name: _rate(dtype, torch.device(device)) for name, dtype in DTYPES.items()},
        rows=[timed(row.name, row.recipe) for row in rows],
        extra_rows=[timed(row.name, row.recipe) for row in extra_rows],
        by_length=[timed(f"{width} tokens", recipe) for width, recipe in zip(widths, lengths, strict=True)],
        by_model=[timed(recipe.model, recipe) for recipe in others],
        environment=timer.environment(),
        created_at=_now(),
    )


def measure_end_to_end(
    rows: Sequence[Row], data: Dataset, device: str, on_timed: OnTimed
) -> Iterator[EndToEndRow]:
    """Time every row end to end, once with each engine, yielding each when it is done; slices are timed first."""
    if not rows:
        return
    timer = _Timer(data, device, rows[0].recipe.model)
    on_timed(f"slices of {', '.join(row.name for row in rows)}", 0.0)
    extrapolated = [timer.row(row.name, row.recipe, END_TO_END_PAIRS) for row in rows]
    total = sum(row.median_s(engine) for row in extrapolated for engine in ENGINES)

    def tell_epochs(what: str, done: float, share: float, epochs: int) -> OnEpoch:
        on_timed(what, done)
        return lambda epoch: on_timed(
            f"{what}, epoch {epoch.epoch} done", done + share * epoch.epoch / epochs
        )

    done = 0.0
    for row in extrapolated:
        found: dict[EngineName, EndToEnd] = {}
        for engine in ENGINES:
            share = row.median_s(engine) / total
            on_epoch = tell_epochs(f"{row.row}, end to end, {engine}", done, share, row.recipe.epochs)
            found[engine] = timer.end_to_end(row, engine, on_epoch)
            done += share
        yield EndToEndRow(extrapolated=row, **found, environment=timer.environment(), created_at=_now())


class _Timer:
    """Times recipes of one model under both engines on the same data."""

    def __init__(self, data: Dataset, device: str, model: str) -> None:
        self.data, self.device = data, device
        self.family = "gpt2" if model in FAMILIES["gpt2"] else "bundled"
        precision = probe_precision(torch.device(device))
        self.engines: dict[EngineName, Engine] = {"fast": Engine("fast", precision), "plain": Engine("plain")}

    def row(self, name: str, recipe: Recipe, pairs: int) -> RowSpeed:
        """Slices of a row, in turn: each pair in the reverse order of the previous pair."""

        def timed(engine: EngineName) -> Runner[Probe]:
            size = SLICES[engine][self.family]
            return lambda _case, _round: probe(recipe, self.data, self.engines[engine], self.device, size)

        runners: dict[EngineName, Runner[Probe]] = {engine: timed(engine) for engine in ENGINES}
        taken = take_rounds(runners, [name], pairs, on_round=lambda _text: None, warm_up=0)[name]
        trunk = taken["fast"][-1].trunk
        return RowSpeed(
            row=name,
            recipe=recipe,
            plain=[Taken(phases=probed.phases) for probed in taken["plain"]],
            fast=[Taken(phases=probed.phases) for probed in taken["fast"]],
            plain_flops=self._flops(recipe, taken["plain"][-1]),
            trunk_key=None if trunk is None else repr((trunk.rows, trunk.depth)),
        )

    def end_to_end(self, row: RowSpeed, engine: EngineName, on_epoch: OnEpoch) -> EndToEnd:
        """A run from start to end in its own process, so that the memory is the run's. Raises UserError."""
        recipe = row.recipe.model_copy(update={"weights": "random"})
        spec = SessionSpec(self.data, engine, self.engines[engine].precision, self.device)
        with Supervisor(spec) as supervisor:
            record = supervisor.run(PlannedRun((row.row,), recipe, 0, Seeds(), "todo"), on_epoch)
        if record.cost is None or record.cost.process_mem_bytes is None:
            last = (record.output_tail or [""])[-1]
            raise UserError(
                f"{row.row} could not be timed end to end with the {engine} engine: {record.reason} {last}".rstrip()
            )
        return EndToEnd(phases=record.cost.phases, mem_bytes=record.cost.process_mem_bytes)

    def environment(self) -> Environment:
        """The machine and the code, and the fast engine's precision."""
        return describe_environment(self.device, self.engines["fast"].precision, torch.get_num_threads())

    def _flops(self, recipe: Recipe, plain: Probe) -> float | None:
        config = known_config(recipe.model)
        if config is None:
            return None
        data = self.data
        n_train = recipe.train_size or len(data.train)
        n_evaluated = n_train + recipe.epochs * len(data.validation) + len(data.test)
        return estimate_flops(config, recipe, recipe.epochs * n_train, n_evaluated, plain.tokens_per_row)


def _rate(dtype: torch.dtype, device: torch.device) -> float:
    """FLOP/s of a large matrix product."""
    return PRODUCT_FLOPS / product_seconds(dtype, device)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _in_words(size: SliceSize, recipe: Recipe) -> str:
    return (
        f"two epochs of {pluralise(size.batches, 'batch', 'batches')} of {recipe.batch_size} (the second is timed), "
        f"{size.evaluated} validation and {size.evaluated} test texts, with all blocks"
    )
