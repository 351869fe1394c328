from types import ModuleType

from bench.evidence.results import Results, collect
from bench.records.study import Study
from bench.report import describe
from gptcore.result import PaddingCheck


def test_rows_stand_under_their_questions_and_the_others_last(results: Results, study: Study) -> None:
    groups = describe.by_question(results)
    assert [title for title, _ in groups] == [*study.questions.values(), "Other rows"]
    assert [result.name for result in groups[0][1]] == ["first-token", "mean-pooling", "mean-real"]
    assert [result.name for result in groups[-1][1]] == ["high-lr"]  # the baseline is compared with nothing
    assert sum(len(rows) for _, rows in groups) == len(results.rows) - 1


def test_leaders_are_all_rows_of_the_highest_mean(study: Study, studies: ModuleType) -> None:
    rows = [study.row(name) for name in ("baseline", "ignore-index", "first-token")]
    few = study.model_copy(update={"rows": rows})
    records = [studies.make_record(rows[0], 0, 0.95, 12), studies.make_record(rows[2], 0, 0.7, 12)]
    assert [result.name for result in describe.leaders(collect(few, records))] == ["baseline", "ignore-index"]
    assert describe.leaders(collect(few, [])) == []


def test_other_paddings_are_named_by_what_differs(study: Study, studies: ModuleType) -> None:
    checks = [
        PaddingCheck(padding="left", tokens_per_row=120, accuracy=0.9, n_flipped=3),
        PaddingCheck(padding="right", tokens_per_row=1024, accuracy=0.8, n_flipped=40),
        PaddingCheck(padding="none", tokens_per_row=None, accuracy=0.7, n_flipped=70),
    ]
    few = study.model_copy(update={"rows": [study.row("baseline")]})
    runs = [studies.make_record(few.rows[0], seed, 0.95, 12, padding=checks) for seed in (0, 1)]
    found = describe.other_paddings(collect(few, runs))
    assert list(found) == ["baseline"]
    assert list(found["baseline"]) == ["left", "right, longer", "none"]
    assert [len(of_seeds) for of_seeds in found["baseline"].values()] == [2, 2, 2]


def test_an_interval_that_holds_the_majority_rate_is_pointed_out(study: Study, studies: ModuleType) -> None:
    rows = [study.row(name) for name in ("baseline", "first-token")]
    few = study.model_copy(update={"rows": rows})
    records = [
        studies.make_record(row, seed, accuracy, 10)
        for row, accuracy in zip(rows, (0.95, 0.53), strict=True)
        for seed in (0, 1)
    ]
    notes = describe.notes(collect(few, records))
    assert "includes the accuracy of always predicting the largest class (53.00%)" in notes["first-token"]
    assert "largest class" not in notes.get("baseline", "")


def test_of_many_classes_some_are_listed(study: Study) -> None:
    counts = (1,) * 50 + (30,) + (1,) * 49
    names = tuple(f"c{i}" for i in range(100))
    many = study.dataset.model_copy(update={"label_names": names, "test_label_counts": counts})
    shares = dict(describe.study_facts(collect(study.model_copy(update={"dataset": many}), [])))
    text = shares["Classes of the test split"]
    assert text.startswith("c0 0.8%, c1 0.8%, ")
    assert text.endswith("c19 0.8% and 80 more")
