"""report.html: the whole report as one page that opens offline, from results alone."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.evidence.claims import judge_claims
from bench.evidence.cut import cut_rows
from bench.evidence.decide import Call
from bench.evidence.design import design_of
from bench.evidence.looks import repeated_looks
from bench.evidence.metrics import PredictionMetrics
from bench.evidence.pareto import weigh
from bench.evidence.results import Results
from bench.evidence.serving import served_rows
from bench.evidence.variance import independent
from bench.evidence.verdicts import judge
from bench.records.stored import PACKED
from bench.report import across, describe, series, text
from bench.report.claims import errata
from bench.report.cut import MARK, cut_sentences
from bench.report.groups import groups_note
from bench.report.looks import ending_note, looks_cells, looks_note
from bench.report.metric import metric_notes
from bench.report.outlook import (
    chance,
    design_note,
    is_open,
    margin_note,
    not_ruled_out,
    what_decides,
)
from bench.report.serving import HOW_TO_READ, cells, headings, shared_machine, ships
from bench.report.sheet import sheets
from bench.report.summary import PHASES
from bench.report.tables import mean
from bench.report.tuning import warnings_of
from bench.report.units import unit_of
from bench.report.verdicts import models_note, unsteady_note
from gptcore.files import write_whole
from gptcore.paths import path_kind

_SCRIPTS = ("page.js", "tables.js", "scale.js", "plots.js")
RECORDS_IN_PAGE = 500  # with more, the page only links to the files, so that it opens quickly
_CALLS: dict[Call, str] = {
    **{"better": "▲", "worse": "▼", "model better": "△", "model worse": "▽"},
    **{"no difference": "=", "undecided": "?"},
}
_FINDINGS = {"holds": "✓", "contradicted": "✗", "undecided": "?"}

_FILTERS: tuple[Callable[..., Any], ...] = (
    *(
        text.changes,
        text.class_name,
        text.count,
        text.interval,
        text.memory,
        text.percent,
        text.points,
        text.points_between,
    ),
    *(text.margin_text, margin_note, models_note, chance, not_ruled_out, what_decides),
    *(text.seconds, text.as_sentence, describe.by_question, describe.change, mean, sheets, cells, ships),
)


def write_html(path: Path, results: Results) -> None:
    """Write the page of a study into its folder, atomically. The same results give the same bytes."""
    write_whole(path, render(results, is_packed=path_kind(path.parent / PACKED) is not None))


def render(results: Results, is_packed: bool = False) -> str:
    """The page as HTML. is_packed: the records are in one file, see `bench.records.stored`.

    Every text is escaped by the template engine, and none can become code: the page's security policy admits
    its own script and style by their hashes, and no request to anywhere.
    """
    page = _templates()
    style = page.get_template("style.css").render(families=series.KINDS)
    script = "\n".join(page.get_template(name).render(is_packed=is_packed) for name in _SCRIPTS)
    verdicts, forest = judge(results), series.forest(results)
    serving = served_rows(results)
    plots = [plot for plot in (series.accuracy(results), series.accuracy_time(results)) if plot]
    panels = [series.accuracy_curves(results), series.loss_curves(results)]
    return page.get_template("report.html").render(
        results=results,
        study=results.study,
        is_packed=is_packed,
        records=results.runs if len(results.runs) <= RECORDS_IN_PAGE else [],
        anchors={result.name: f"row-{i}" for i, result in enumerate(results.finished, start=1)},
        verdicts=verdicts,
        of_models=[verdict for verdict in verdicts.values() if not verdict.is_of_recipes],
        groups=groups_note(verdicts),
        unsteady=unsteady_note(results),
        unit=unit_of(results.metric),
        warnings=warnings_of(results),
        metric_notes=[note.replace("*", "") for note in metric_notes(results)],
        design=design_note(design_of(results.study, results.metric), len(results.study.seeds)),
        forest=forest,
        again=repeated_looks(results.study),
        looks=looks_note(results),
        ending=ending_note(results),
        looks_by_row={name: cells for name, one in verdicts.items() if (cells := looks_cells(results, one))},
        cut=" ".join(cut_sentences(results)),
        cut_rows=cut_rows(results),
        cut_mark=MARK,
        independent=independent(results.study.seeds),
        metrics=_metrics(results),
        tradeoff=weigh(results),
        claims=judge_claims(results),
        errata=errata(results),
        describe=describe,
        across=across,
        notes=list(describe.notes(results).items()),
        phases=[name for name in PHASES if any(result.seconds(name) for result in results.finished)],
        serving=serving,
        serving_headings=headings(serving),
        serving_note=f"{HOW_TO_READ} {shared_machine(results)}".strip(),
        plots=plots,
        panels=panels,
        plot_data={
            plot.name: asdict(plot)
            for plot in [*([forest] if forest else []), *plots, *panels[1].plots, *panels[0].plots]
        },
        families=series.KINDS,
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'",
    )


@cache
def _templates() -> Environment:
    page = Environment(
        loader=PackageLoader("bench.report", "templates"),
        # Everything is escaped but our own style and scripts, which data never reaches.
        autoescape=lambda name: name is None or not name.endswith((".css", ".js")),
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters |= {function.__name__: function for function in _FILTERS} | {
        "count_values": Counter,
        "predicted_as": _predicted_as,
    }
    page.tests["is_open"] = is_open
    page.globals |= {"calls": _CALLS, "findings": _FINDINGS, "missing": text.MISSING}
    return page


def _metrics(results: Results) -> dict[str, list[PredictionMetrics]]:
    """Row name -> metrics of each run that left its predictions, for rows that have any."""
    return {
        result.name: result.prediction_metrics for result in results.finished if result.prediction_metrics
    }


def _predicted_as(metrics: list[PredictionMetrics], truth: int, guess: int) -> tuple[int, int]:
    """Examples of one class predicted as another, and all examples of the class, over the seeds."""
    wrong = sum(one.confusion.get((truth, guess), 0) for one in metrics)
    return wrong, sum(one.n_of_class(truth) for one in metrics)


def _printable(value: Any) -> Any:
    return text.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _hash(content: str) -> str:
    """What a content security policy calls an inline script or style by."""
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
