"""What reports say where texts were cut."""

from types import ModuleType

import pytest

from bench.evidence.cut import cut_rows
from bench.evidence.results import Results, collect
from bench.records.record import CutTextsCheck, InputFacts
from bench.records.study import Study
from bench.report.cut import cut_sentences
from bench.report.html import render
from gptcore.result import CutTexts
from tests.bench.toys import make_split

ROWS = ("baseline", "first-token", "context-64", "tf-idf")


def make(study: Study, studies: ModuleType, n_cut: int, check: CutTextsCheck | None = None) -> Results:
    few = study.model_copy(update={"rows": [study.row(name) for name in ROWS]})
    inputs = InputFacts(tokenizer="gpt2", tokens_per_row=256, longest_tokens=900, n_truncated=n_cut)
    records = [
        studies.make_record(row, seed, 0.9, 5.0, inputs=None if row.name == "tf-idf" else inputs)
        for row in few.rows
        for seed in range(2)
    ]
    return collect(
        few, [r.model_copy(update={"cut_texts": check}) if r.recipe.backbone is None else r for r in records]
    )


def test_nothing_is_said_of_single_texts(study: Study, studies: ModuleType) -> None:
    results = make(study, studies, n_cut=1)
    assert cut_rows(results) == {}
    assert cut_sentences(results) == []
    assert "†" not in render(results)


def test_rows_are_named_by_what_they_cut(study: Study, studies: ModuleType) -> None:
    results = make(study, studies, n_cut=747)
    assert cut_rows(results) == dict.fromkeys(ROWS[:3], CutTexts(747, 1494, 256))
    first, second = cut_sentences(results)
    assert first.startswith(
        "747 of 1,494 texts (50%) are longer than 256 tokens and were truncated by baseline, "
    )
    assert second == "tf-idf reads whole texts, so its input differs from theirs."


def test_tfidf_has_a_second_figure(study: Study, studies: ModuleType) -> None:
    test = make_split(300, 123, 0.7)
    check = CutTextsCheck(model="micro", tokens=256, n_cut=747, n_texts=1494, test=test)
    results = make(study, studies, n_cut=747, check=check)
    whole = results.row("tf-idf").accuracy()
    assert whole is not None
    sentence = cut_sentences(results)[1]
    assert sentence == (
        f"tf-idf reads whole texts ({100 * whole:.2f}%); fitted and tested on texts truncated as for "
        "micro, at 256 tokens, it reaches 41.00%."
    )
    page = render(results)
    assert page.count(sentence) == 2  # beside the recommendation and beside the verdicts
    assert page.count(" †</td>") + page.count(" †<span") == 3


@pytest.mark.parametrize("n", [6, 7])
def test_many_rows_are_counted(study: Study, studies: ModuleType, n: int) -> None:
    rows = [row for row in study.rows if row.recipe.backbone is not None and not row.no_op][:n]
    few = study.model_copy(update={"rows": rows})
    inputs = InputFacts(tokenizer="gpt2", tokens_per_row=256, longest_tokens=900, n_truncated=747)
    records = [studies.make_record(row, 0, 0.9, 5.0, inputs=inputs) for row in rows]
    (sentence,) = cut_sentences(collect(few, records))
    assert ("and 2 more rows:" in sentence) == (n == 7)
