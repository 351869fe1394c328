"""`python -m bench recommend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, echo

from bench.commands.options import Margin
from bench.recommend.options import RecommendOptions
from gptcore.commands.options import with_options
from gptcore.commands.progress import show_progress

if TYPE_CHECKING:
    from bench.recommend.answer import Answer
    from bench.recommend.opened import Opened


@with_options
def recommend(
    file: Annotated[
        str, Argument(help="a CSV, TSV, JSON or Parquet file with labelled texts, or a data set's name")
    ],
    options: RecommendOptions,
    margin: Margin = None,
) -> None:
    """Which recipe is worth its cost on your labelled file, how sure is that, and is a GPT needed at all?

    Compares, as far as the budget goes and the cheapest first: TF-IDF, frozen features, the last blocks, LoRA and all
    layers of one GPT, each with a learning rate chosen on validation texts. The test part is looked at once, at the end
    and for the recommended recipe alone. Safe to interrupt: the answer so far is shown, and the same command continues.
    """
    from bench.commands.progress import show_probes
    from bench.commands.recommending import show_opened, show_search
    from bench.recommend.opened import open_recommend
    from bench.recommend.read import read_answer
    from bench.recommend.search import Search
    from bench.recommend.state import Clock
    from bench.recommend.workers import Processes

    opened = open_recommend(file, options, margin)
    show_opened(opened)
    clock = Clock(opened.budget_s, opened.state.spent_s)
    interrupted = False
    with Processes(opened) as workers:
        search = Search(
            *(opened, workers, clock),
            lambda title, runs: show_search(title, runs, clock, opened.metric),
            show_probes,
        )
        try:
            search.run()
        except KeyboardInterrupt:
            interrupted = True
    if search.ledger.choice is None:
        echo("interrupted before the first run had finished: the same command continues")
        raise Exit(130)
    search.keep(file, options.arguments())
    _leave(read_answer(opened.folder), opened)
    if interrupted:
        echo("interrupted: finished runs are kept; the same command continues")
        raise Exit(130)


def _leave(answer: Answer, opened: Opened) -> None:
    """Write the answer's files, and say where they are."""
    from bench.report.recommended import answer_lines, headline
    from bench.report.recommended_page import write_answer
    from bench.report.text import sanitize
    from gptcore.errors import UserError
    from gptcore.export.possible import formats_of_recipe
    from gptcore.product.recommended import point_to, write_recommended

    path = write_recommended(opened.folder, answer.choice.row.row.recipe, opened.of, headline(answer))
    report = write_answer(opened.folder, answer)
    echo("")
    for line in answer_lines(answer):
        echo(line)
    try:
        point_to(opened.folder, opened.of)
    except UserError as error:
        show_progress(f"warning: `--recipe best` will not find it ({error}): use --recipe {path}")
    echo(sanitize(f"recipe: {path}; report: {report}"))
    formats = formats_of_recipe(answer.choice.row.row.recipe, opened.data.label_names)
    echo(f"what `fit` makes of it can be exported: --to {', '.join(formats)}")
