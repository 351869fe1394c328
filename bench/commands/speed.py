"""`python -m bench speed`."""

from __future__ import annotations

from typer import echo

from bench.commands.options import with_options
from bench.run.options import SpeedOptions


@with_options
def speed(options: SpeedOptions) -> None:
    """How much faster is the fast engine than the plain one? Row by row, with the goals and how cost grows.

    Times slices of real runs with random weights, so nothing but the data and the vocabulary is fetched; the page
    says what was timed and what was scaled up.
    """
    from bench.commands.progress import show_data, show_timing
    from bench.report.speed import write_speed
    from bench.run.speed_run import open_speed

    asked = open_speed(options)
    show_data(asked.data)
    from bench.run.speed import measure, measure_whole

    study = asked.before
    if options.pairs:
        with show_timing() as on_timed:
            study = measure(
                asked.models, asked.rows, asked.beyond, asked.data, options.pairs, asked.device, on_timed
            )
        study = study.with_whole_rows_of(asked.before)
    assert study is not None
    page = write_speed(options.out, study)
    with show_timing() as on_timed:
        for row in measure_whole(asked.whole, asked.data, asked.device, on_timed):
            study = study.with_whole_row(row)
            write_speed(options.out, study)
    echo(f"speed: {page}")
