"""`python -m bench speed`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer import echo

from bench.run.options import SpeedOptions
from gptcore.commands.options import with_options

if TYPE_CHECKING:
    from bench.run.speed_run import OpponentRun


@with_options
def speed(options: SpeedOptions) -> None:
    """Compare the speed of the fast engine with the plain one, or with a loop of transformers, row by row.

    Times slices of real runs with random weights, so of GPT-2's sizes only the vocabulary is downloaded. The page
    shows which times were measured and which were extrapolated.
    """
    from bench.commands.progress import show_data, show_timing
    from bench.report.speed import write_speed
    from bench.run.speed_run import open_opponent, open_speed, opponent_of

    if (config := opponent_of(options)) is not None:
        _against_transformers(open_opponent(options, config), options)
        return
    asked = open_speed(options)
    show_data(asked.data)
    from bench.run.speed import measure, measure_end_to_end

    study = asked.before
    if options.pairs:
        with show_timing() as on_timed:
            study = measure(
                asked.models, asked.rows, asked.extra_rows, asked.data, options.pairs, asked.device, on_timed
            )
        study = study.with_end_to_end_of(asked.before)
    assert study is not None
    page = write_speed(options.out, study)
    with show_timing() as on_timed:
        for row in measure_end_to_end(asked.end_to_end, asked.data, asked.device, on_timed):
            study = study.with_end_to_end(row)
            write_speed(options.out, study)
    echo(f"speed: {page}")


def _against_transformers(asked: OpponentRun, options: SpeedOptions) -> None:
    from bench.commands.progress import show_data, show_timing
    from bench.report.opponent import write_opponent
    from bench.run.opponent import measure_against

    show_data(asked.data)
    with show_timing() as on_timed:
        study = measure_against(asked.config, asked.rows, asked.data, options.pairs, asked.device, on_timed)
    echo(f"speed: {write_opponent(options.out, study)}")
