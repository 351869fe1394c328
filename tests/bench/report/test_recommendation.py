from dataclasses import replace
from types import ModuleType

from bench.evidence.pareto import weigh
from bench.evidence.results import Results, collect
from bench.records.record import Record
from bench.records.study import Study
from bench.report.recommendation import recommendation


def test_one_row_is_recommended_and_marked(results: Results) -> None:
    results = replace(results, margin=0.2)
    heading, sentence, cut, table, _ = recommendation(results)
    assert heading == "## Which row to use"
    tradeoff = weigh(results)
    assert tradeoff
    chosen = tradeoff.recommended
    assert chosen
    assert sentence.startswith(f"**Recommended: {chosen.result.name}** (")
    assert sentence.count(". ") == 0
    assert cut.startswith("23 of 1,494 texts (1.5%) are longer than 120 tokens")
    assert table.count("(recommended)") == 1
    assert chosen is next(one for one in tradeoff.candidates if one.will_do)
    for row in (*tradeoff.by_time, *tradeoff.by_parameters):
        assert f" {row.name} " in table or f"**{row.name}**" in table


def small(study: Study, studies: ModuleType, *rows: tuple[str, float, float]) -> Results:
    """Some rows with their accuracy and seconds."""
    few = study.model_copy(update={"rows": [study.row(name) for name, _, _ in rows]})
    made = [studies.make_record(study.row(name), seed, *of) for name, *of in rows for seed in range(3)]
    return collect(few, made)


def test_the_most_accurate_row_where_it_is_the_cheapest_too(study: Study, studies: ModuleType) -> None:
    results = small(study, studies, ("baseline", 0.95, 1.0), ("first-token", 0.7, 9.0))
    sentence = recommendation(results)[1]
    assert sentence.startswith("**Recommended: baseline** (")
    assert sentence.endswith("no row is more accurate, and none is cheaper.")


def test_the_most_accurate_row_where_every_cheaper_one_is_worse(study: Study, studies: ModuleType) -> None:
    results = small(study, studies, ("baseline", 0.95, 9.0), ("first-token", 0.7, 1.0))
    sentence = recommendation(results)[1]
    assert sentence.startswith("**Recommended: baseline** (")
    assert sentence.endswith("the most accurate row: every cheaper one is shown to be worse.")
    table = recommendation(results)[3]
    assert "| shown to be worse |" in next(line for line in table.splitlines() if "first-token" in line)


def test_a_row_that_may_have_learned_nothing_is_said_to(study: Study, studies: ModuleType) -> None:
    poor = small(study, studies, ("baseline", 0.52, 9.0), ("first-token", 0.5, 1.0))
    assert "Nor is baseline shown to beat always predicting the largest class" in recommendation(poor)[1]
    close = replace(poor, margin=0.3)
    assert "It is not shown to beat always predicting the largest class" in recommendation(close)[1]
    good = small(study, studies, ("baseline", 0.95, 9.0), ("first-token", 0.7, 1.0))
    assert "largest class" not in recommendation(good)[1]


def test_rows_that_cannot_be_told_apart_are_said_to(results: Results) -> None:
    _, sentence, _, table, _ = recommendation(results)
    assert sentence.startswith("**No recommendation yet: the cheaper rows cannot be distinguished")
    assert "The cheapest remaining candidate is " in sentence
    assert "(recommended)" not in table


def test_one_seed_recommends_nothing(study: Study, records: list[Record]) -> None:
    one = collect(study.model_copy(update={"seeds": study.seeds[:1]}), records)
    assert recommendation(one)[1].startswith("**No recommendation yet: recipes need three seeds or more.**")


def test_nothing_to_recommend_of_one_row(study: Study, studies: ModuleType) -> None:
    assert recommendation(small(study, studies, ("baseline", 0.95, 9.0))) == []
