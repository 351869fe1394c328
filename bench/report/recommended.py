"""The answer of `recommend` in words: one screen for the terminal, and the same with its evidence as Markdown."""

from __future__ import annotations

from bench.evidence.metric import ACCURACY
from bench.recommend.answer import Answer, Choice, score_of
from bench.recommend.plan import LOOKS
from bench.report.recommended_command import how_to_fit
from bench.report.recommended_curve import curve_cells, curve_headers, curve_title, labels_line
from bench.report.recommended_rows import against_best, row_cells, row_headers, what
from bench.report.table import figures_table, markdown_table
from bench.report.text import count, escape, file_size, percent, sanitize, seconds
from bench.report.units import unit_of
from gptcore.wording import pluralise


def answer_lines(answer: Answer) -> list[str]:
    """For the terminal: the recommendation, and one line for each thing that a user decides by."""
    lines = [headline(answer)]
    found = facts(answer)
    width = max(len(title) for title, _ in found) + 2
    lines += [f"  {title:<{width}}{text}" for title, text in found]
    return [line[: len(line) - len(line.lstrip(" "))] + sanitize(line) for line in lines]


def answer_markdown(answer: Answer) -> str:
    """report.md: the same, then the rows that were compared, the learning curve and how to read it."""
    headers = ["Row", "What it is", *row_headers(answer)]
    parts = [
        f"# Which recipe for {escape(answer.data)}?",
        f"**{escape(headline(answer))}**",
        "\n".join(f"- **{escape(title)}**: {escape(text)}" for title, text in facts(answer)),
        "## Rows that were compared",
        markdown_table(headers, [[escape(c) for c in row] for row in row_cells(answer)]),
        *([_left_out_markdown(answer)] if answer.left_out else []),
        f"## {curve_title(answer)}",
        figures_table(curve_headers(answer), curve_cells(answer)),
        *how_to_read(answer),
        "## How to go on",
        f"    {how_to_fit(answer)}",
    ]
    return "\n\n".join([*parts, ""])


def headline(answer: Answer) -> str:
    """The recommendation in one sentence."""
    choice = answer.choice
    name = f"{choice.row.name} ({what(choice.row.row.recipe)})"
    if choice.is_decided:
        return f"Recommended: {name}"
    if choice.how == "only":
        return f"The only recipe that fitted the budget: {name}"
    return f"No recipe can be told apart from the best yet. Best so far: {name}"


def facts(answer: Answer) -> list[tuple[str, str]]:
    """Title and text of each line of the answer."""
    return [
        ("why", why(answer)),
        (answer.results.metric.title, _expected(answer)),
        ("next better", _next_better(answer)),
        ("more labels", labels_line(answer)),
        ("a GPT?", _gpt(answer)),
        ("to ship", _ships(answer)),
        ("budget", _budget(answer)),
        *_groups(answer),
        *(("warning", warning) for warning in answer.results.study.warnings),
        ("train it", how_to_fit(answer)),
    ]


def why(answer: Answer) -> str:
    """What decides for the row, or what is missing."""
    choice, unit, margin = answer.choice, unit_of(answer.results.metric), _margin(answer)
    n = len(answer.results.finished)
    if choice.how == "only":
        return "nothing to compare it with: raise the budget"
    if choice.how == "few seeds":
        return f"the {unit.best} of {n} rows, by too few seeds to speak of recipes: raise the budget"
    if choice.is_decided:
        return (
            f"the cheapest of {n} rows for which a loss of more than {margin} is ruled out against every other row; "
            f"{_beside_best(choice)}"
        )
    blocked = [name for name in choice.within[choice.best.name].blocked_by if name in choice.against_best]
    if not blocked:
        return (
            f"the {unit.best} of {n} rows so far; after correction for all rows nothing is ruled out yet; "
            f"{_what_helps(answer)}"
        )
    listed = "; ".join(f"{name} {_against(choice, name)}" for name in blocked)
    return (
        f"the {unit.best} of {n} rows so far; being better by more than {margin} is not ruled out for "
        f"{pluralise(len(blocked), 'row')}: {listed}; {_what_helps(answer)}"
    )


def _what_helps(answer: Answer) -> str:
    """To tell rows apart. Rows get at most so many seeds, whatever the budget."""
    has_all = all(len(row.done) >= LOOKS[-1] for row in answer.results.finished)
    seeds = "" if has_all else "more seeds (a longer --budget), "
    return f"what would help: {seeds}more labelled texts, or a larger --margin (with another --out)"


def _beside_best(choice: Choice) -> str:
    best = unit_of(choice.metric).best_of("row")
    if choice.row.name == choice.best.name:
        return f"it is also the {best}"
    return f"against the {best}, {choice.best.name}: {_against(choice, choice.row.name)}"


