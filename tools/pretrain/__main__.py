"""Command line of the pretraining: `python -m tools.pretrain --size nano --corpus DIR --minutes 90`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import gptcore.backbones
from gptcore.backbones.config import FAMILIES
from gptcore.errors import UserError
from gptcore.threads import share_cores

console = Console()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
PRETRAINED = Path(gptcore.backbones.__file__).parent / "pretrained"


@app.command(epilog="Example: python -m tools.pretrain --size nano --corpus texts --minutes 90")
def pretrain(
    size: Annotated[str, typer.Option(help=f"one of {', '.join(FAMILIES['bundled'])}")],
    corpus: Annotated[Path, typer.Option(help="folder of .txt or .txt.xz files")],
    minutes: Annotated[float | None, typer.Option(help="budget: minutes of training")] = None,
    tokens: Annotated[int | None, typer.Option(help="budget: tokens seen (instead of --minutes)")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    work: Annotated[
        Path,
        typer.Option(help="where token files, checkpoint and log are kept; a killed run continues there"),
    ] = Path("~/.cache/gptcore/pretrain"),
    out: Annotated[
        Path, typer.Option(help="where SIZE/model.safetensors is written at the end")
    ] = PRETRAINED,
) -> None:
    """Pretrain a bundled model on a folder of text: kill it at any point, the same call continues."""
    if (minutes is None) == (tokens is None):
        raise UserError("give one budget: either --minutes or --tokens")
    if size not in FAMILIES["bundled"]:
        raise UserError(f"--size {size}: use one of {', '.join(FAMILIES['bundled'])}")
    from tools.pretrain.card import write_model
    from tools.pretrain.corpus import open_tokens, tokenise
    from tools.pretrain.loop import PretrainConfig, Pretraining
    from tools.pretrain.vocabulary import train_vocabulary

    work = work.expanduser()
    vocabulary = PRETRAINED / "vocab.tiktoken"
    if not vocabulary.exists():
        console.print(f"training the vocabulary on {corpus}")
        train_vocabulary(corpus, vocabulary)
    console.print(f"token files in {work} (made once)")
    paths = tokenise(corpus, work)
    config = PretrainConfig(size=size, minutes=minutes, tokens=tokens, device=device)
    run = Pretraining(config, work / size, open_tokens(paths["train"]), open_tokens(paths["validation"]))
    if run.progress.step:
        console.print(f"continuing at step {run.progress.step}")
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>4.1f}%")),
        *(TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(size, total=1.0)

        bar.update(task, completed=run.progress.share(config))

        def report(entry: dict[str, float]) -> None:
            text = f"{size} loss {entry['loss']:.3f} {entry['tokens_per_s']:,.0f} tokens/s"
            bar.update(task, completed=entry["share"], description=text)

        loss = run.run(report)
    if run.stopping:
        console.print(f"stopped at step {run.progress.step}; the same call continues")
        raise typer.Exit(130)
    card = write_model(run, work, out, loss)
    console.print(
        f"{size}: {card['bits_per_byte']:.3f} bits per byte on held-out text, written to {out / size}"
    )


def main() -> None:
    """Run the command; bad input is one line and exit code 2."""
    share_cores()
    try:
        app()
    except UserError as error:
        console.print(f"error: {error}", style="red", highlight=False, soft_wrap=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
