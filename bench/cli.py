"""The command line: arguments and wiring only. Heavy imports stand in the commands that need them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.report.text import plain
from gptcore.errors import UserError
from gptcore.threads import share_cores

if TYPE_CHECKING:
    from bench.records.record import Record
    from bench.run.execute import OnEpoch
    from bench.study.plan import PlannedRun

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Which way of fine-tuning a GPT into a text classifier is worth its cost?\n\n"
    "First look: python -m bench run --matrix quick",
)

MatrixOption = Annotated[str, typer.Option(help="full, quick, or the path of a TOML file of your own")]
ModelsOption = Annotated[
    str,
    typer.Option(
        help="gpt2, embedded, one model's name, a checkpoint folder or a hub id; "
        "auto: gpt2 with a CUDA GPU and weights at hand, else embedded"
    ),
]
DataOption = Annotated[str, typer.Option(help="sms-spam, or a CSV, TSV, JSON Lines or Parquet file")]
TextOption = Annotated[str | None, typer.Option(help="column of the texts, where its name is not obvious")]
LabelOption = Annotated[str | None, typer.Option(help="column of the labels, likewise")]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(help="run only these rows, the baseline and what they are compared with; commas or repeats"),
]
SkipOption = Annotated[list[str] | None, typer.Option(help="leave these rows out; commas or repeats")]
SeedsOption = Annotated[int, typer.Option(min=1, max=1000, help="runs of each row, paired by seed")]
VaryOption = Annotated[
    list[str] | None,
    typer.Option(
        help="what differs between seeds, together; init,order,split unless given. Repeated, one series "
        "of seeds each, which splits the variance of the accuracy between them"
    ),
]
MarginOption = Annotated[
    float,
    typer.Option(
        min=0.01, max=50, help="points of accuracy; a difference shown to be smaller is called none"
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="change the baseline: FIELD=VALUE, such as lr=1e-4; repeats")
]
EngineOption = Annotated[
    Literal["fast", "plain"],
    typer.Option(help="fast: skip what cannot change the answer; plain: skip nothing"),
]
OutOption = Annotated[
    Path | None, typer.Option(help="folder of the study; by default results/ and what is run on what")
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a CUDA GPU where there is one")
]
PrecisionOption = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(help="of matrix products (plain: always float32); auto: bfloat16 if 1.3 times faster here"),
]
TimeoutOption = Annotated[
    float | None, typer.Option(min=0.001, help="seconds that one run may take; one that takes longer fails")
]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="do runs again that failed before")]

VerifyOption = Annotated[
    bool,
    typer.Option(
        "--verify", help="compare every run with the plain engine on a sample first; it fails on disagreement"
    ),
]


@app.command("list", epilog="Example: python -m bench list")
def list_command() -> None:
    """Matrices, models and datasets, a line each."""
    from bench.study.matrix import matrices
    from gptcore.backbones.config import REGISTRY
    from gptcore.data.datasets import DATASETS
    from gptcore.recipe import TFIDF

    models = [(name, entry.about) for name, entry in REGISTRY.items()]
    for title, lines in (
        ("matrices", matrices()),
        ("models", [*models, (TFIDF, "no GPT: TF-IDF and logistic regression")]),
        ("datasets", list(DATASETS.items())),
    ):
        typer.echo(f"{title}:")
        for name, about in lines:
            typer.echo(f"  {name:<12}  {about}")


@app.command(epilog="Example: python -m bench plan --matrix full --models gpt2")
def plan(
    matrix: MatrixOption = "full",
    models: ModelsOption = "auto",
    data: DataOption = "sms-spam",
    text_column: TextOption = None,
    label_column: LabelOption = None,
    only: OnlyOption = None,
    skip: SkipOption = None,
    seeds: SeedsOption = 3,
    vary: VaryOption = None,
    changes: SetOption = None,
    engine: EngineOption = "fast",
    precision: PrecisionOption = "auto",
    out: OutOption = None,
    device: DeviceOption = "auto",
) -> None:
    """What would run, what it will take, what cannot run and why, and what is done already. Runs nothing.

    Time and memory are foretold from a few real steps of every kind of run on this machine, which takes some
    seconds. A study that shares its frozen blocks is foretold with that sharing, run by run.
    """
    from bench.commands.progress import foretell, show_messages, show_plan
    from bench.run.prepare import Request, parse_vary, prepare
    from bench.run.supervisor import Supervisor
    from bench.run.worker import SessionSpec

    prepared = prepare(
        Request(
            *(matrix, models, data, text_column, label_column, seeds, engine, device, out, precision),
            *(only or [], skip or [], changes or []),
            vary=parse_vary(vary or ["init,order,split"]),
        )
    )
    show_messages(prepared)
    with Supervisor(SessionSpec(prepared.data, engine, precision, prepared.device)) as supervisor:
        show_plan(*foretell(prepared, supervisor))


@app.command(epilog="Example: python -m bench run --matrix full --only baseline,first-token --seeds 5")
def run(
    matrix: MatrixOption = "full",
    models: ModelsOption = "auto",
    data: DataOption = "sms-spam",
    text_column: TextOption = None,
    label_column: LabelOption = None,
    only: OnlyOption = None,
    skip: SkipOption = None,
    seeds: SeedsOption = 3,
    vary: VaryOption = None,
    changes: SetOption = None,
    engine: EngineOption = "fast",
    precision: PrecisionOption = "auto",
    verify: VerifyOption = False,
    out: OutOption = None,
    device: DeviceOption = "auto",
    timeout: TimeoutOption = None,
    retry_failed: RetryOption = False,
    margin: MarginOption = 1.0,
) -> None:
    """Do what is missing of a study and write its report. Ctrl-C loses nothing: the same call continues.

    Several calls at once share the work.
    """
    from bench.commands.progress import foretell, show_messages, show_progress, warn_of_mixture
    from bench.records.store import save_study
    from bench.run.execute import execute
    from bench.run.outcome import RefusedRunError
    from bench.run.prepare import Request, parse_vary, prepare
    from bench.run.supervisor import Supervisor
    from bench.run.worker import SessionSpec
    from bench.study.forecast import with_prediction
    from bench.study.plan import blocking

    prepared = prepare(
        Request(
            *(matrix, models, data, text_column, label_column, seeds, engine, device, out, precision),
            *(only or [], skip or [], changes or []),
            vary=parse_vary(vary or ["init,order,split"]),
            retry_failed=retry_failed,
        )
    )
    show_messages(prepared)
    save_study(prepared.folder, prepared.manifest)
    spec = SessionSpec(prepared.data, engine, precision, prepared.device, verify)
    refused: UserError | None = None
    interrupted, failed = False, any(planned.state == "failed" for planned in prepared.plan)
    with Supervisor(spec, timeout) as supervisor:
        warn_of_mixture(prepared, supervisor)
        planned_runs, predictions = foretell(prepared, supervisor)

        def do(planned: PlannedRun, on_epoch: OnEpoch) -> Record:
            return with_prediction(supervisor.run(planned, on_epoch), predictions)

        with show_progress(planned_runs) as progress:
            try:
                records = execute(planned_runs, prepared.folder, prepared.records, do, progress)
                failed |= any(record.status == "failed" for record in records)
            except KeyboardInterrupt:
                interrupted = True
            except RefusedRunError as error:  # the finished runs are kept and reported
                refused = error
    report([prepared.folder], margin)
    if refused is not None:
        raise refused
    if interrupted:
        typer.echo("interrupted: every finished run is kept, the same command continues")
        raise typer.Exit(130)
    if reasons := blocking(planned_runs):
        others = f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""
        typer.echo(f"no run of this study can be done here: {plain(reasons[0])}{others}", err=True)
        raise typer.Exit(1)
    if failed:
        raise typer.Exit(1)


@app.command(epilog="Example: python -m bench report results/embedded")
def report(
    studies: Annotated[list[Path], typer.Argument(help="folders of studies, such as results/embedded")],
    margin: MarginOption = 1.0,
) -> None:
    """Write report.md, report.html, summary.csv and the plots of a study anew, from its records alone."""
    from bench.records.files import cannot_write
    from bench.records.locks import lock
    from bench.records.store import load_records, load_study
    from bench.report.markdown import write_report

    for folder in studies:
        study = load_study(folder)
        with lock(folder, "report", wait=True):  # one writer at a time, with the records as they are then
            records = list(load_records(folder).values())
            try:
                written = write_report(folder, study, records, margin / 100)
            except OSError as error:
                raise cannot_write(folder, error) from error
        typer.echo(f"report: {written}")


@app.command(epilog="Example: python -m bench compare results/embedded results/mine --out comparison.md")
def compare(
    studies: Annotated[
        list[Path], typer.Argument(help="folders of two studies or more; the first is the reference")
    ],
    out: Annotated[Path | None, typer.Option(help="write it to this file too, plots beside it")] = None,
) -> None:
    """Studies on different models, datasets or commits: what differs, their common rows, ranks over datasets."""
    from bench.report.compare import write_comparison

    typer.echo(write_comparison(studies, out), nl=False)


@app.command(epilog="Example: python -m bench show results/embedded/runs/mini-all-last-1a2b3c4d-s0.json")
def show(
    run: Annotated[
        str, typer.Argument(help="a record's file, or a run in results/: its name, or STUDY/NAME")
    ],
) -> None:
    """One record, readable."""
    from rich.console import Console

    from bench.records.store import load_record
    from bench.report.show import show_record
    from bench.run.prepare import find_record

    Console().print(show_record(load_record(find_record(run))))


@app.command(epilog="Example: python -m bench regress --base main")
def regress(
    baseline: Annotated[
        Path, typer.Option(help="file with the predictions and time ratios to compare with")
    ] = Path("results/baselines/ci.json"),
    update: Annotated[
        bool, typer.Option("--update", help="measure, and write the baseline instead of judging")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option(help="also time this commit, in turn with the code here: main, HEAD~1, a SHA"),
    ] = None,
    rounds: Annotated[int, typer.Option(min=8, max=1000, help="of timing; more see smaller slowdowns")] = 12,
) -> None:
    """Is this code worse than before? Prints a Markdown table; exit code 1 where accuracy or speed was lost.

    Accuracy: the rows of the quick study against the baseline's predictions, message by message. Speed: ratios
    only, of small fits that are timed in turn on this machine, judged by how far equal code strays here. After a
    change that is meant to change results: --update, and commit the file.
    """
    from bench.evidence.regress import as_markdown
    from bench.run.baseline import load_baseline, save_baseline

    def say(what: str) -> None:
        typer.echo(f"  {what}", err=True)

    before = None if update else load_baseline(baseline)
    from bench.run.gate import measure_baseline, run_gate

    if before is None:
        save_baseline(baseline, measure_baseline(rounds, say))
        typer.echo(f"baseline: {baseline}")
        return
    checks, notes = run_gate(before, base, rounds, say)
    typer.echo(as_markdown(checks, notes))
    if any(check.failed for check in checks):
        raise typer.Exit(1)


@app.command(epilog="Example: python -m bench speed --models gpt2 --whole baseline")
def speed(
    models: Annotated[
        str, typer.Option(help="gpt2 (its 124M), embedded (mini), or one model's name")
    ] = "gpt2",
    data: DataOption = "sms-spam",
    only: OnlyOption = None,
    skip: SkipOption = None,
    pairs: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            help="timings of each engine, in turn; 0: none, only add rows done --whole to the page that is there",
        ),
    ] = 3,
    whole: Annotated[
        list[str] | None,
        typer.Option(help="rows that are also run whole, once with each engine; pages keep them"),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder of the page, its plot and its record")] = Path(
        "results/speed"
    ),
    device: DeviceOption = "auto",
) -> None:
    """How much faster is the fast engine than the plain one? Row by row, with the goals and how cost grows.

    Times slices of real runs with random weights, so nothing but the data and the vocabulary is fetched; the page
    says what was timed and what was scaled up.
    """
    from bench.commands.progress import show_timing
    from bench.report.speed import write_speed
    from bench.run.prepare import prepare_speed

    asked = prepare_speed(models, data, only or [], skip or [], whole or [], pairs, device, out)
    from bench.run.speed import measure, measure_whole

    study = asked.before
    if pairs:
        with show_timing() as on_timed:
            study = measure(asked.models, asked.rows, asked.beyond, asked.data, pairs, asked.device, on_timed)
        study = study.with_whole_rows_of(asked.before)
    assert study is not None
    page = write_speed(out, study)
    with show_timing() as on_timed:
        for row in measure_whole(asked.whole, asked.data, asked.device, on_timed):
            study = study.with_whole_row(row)
            write_speed(out, study)
    typer.echo(f"speed: {page}")


@app.command(epilog="Example: python -m bench doctor")
def doctor() -> None:
    """Can a study run here? Checks the machine and what it can reach; writes and downloads nothing.

    Looks at cores, speed, versions, memory, disk, cache, sources of data and weights, and says what
    `run --matrix full` would do. Exit code 1 where something would stop a run; each finding has its remedy.
    """
    from bench.commands.progress import show_checks
    from bench.run.doctor import examine

    if "problem" in show_checks(examine()):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line: bad input is one line and exit code 2.

    A study with a failed run, or with none that can be done here, is exit code 1.
    """
    share_cores()
    try:
        app()
    except UserError as error:
        # Names and values from files may hold anything, but must not reach the terminal as commands to it.
        typer.secho(f"error: {plain(error)}", fg="red", err=True)
        sys.exit(2)