def how_to_read(answer: Answer) -> tuple[str, ...]:
    """What tables and curve mean, a paragraph each."""
    metric = answer.results.metric
    judged = f" Rows are judged by {metric.title}, which also chooses learning rates, on texts of a seed of their own."
    judged = "" if metric is ACCURACY else judged
    return (
        "Rows were chosen and compared on the rows outside the test part alone: each seed splits them anew into "
        "training texts, validation texts, which choose learning rates, epochs and penalties, and held-out texts, "
        f"which compare rows.{judged} Differences have unadjusted 95% intervals; *ruled out* and *worse* are corrected "
        "for all rows and looks. The recommended row is the cheapest one for which a loss of more than the margin is "
        "ruled out against every other row, and so against the best one, whichever that is; not being shown to be "
        "worse is not a reason to recommend a row.",
        f"The curve is of the recommended row, on held-out texts. The extrapolation continues a power law of the "
        f"{'loss' if metric.unit == 'nats' else 'error'} by one doubling; its interval has the scatter between seeds, "
        "not the doubt whether the law goes on.",
    )


def _expected(answer: Answer) -> str:
    found, unit = answer.expected, unit_of(answer.results.metric)
    if found is None:
        return "not measured on the test part yet: run the same command again"
    text = (
        f"{unit.short(found.score)} expected ({unit.score_interval((found.low, found.high))}; {found.n_texts:,} test "
        f"texts, {pluralise(found.n_seeds, 'seed')}); always answering {unit.constant}: {unit.short(found.constant)}"
    )
    if not found.beats_constant:
        text += ", which it is not shown to beat"
    if found.has_few_groups:
        text += (
            f" (test texts of {pluralise(found.n_groups or 0, 'group')}, too few to show anything of others)"
        )
    if unit.metric is not ACCURACY:
        text += f"; accuracy: {percent(found.accuracy, 1)}%"
    if found.n_recipes > 1:
        text += f"; the test part has been used for {found.n_recipes} recipes in this folder, so it is no longer fresh"
    return text


def _next_better(answer: Answer) -> str:
    choice, unit = answer.choice, unit_of(answer.results.metric)
    one = choice.next_better
    if one is None:
        return f"no row that costs more {unit.was_better}"
    own, own_s = choice.against_best.get(choice.row.name), choice.seconds[choice.row.name]
    if own is not None and one.result.name == choice.best.name:
        size = unit.between(own.against_best.estimate.reversed.interval())
    else:
        size = unit.signed(score_of(one.result, unit.metric) - score_of(choice.row, unit.metric))
    return (
        f"{one.result.name}: {size} {unit.name} on development rows, for {one.seconds / own_s:.3g} times the training "
        f"time ({seconds(one.seconds)} s instead of {seconds(own_s)} s)"
    )


def _gpt(answer: Answer) -> str:
    choice, margin = answer.choice, _margin(answer)
    plain = [row.name for row in answer.without_gpt if row.name in choice.within]
    gpts = [name for name in choice.within if name not in plain]
    if not plain or not gpts:
        return "cannot be said: TF-IDF and a GPT have not both run with three seeds"
    name = plain[0]
    beside = "" if name == choice.best.name else f" ({name}: {_against(choice, name)})"
    of_gpts = "the GPT row that ran" if len(gpts) == 1 else f"any of the {len(gpts)} GPT rows that ran"
    if choice.rules_out(plain, gpts):
        return f"no, TF-IDF is enough: that {of_gpts} is better by more than {margin} is ruled out{beside}"
    if all(choice.is_out(each) for each in plain):
        return f"yes: TF-IDF is shown to be worse{beside}"
    return f"cannot be said yet: that {of_gpts} is better by more than {margin} is neither shown nor ruled out{beside}"


def _ships(answer: Answer) -> str:
    found = answer.expected
    if found is None or found.serving is None:
        return "not measured yet"
    cost = found.serving
    size = file_size(cost.saved_bytes)
    if cost.with_base_bytes != cost.saved_bytes:
        size += f" ({file_size(cost.with_base_bytes)} with its model)"
    return (
        f"{size}; {seconds(1000 * cost.latency_p50_s)} ms for one text (median), {count(cost.texts_per_s)} texts a "
        f"second in one call; trained in {seconds(found.train_s)} s (median)"
    )


def _groups(answer: Answer) -> list[tuple[str, str]]:
    """How texts of one group count, where there are any."""
    n = answer.results.study.dataset.n_test_groups
    if n is None:
        return []
    held_out = f"the held-out texts of the first seed are of {pluralise(n, 'group')}"
    return [("groups", f"texts of one group count together; {held_out}")]


def _budget(answer: Answer) -> str:
    spent = f"{answer.spent_s / 60:.1f} of {answer.budget_s / 60:.3g} min; {answer.ended}"
    if not answer.left_out:
        return spent
    rows = "; ".join(f"{name} {reason}" for name, reason in answer.left_out.items())
    return f"{spent}. Left out: {rows}"


def _left_out_markdown(answer: Answer) -> str:
    lines = [f"- {escape(name)}: {escape(reason)}" for name, reason in answer.left_out.items()]
    return "\n".join(["Rows that did not run:", "", *lines])


def _against(choice: Choice, name: str) -> str:
    return against_best(choice, name, with_unit=True)


def _margin(answer: Answer) -> str:
    return unit_of(answer.results.metric).margin(answer.results.margin)
