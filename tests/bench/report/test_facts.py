from types import ModuleType

from bench.evidence.results import Results, collect
from bench.records.record import Metrics, Record, SplitMetrics
from bench.records.study import Study
from bench.report.facts import paragraph, shared_seeds


def with_correct(record: Record, correct: int) -> Record:
    test = SplitMetrics(n=300, correct=correct, accuracy=correct / 300, log_loss=None)
    metrics = Metrics(train=test, validation=test, test=test)
    assert record.test
    predicted = [label if i < correct else 1 - label for i, label in enumerate(record.test.labels)]
    answers = record.test.model_copy(update={"predicted": predicted})
    return record.model_copy(update={"metrics": metrics, "test": answers})


def comparison(studies: ModuleType, study: Study, ours: list[int], theirs: list[int]) -> str:
    """The paragraph of first-token against the baseline, with these right answers of 300 for each seed."""
    records = [
        with_correct(studies.make_record(study.row(name), seed, 0.9, 10), n)
        for name, numbers in (("first-token", ours), ("baseline", theirs))
        for seed, n in enumerate(numbers)
    ]
    results = collect(study, records)
    return paragraph(results, results.row("first-token"))


def test_differences_by_seed_and_their_signs(studies: ModuleType, study: Study) -> None:
    above = comparison(studies, study, [291, 288, 294], [285, 285, 285])
    assert "97.00% against 95.00% of baseline, a difference of +2.00 points" in above
    assert "+2.00 · +1.00 · +3.00 (from +1.00 to +3.00); each of the 3 seeds is above." in above
    assert "each of the 3 seeds is below." in comparison(studies, study, [200, 201, 202], [285, 285, 285])
    assert "each of the 3 seeds is equal." in comparison(studies, study, [285, 285, 285], [285, 285, 285])
    mixed = comparison(studies, study, [291, 285, 279], [285, 285, 285])
    assert "a difference of 0.00 points" in mixed
    assert "the seeds do not agree: 1 above, 1 below and 1 equal." in mixed


def test_only_seeds_that_both_have_finished_are_compared(
    studies: ModuleType, study: Study, results: Results
) -> None:
    text = comparison(studies, study, [291, 288], [285, 282, 30])
    assert (
        "96.50% against 94.50% of baseline, a difference of +2.00 points over the 2 seeds that both" in text
    )
    pairs = shared_seeds(results.row("full-context"), results.row("baseline"))
    assert [mine.seed_index for mine, _ in pairs] == [0, 2]
    assert all(mine.seeds == theirs.seeds for mine, theirs in pairs)


def test_one_seed_shows_no_spread(studies: ModuleType, study: Study) -> None:
    text = comparison(studies, study, [291], [285])
    assert "a difference of +2.00 points. One seed shows no spread." in text


def test_cost_is_compared_by_what_a_run_takes_alone(results: Results) -> None:
    pairs = shared_seeds(results.row("last-layer"), results.row("baseline"))
    mine, theirs = (
        sum(run.cost.standalone_s for run in runs if run.cost) for runs in zip(*pairs, strict=True)
    )
    text = paragraph(results, results.row("last-layer"))
    assert f"A run on its own took {mine / theirs:.2f} times as long (" in text


def test_published_difference_and_rows_not_run(results: Results) -> None:
    text = paragraph(results, results.row("first-token"))
    assert text.endswith("Published: 75.00% in 0.28 min on an A100, one seed, a difference of −20.00 points.")
    assert paragraph(results, results.row("xl")) == (
        "**xl** (model = gpt2-xl) has no finished run (skipped): needs 12.4 GiB of memory, 7.1 GiB are there. "
        "Published: 98.33% in 2.83 min on an A100, one seed."
    )


def test_a_no_op_and_a_row_whose_reference_did_not_run(
    study: Study, results: Results, studies: ModuleType
) -> None:
    assert "is the same recipe as baseline, so the same runs" in paragraph(
        results, results.row("ignore-index")
    )
    alone = collect(study, [studies.make_record(study.row("xl-lora"), 0, 0.9, 10)])
    assert "xl-all-layers, which it is compared with, has no finished run." in paragraph(
        alone, alone.row("xl-lora")
    )


def test_an_interval_that_holds_the_majority_rate_is_pointed_out(studies: ModuleType, study: Study) -> None:
    assert "holds the accuracy of always answering the largest class (53.00%)" in comparison(
        studies, study, [160, 161, 159], [285, 285, 285]
    )
    assert "largest class" not in comparison(studies, study, [290, 290, 290], [285, 285, 285])


def test_no_verdicts(results: Results) -> None:
    for result in results.rows:
        words = set(paragraph(results, result).lower().split())
        assert not words & {"better", "worse", "significant", "significantly", "slower", "faster"}
