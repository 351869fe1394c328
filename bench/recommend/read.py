"""The answer of a recommendation, from its folder alone. Writes nothing; imports no torch."""

from __future__ import annotations

from pathlib import Path

from bench.evidence.results import collect
from bench.recommend.answer import Answer, choose, expected
from bench.recommend.curve import curve_of
from bench.records.recommendation import SEARCH, TEST, load_state
from bench.records.store import load_records, load_study
from gptcore.errors import UserError


def read_answer(folder: Path) -> Answer:
    """What the last call of `recommend` has answered. Raises UserError where it has not, or where a file is damaged."""
    state = load_state(folder)
    if state is None or (last := state.last_call) is None:
        raise UserError(
            f"{folder} holds no answer (an unfinished recommendation, or one of an older version): repeat its "
            "`python -m bench recommend`, which continues it"
        )
    study, runs = load_study(folder / SEARCH), list(load_records(folder / SEARCH).values())
    results = collect(study, runs)
    choice = choose(results)
    if choice is None:
        raise UserError(f"{folder / SEARCH} has no finished run: repeat its `python -m bench recommend`")
    recipe, data = choice.row.row.recipe, study.dataset
    return Answer(
        data=state.data,
        results=results,
        choice=choice,
        expected=expected(recipe.id, list(load_records(folder / TEST).values()), results.metric),
        curve=curve_of(recipe, runs, data.n_train, len(data.label_names), results.metric),
        left_out=last.left_out,
        spent_s=state.spent_s,
        budget_s=last.budget_s,
        ended=last.ended,
        file=last.file,
        reading=last.reading,
    )
