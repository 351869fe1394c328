"""The answer of `recommend` in words: one screen for the terminal, and the same with its evidence as Markdown."""

from __future__ import annotations

from pathlib import Path
from shlex import join

from bench.evidence.pareto import Candidate
from bench.evidence.results import RowResult
from bench.recommend.answer import Answer, Choice
from bench.recommend.plan import LOOKS
from bench.report.recommended_curve import CURVE_HEADERS, curve_cells, labels_line
from bench.report.text import (
    MISSING,
    count,
    escape,
    file_size,
    interval,
    margin_text,
    percent,
    points_between,
    sanitize,
    seconds,
)
from gptcore.recipe import Recipe
from gptcore.wording import pluralise

_WIDTH = 13


def answer_lines(answer: Answer) -> list[str]:
    """For the terminal: the recommendation, and one line for each thing that a user decides by."""
    lines = [headline(answer)]
    lines += [f"  {title:<{_WIDTH}}{text}" for title, text in facts(answer)]
    return [line[: len(line) - len(line.lstrip(" "))] + sanitize(line) for line in lines]


def answer_markdown(answer: Answer) -> str:
    """report.md: the same, then the rows that were compared, the learning curve and how to read it."""
    parts = [
        f"# Which recipe for {escape(answer.data)}?",
        f"**{escape(headline(answer))}**",
        "\n".join(f"- **{escape(title)}**: {escape(text)}" for title, text in facts(answer)),
        "## Rows that were compared",
        _table(["Row", "What it is", *ROW_HEADERS], [[escape(c) for c in row] for row in row_cells(answer)]),
        *([_left_out_markdown(answer)] if answer.left_out else []),
        "## Accuracy over the number of labels",
        _table(CURVE_HEADERS, curve_cells(answer)),
        *HOW_TO_READ,
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
        ("accuracy", _accuracy(answer)),
        ("next better", _next_better(answer)),
        ("more labels", labels_line(answer)),
        ("a GPT?", _gpt(answer)),
        ("to ship", _ships(answer)),
        ("budget", _budget(answer)),
        *(("warning", warning) for warning in answer.results.study.warnings),
        ("train it", how_to_fit(answer)),
    ]


def why(answer: Answer) -> str:
    """What decides for the row, or what is missing."""
    choice, margin = answer.choice, margin_text(answer.results.margin)
    n = len(answer.results.finished)
    if choice.how == "only":
        return "nothing to compare it with: raise the budget"
    if choice.how == "few seeds":
        return f"the most accurate of {n} rows, by too few seeds to speak of recipes: raise the budget"
    if choice.is_decided:
        return (
            f"the cheapest of {n} rows for which a loss of more than {margin} is ruled out against every other row; "
            f"{_beside_best(choice)}"
        )
    blocked = [one for name in choice.within[choice.best.name].blocked_by if (one := _found(choice, name))]
    if not blocked:
        return (
            f"the most accurate of {n} rows so far; after correction for all rows nothing is ruled out yet; "
            f"{_what_helps(answer)}"
        )
    listed = "; ".join(f"{one.result.name} {_against(one)}" for one in blocked)
    return (
        f"the most accurate of {n} rows so far; being better by more than {margin} is not ruled out for "
        f"{pluralise(len(blocked), 'row')}: {listed}; {_what_helps(answer)}"
    )


def _what_helps(answer: Answer) -> str:
    """To tell rows apart. Rows get at most so many seeds, whatever the budget."""
    has_all = all(len(row.done) >= LOOKS[-1] for row in answer.results.finished)
    seeds = "" if has_all else "more seeds (a longer --budget), "
    return f"what would help: {seeds}more labelled texts, or a larger --margin (with another --out)"


def _beside_best(choice: Choice) -> str:
    if choice.row.name == choice.best.name:
        return "it is also the most accurate one"
    return f"against the most accurate one, {choice.best.name}: {_against(_found(choice, choice.row.name))}"


def _found(choice: Choice, name: str) -> Candidate | None:
    return choice.against_best.get(name)


def what(recipe: Recipe) -> str:
    """A recipe in a few words."""
    if recipe.backbone is None:
        parts = "words" if recipe.ngrams == "words" else "words and characters"
        return f"TF-IDF of {parts} and logistic regression, no GPT"
    model = Path(recipe.model).name
    if recipe.trainer != "network":
        return f"logistic regression on what {model} makes of a text"
    return f"{model}, train = {recipe.train_name}, lr = {recipe.lr:g}"


def how_to_fit(answer: Answer) -> str:
    """The command that trains and keeps it."""
    words = [answer.file, *answer.reading, "--recipe", "best", "--out", "my-classifier"]
    return f"python -m gptcore fit {join(map(sanitize, words))}"


