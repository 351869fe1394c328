"""The command line: arguments and wiring only. Heavy imports stand in the commands that need them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gptcore.errors import UserError

if TYPE_CHECKING:
    from bench.study.manifest import Study
    from bench.study.plan import PlannedRun
    from gptcore.data.datasets import Dataset

RESULTS = Path("results")
SEED = 123  # of the published study; further seeds count on from it

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


@app.command("list", epilog="Example: python -m bench list")
def list_command() -> None:
    """Matrices, models and datasets, a line each."""
    from bench.study.matrix import matrices
    from gptcore.data.datasets import DATASETS
    from gptcore.finetune.recipe import TFIDF
    from gptcore.models.config import REGISTRY

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
    set_: SetOption = None,
    engine: EngineOption = "fast",
    out: OutOption = None,
    device: DeviceOption = "auto",
) -> None:
    """What would run, what cannot and why, and what is done already. Runs nothing."""
    from bench.progress import show_plan

    folder, study, _, planned = _prepare(
        matrix, models, data, text_column, label_column, only, skip, seeds, set_, engine, out, device
    )
    show_plan(folder, study, planned)


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
    set_: SetOption = None,
    engine: EngineOption = "fast",
    precision: PrecisionOption = "auto",
    out: OutOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Do what is missing of a study and write its report. Ctrl-C loses nothing: the same call continues."""
    folder, study, dataset, planned = _prepare(
        matrix, models, data, text_column, label_column, only, skip, seeds, set_, engine, out, device
    )
    import torch

    from bench.progress import show_plan, show_progress
    from bench.run.runner import Session, execute
    from bench.run.store import save_study
    from gptcore.finetune.engine import Engine, probe_precision

    where = _device(device)
    if engine == "plain" or precision == "float32":
        chosen: Literal["float32", "bfloat16"] = "float32"
    else:
        chosen = probe_precision(torch.device(where)) if precision == "auto" else "bfloat16"
    show_plan(folder, study, planned, brief=True)
    save_study(folder, study)
    session = Session(folder, dataset, Engine(engine, chosen), where)
    interrupted = False
    with show_progress(planned) as progress:
        try:
            records = execute(planned, session, progress.start, progress.end, progress.epoch)
        except KeyboardInterrupt:
            records, interrupted = [], True
    report([folder])
    if interrupted:
        typer.echo("interrupted: every finished run is kept, the same command continues")
        raise typer.Exit(130)
    if any(record.status == "failed" for record in records):
        raise typer.Exit(1)


@app.command(epilog="Example: python -m bench report results/embedded")
def report(
    studies: Annotated[list[Path], typer.Argument(help="folders of studies, such as results/embedded")],
) -> None:
    """Write report.md, summary.csv and the plots of a study anew, from its records alone."""
    from bench.report.markdown import write_report
    from bench.run.store import load_records, load_study

    for folder in studies:
        study = load_study(folder)
        typer.echo(f"report: {write_report(folder, study, list(load_records(folder).values()))}")


@app.command(epilog="Example: python -m bench show results/embedded/runs/mini-all-last-1a2b3c4d-s0.json")
def show(
    run: Annotated[str, typer.Argument(help="a record's file, or the name of a run in results/")],
) -> None:
    """One record, readable."""
    from rich.console import Console

    from bench.report.show import show_record
    from bench.run.store import load_record

    Console().print(show_record(load_record(_find_record(run))))


def main() -> None:
    """Run the command line: bad input is one line and exit code 2, a failed run in a study is exit code 1."""
    try:
        app()
    except UserError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)


def _prepare(
    matrix: str,
    models: str,
    data: str,
    text_column: str | None,
    label_column: str | None,
    only: list[str] | None,
    skip: list[str] | None,
    seeds: int,
    set_: list[str] | None,
    engine: Literal["fast", "plain"],
    out: Path | None,
    device: str,
) -> tuple[Path, Study, Dataset, list[PlannedRun]]:
    """The study that the options describe, its folder, its data, and its plan against the records there."""
    from bench.run.environment import free_memory_bytes, has_cuda
    from bench.run.store import load_records
    from bench.study.manifest import Study
    from bench.study.matrix import load_matrix
    from bench.study.plan import choose_models, make_plan
    from bench.study.resolve import parse_set, resolve
    from gptcore.data.datasets import load_dataset
    from gptcore.finetune.recipe import Seeds
    from gptcore.models.checkpoints import checkpoint_reachable

    loaded = load_matrix(matrix)
    chosen, why = choose_models(models, has_cuda, checkpoint_reachable)
    typer.echo(why)
    overrides: dict[str, Any] = dict(parse_set(text) for text in set_ or [])
    resolved = resolve(loaded, chosen, overrides, _names(only), _names(skip))
    for warning in resolved.warnings:
        typer.echo(f"warning: {warning}", err=True)
    dataset = load_dataset(data, text_column=text_column, label_column=label_column)
    for note in dataset.notes:
        typer.echo(f"note: {note}")
    from bench.run.facts import dataset_facts

    name = out.name if out else study_name(loaded.name, chosen, dataset.name, engine)
    folder = out or RESULTS / name
    study = Study(
        name=name,
        matrix=loaded.name,
        about=loaded.about,
        models=chosen,
        engine=engine,
        baseline=resolved.baseline,
        questions=loaded.questions,
        rows=list(resolved.rows),
        seeds=[Seeds(init=SEED + i, order=SEED + i, split=SEED) for i in range(seeds)],
        dataset=dataset_facts(dataset),
        command=_command(),
    )
    _check_same_data(folder, study)
    planned = make_plan(
        study,
        load_records(folder),
        longest_tokens=max(len(text.encode()) for text in dataset.train.texts),
        free_bytes=free_memory_bytes(_device(device)),
        reachable=checkpoint_reachable,
    )
    return folder, study, dataset, planned


def study_name(matrix: str, models: str, dataset: str, engine: str) -> str:
    """Folder of a study: its models, and whatever is not the default (full, sms-spam, fast)."""
    parts = [Path(models).name]
    if matrix != "full":
        parts.append(matrix)
    if dataset != "sms-spam":
        parts.append(Path(dataset).stem)
    if engine != "fast":
        parts.append(engine)
    return "-".join(parts)


def _check_same_data(folder: Path, study: Study) -> None:
    from bench.run.store import load_study

    if (folder / "study.json").exists():
        there = load_study(folder).dataset
        if there.fingerprint != study.dataset.fingerprint:
            raise UserError(
                f"{folder} holds a study on other data ({there.name}): choose another folder with --out"
            )


def _device(asked: str) -> str:
    from bench.run.environment import has_cuda

    if asked == "auto":
        return "cuda" if has_cuda() else "cpu"
    if asked == "cuda" and not has_cuda():
        raise UserError("--device cuda: no CUDA GPU is usable here; use cpu, or install torch with CUDA")
    return asked


def _names(values: list[str] | None) -> list[str]:
    return [name.strip() for value in values or [] for name in value.split(",") if name.strip()]


def _command() -> str:
    import shlex

    return shlex.join(["python", "-m", "bench", *sys.argv[1:]])


def _find_record(run: str) -> Path:
    path = Path(run)
    if path.is_file():
        return path
    found = sorted(RESULTS.glob(f"*/runs/{path.name.removesuffix('.json')}.json"))
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"run {run!r} is in several studies: name one of {', '.join(map(str, found))}")
    raise UserError(f"run {run!r}: no such file, and no record of that name in {RESULTS}/*/runs")
