"""The command line: registers the commands, each a file of `bench.commands`."""

from __future__ import annotations

from collections.abc import Callable

import typer

from bench.commands.check import check
from bench.commands.collect import collect
from bench.commands.compare import compare
from bench.commands.doctor import doctor
from bench.commands.export_records import export_records
from bench.commands.judge import judge
from bench.commands.list import list_command
from bench.commands.pack import pack
from bench.commands.plan import plan
from bench.commands.recommend import recommend
from bench.commands.regress import regress
from bench.commands.report import report
from bench.commands.run import run
from bench.commands.show import show
from bench.commands.speed import speed
from bench.commands.watch import watch
from gptcore.commands.main import Command, run_app

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Which way of fine-tuning a GPT into a text classifier is worth its cost?\n\n"
    "First look: python -m bench run --matrix quick",
)
EXAMPLES: dict[Callable[..., None], str] = {
    list_command: "list",
    check: "check reviews.csv",
    recommend: "recommend reviews.csv --budget 10m",
    plan: "plan --matrix full --models gpt2",
    run: "run --matrix full --only baseline,first-token --seeds 5",
    watch: "watch results/embedded --once",
    report: "report results/embedded",
    collect: "collect from-a/study from-b/study --out results/study",
    pack: "pack results/embedded",
    export_records: "export-records results/embedded --to parquet --out runs.parquet",
    compare: "compare results/embedded results/mine --out comparison.md",
    judge: "judge llms_from_scratch --study results/embedded",
    show: "show results/embedded/runs/mini-all-last-1a2b3c4d-s0.json",
    regress: "regress --base main",
    speed: "speed --models gpt2 --whole baseline",
    doctor: "doctor",
}
for command, example in EXAMPLES.items():
    app.command(example.split()[0], cls=Command, epilog=f"Example: python -m bench {example}")(command)


def main() -> None:
    """Run the command line. Exit code 2, with one line: bad input.

    Exit code 1: a run of the study failed, or none can be done on this machine.
    """
    run_app(app)