ROW_HEADERS = (
    "Seeds",
    "Accuracy, %",
    "Difference from the best, points",
    "Loss > margin",
    "Training, s",
)


def row_cells(answer: Answer) -> list[list[str]]:
    """A line for each row that ran, the cheapest first."""
    choice = answer.choice
    rows = sorted(answer.results.finished, key=lambda row: choice.seconds.get(row.name, 0.0))
    return [_cells(choice, row) for row in rows]


def _cells(choice: Choice, row: RowResult) -> list[str]:
    found, within = _found(choice, row.name), choice.within.get(row.name)
    took = row.seconds()
    marks = " ←" if row.name == choice.row.name else ""
    loss = MISSING
    if within is not None:
        loss = (
            "ruled out"
            if within.is_shown
            else "shown to be worse"
            if found and found.is_worse
            else "possible"
        )
    against = "best" if row.name == choice.best.name else _against(found).removesuffix(" points")
    return [
        row.name + marks,
        what(row.row.recipe),
        str(len(row.done)),
        f"{percent(row.accuracy())} ({interval(row.interval)})",
        against,
        loss,
        seconds(sum(took) / len(took)) if took else MISSING,
    ]


HOW_TO_READ = (
    "Rows were chosen and compared on the rows outside the test part alone: each seed splits them anew into training "
    "texts, validation texts, which choose learning rates, epochs and penalties, and held-out texts, which compare "
    "rows. Differences have unadjusted 95% intervals; *ruled out* and *worse* are corrected for all rows and looks. "
    "The recommended row is the cheapest one for which a loss of more than the margin is ruled out against every other "
    "row, and so against the best one, whichever that is; not being shown to be worse is not a reason to recommend a "
    "row.",
    "The curve is of the recommended row, on held-out texts. The extrapolation continues a power law of the error by "
    "one doubling; its interval has the scatter between seeds, not the doubt whether the law goes on.",
)


def _accuracy(answer: Answer) -> str:
    found = answer.expected
    if found is None:
        return "not measured on the test part yet: run the same command again"
    text = (
        f"{percent(found.accuracy, 1)}% expected ({interval((found.low, found.high))}; {found.n_texts:,} test texts, "
        f"{pluralise(found.n_seeds, 'seed')}); always answering the largest class: {percent(found.majority, 1)}%"
    )
    if not found.beats_majority:
        text += ", which it is not shown to beat"
    if found.n_recipes > 1:
        text += f"; the test part has been used for {found.n_recipes} recipes in this folder, so it is no longer fresh"
    return text


def _next_better(answer: Answer) -> str:
    choice = answer.choice
    one = choice.next_better
    if one is None:
        return "no row that costs more was more accurate"
    own, own_s = _found(choice, choice.row.name), choice.seconds[choice.row.name]
    gain = (one.result.accuracy() or 0.0) - (choice.row.accuracy() or 0.0)
    if own is not None and one.result.name == choice.best.name:
        found = own.against_best.estimate.reversed.interval()
        size = f"{points_between(found.mean, found.low, found.high)} points"
    else:
        size = f"{100 * gain:+.2f} points"
    return (
        f"{one.result.name}: {size} on development rows, for {one.seconds / own_s:.3g} times the training time "
        f"({seconds(one.seconds)} s instead of {seconds(own_s)} s)"
    )


def _gpt(answer: Answer) -> str:
    choice, margin = answer.choice, margin_text(answer.results.margin)
    plain = [row.name for row in answer.without_gpt if row.name in choice.within]
    gpts = [name for name in choice.within if name not in plain]
    if not plain or not gpts:
        return "cannot be said: TF-IDF and a GPT have not both run with three seeds"
    name = plain[0]
    beside = "" if name == choice.best.name else f" ({name}: {_against(_found(choice, name))})"
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


def _budget(answer: Answer) -> str:
    spent = f"{answer.spent_s / 60:.1f} of {answer.budget_s / 60:.3g} min; {answer.ended}"
    if not answer.left_out:
        return spent
    rows = "; ".join(f"{name} {reason}" for name, reason in answer.left_out.items())
    return f"{spent}. Left out: {rows}"


def _left_out_markdown(answer: Answer) -> str:
    lines = [f"- {escape(name)}: {escape(reason)}" for name, reason in answer.left_out.items()]
    return "\n".join(["Rows that did not run:", "", *lines])


def _against(found: Candidate | None) -> str:
    if found is None:
        return MISSING
    between = found.against_best.estimate.interval()
    return f"{points_between(between.mean, between.low, between.high)} points"


def _table(headers: list[str], rows: list[list[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
