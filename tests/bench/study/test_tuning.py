"""Which trials there are, and what is chosen from their records."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.metrics import f1_score

from bench.evidence.metric import METRICS
from bench.records.record import Predictions, Record
from bench.records.study import Row
from bench.study.matrix import Tune, load_matrix
from bench.study.resolve import resolve
from bench.study.tuning import candidates, rungs, seeds_of_trials, tuning
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training.loop import planned_steps
from tests.bench.toys import make_cost, make_metrics

MakeRecord = Callable[..., Record]
TUNE = Tune.model_validate({"lr": [1e-4, 1e-3, 1e-2, 1e-1]})
ROWS = [
    Row(name="baseline", recipe=Recipe(epochs=4)),
    Row(name="lora", recipe=Recipe(epochs=4, train="lora"), against="baseline"),
    Row(name="tfidf", recipe=Recipe(model="tfidf"), against="baseline"),
]
SEEDS = seeds_of_trials(1, 123)


@pytest.mark.parametrize(
    ("n", "epochs", "expected"),
    [
        (1, 5, [(1, 5)]),
        (2, 5, [(2, 5)]),
        (4, 4, [(4, 2), (2, 4)]),
        (3, 5, [(3, 3), (2, 5)]),
        (8, 8, [(8, 2), (4, 4), (2, 8)]),
        (4, 1, [(4, 1)]),
        (8, 2, [(8, 1), (2, 2)]),
    ],
)
def test_half_of_the_candidates_go_on_for_twice_as_long(n, epochs, expected) -> None:
    assert rungs(n, epochs) == expected


def test_rows_have_the_trials_of_the_fields_that_matter_to_them() -> None:
    tune = Tune.model_validate({"lr": [1e-4, 1e-3], "lora_rank": [2, 8, 32]})
    assert [len(candidates(row, tune)) for row in ROWS] == [2, 6, 0]
    assert candidates(ROWS[0].model_copy(update={"excluded": "another family"}), tune) == []


def test_seeds_of_trials_are_not_the_studys() -> None:
    found = seeds_of_trials(3, 123)
    assert [(each.init, each.order, each.split) for each in found] == [(i, i, i) for i in (122, 121, 120)]


def finished(make: MakeRecord, recipe: Recipe, correct: int, loss: float = 0.5) -> Record:
    return make(recipe, metrics=make_metrics(100, correct, loss))


def follow(make: MakeRecord, correct_of: Callable[[Recipe], int]):
    """Do the trials until the choice is made; the choice, and the runs of each rung."""
    records: dict[str, Record] = {}
    done = []
    while (found := tuning(ROWS, TUNE, SEEDS, records)).todo:
        done.append([(run.rows[0], run.recipe.lr, run.recipe.epochs) for run in found.todo])
        assert all(run.seeds == SEEDS[0] for run in found.todo)
        for run in found.todo:
            records[run.run_id] = finished(make, run.recipe, correct_of(run.recipe))
    return found.rows, done


def test_the_better_half_goes_on_and_the_best_of_the_last_rung_is_chosen(toy_record: MakeRecord) -> None:
    early = {1e-4: 60, 1e-3: 70, 1e-2: 80, 1e-1: 50}
    late = {1e-3: 95, 1e-2: 90}
    chosen, done = follow(toy_record, lambda r: early[r.lr] if r.epochs == 2 else late[r.lr])
    assert done == [
        [(row, lr, 2) for row in ("baseline", "lora") for lr in (1e-4, 1e-3, 1e-2, 1e-1)],
        [(row, lr, 4) for row in ("baseline", "lora") for lr in (1e-2, 1e-3)],
    ]
    assert [(row.row, row.values) for row in chosen] == [("baseline", {"lr": 1e-3}), ("lora", {"lr": 1e-3})]
    assert [len(row.trials) for row in chosen] == [6, 6]


def test_a_trial_has_the_seconds_of_its_runs_and_no_run_counts_twice(toy_record: MakeRecord) -> None:
    rows = [ROWS[0], ROWS[0].model_copy(update={"name": "again"}), ROWS[1]]
    tune = Tune.model_validate({"lr": [1e-4, 1e-3]})
    records = {}
    for seconds, run in enumerate(tuning(rows, tune, SEEDS, {}).todo, start=1):
        records[run.run_id] = finished(toy_record, run.recipe, 90).model_copy(
            update={"cost": make_cost(float(seconds)), "failed_s": 10.0 if seconds == 1 else None}
        )
    assert len(records) == 4
    chosen = tuning(rows, tune, SEEDS, records).rows
    assert [[trial.seconds for trial in row.trials] for row in chosen] == [[11, 2], [0, 0], [3, 4]]


def test_of_equal_accuracies_the_lower_loss_is_chosen(toy_record: MakeRecord) -> None:
    tune = Tune.model_validate({"lr": [1e-4, 1e-3]})
    runs = tuning(ROWS[:1], tune, SEEDS, {}).todo
    records = {run.run_id: finished(toy_record, run.recipe, 90, run.recipe.lr) for run in runs}
    assert tuning(ROWS[:1], tune, SEEDS, records).rows[0].values == {"lr": 1e-4}


def test_a_failed_trial_is_never_chosen_and_all_failed_is_an_error(toy_record: MakeRecord) -> None:
    tune = Tune.model_validate({"lr": [1e-4, 1e-3]})
    runs = tuning(ROWS[:1], tune, SEEDS, {}).todo
    failed = {run.run_id: toy_record(run.recipe, status="failed", reason="loss is nan") for run in runs}
    one_failed = failed | {runs[1].run_id: finished(toy_record, runs[1].recipe, 1)}
    assert tuning(ROWS[:1], tune, SEEDS, one_failed).rows[0].values == {"lr": 1e-3}
    with pytest.raises(UserError, match="row 'baseline': every trial failed: loss is nan"):
        tuning(ROWS[:1], tune, SEEDS, failed)


def test_trials_that_make_what_others_start_from_come_first() -> None:
    """As the runs of a plan, whatever the order of the rows."""
    rows = [Row(name=train, recipe=Recipe(train=train)) for train in ("all", "last_block", "last_two_blocks")]
    todo = tuning(rows, Tune.model_validate({"lr": [1e-4, 1e-3]}), SEEDS, {}).todo
    assert [run.rows[0] for run in todo] == [*["last_two_blocks"] * 2, *["last_block"] * 2, *["all"] * 2]


def test_a_row_whose_every_trial_is_refused_is_left_out_with_the_reason(toy_record: MakeRecord) -> None:
    tune = Tune.model_validate({"lr": [1e-4, 1e-3]})
    runs = tuning(ROWS, tune, SEEDS, {}).todo
    refused = {run.run_id: "no biases" for run in runs if "lora" in run.rows}
    records = {run.run_id: finished(toy_record, run.recipe, 1) for run in runs if run.run_id not in refused}
    found = tuning(ROWS, tune, SEEDS, records, refused=refused)
    assert (found.todo, [row.row for row in found.rows]) == ((), ["baseline"])
    assert found.refused == {"lora": "no biases"}
    one, *others = runs  # a value that is refused is never chosen
    records = {run.run_id: finished(toy_record, run.recipe, 1) for run in others}
    found = tuning(ROWS, tune, SEEDS, records, refused={one.run_id: "too large"})
    assert (found.rows[0].row, found.rows[0].values, found.refused) == ("baseline", {"lr": 1e-3}, {})


def test_another_metric_than_accuracy_decides_where_it_is_asked_for(toy_record: MakeRecord) -> None:
    tune = Tune.model_validate({"lr": [1e-4, 1e-3]})
    labels = [0] * 8 + [1] * 2
    predicted = {1e-4: [0] * 10, 1e-3: [0] * 5 + [1] * 5}  # 8 right of one class; 7 right of both
    records = {}
    for run in tuning(ROWS[:1], tune, SEEDS, {}).todo:
        record = finished(toy_record, run.recipe, 80 if run.recipe.lr == 1e-4 else 70)
        test = Predictions(labels=labels, predicted=predicted[run.recipe.lr], probabilities=[[0.5, 0.5]] * 10)
        records[run.run_id] = record.model_copy(update={"test": test})
    assert tuning(ROWS[:1], tune, SEEDS, records).rows[0].values == {"lr": 1e-4}
    chosen = tuning(ROWS[:1], tune, SEEDS, records, METRICS["macro-f1"].score).rows[0]
    assert chosen.values == {"lr": 1e-3}
    assert [trial.score for trial in chosen.trials] == pytest.approx(
        [f1_score(labels, predicted[lr], average="macro") for lr in (1e-4, 1e-3)]
    )


def test_a_trial_without_the_metric_is_never_chosen(toy_record: MakeRecord) -> None:
    tune = Tune.model_validate({"lr": [1e-4, 1e-3]})
    runs = tuning(ROWS[:1], tune, SEEDS, {}).todo
    records = {
        run.run_id: finished(toy_record, run.recipe, 99 if run.recipe.lr == 1e-4 else 1) for run in runs
    }
    score = lambda record: None if record.recipe.lr == 1e-4 else 0.1  # noqa: E731
    assert tuning(ROWS[:1], tune, SEEDS, records, score).rows[0].values == {"lr": 1e-3}


def test_several_seeds_count_by_their_mean(toy_record: MakeRecord) -> None:
    tune, seeds = Tune.model_validate({"seeds": 2, "lr": [1e-4, 1e-3]}), seeds_of_trials(2, 123)
    correct = {(1e-4, 0): 99, (1e-4, 1): 51, (1e-3, 0): 80, (1e-3, 1): 80}
    records = {
        run.run_id: finished(toy_record, run.recipe, correct[run.recipe.lr, run.seed_index]).model_copy(
            update={"seed_index": run.seed_index}
        )
        for run in tuning(ROWS[:1], tune, seeds, {}).todo
    }
    found = tuning(ROWS[:1], tune, seeds, records).rows[0]
    assert found.values == {"lr": 1e-3}
    assert [trial.accuracy for trial in found.trials] == [0.75, 0.8]


MATRIX = """
[tune]
lr = [1e-4, 1e-3]
[[row]]
name = "lora"
set = { train = "lora" }
"""


def test_chosen_values_are_the_rows_own_and_no_second_difference(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MATRIX)
    matrix = load_matrix(tmp_path / "mine.toml")
    found = resolve(matrix, "nano", tuned={"baseline": {"lr": 1e-3}, "lora": {"lr": 1e-4}})
    assert [row.recipe.lr for row in found.rows] == [1e-3, 1e-4]
    assert found.rows[1].changes == {"train": "lora", "lr": 1e-4}
    assert not found.warnings


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[tune]", "no field to choose"),
        ("[tune]\nseeds = 2", "no field to choose"),
        ("[tune]\nlr = 1e-3", "give a list of two values or more"),
        ("[tune]\nlr = [1e-3]", "give a list of two values or more"),
        ("[tune]\nlr = [1e-3, 1e-3]", "a value is there twice"),
        ("[tune]\nlr = [1e-3, -1]", "lr = -1"),
        ("[tune]\nlearning_rate = [1, 2]", "learning_rate"),
        ("[tune]\nmodel = ['nano', 'mini']", "make it a row"),
        ("[tune]\nseeds = 0\nlr = [1e-3, 1e-4]", "seeds = 0"),
        ("[tune]\nbudget = 'fair'\nlr = [1e-3, 1e-4]", "tune: budget = 'fair': use 'equal'"),
    ],
)
def test_a_mistake_in_tune_is_told_in_a_line(tmp_path: Path, table: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(table)
    with pytest.raises(UserError) as caught:
        load_matrix(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_equal_budget_may_be_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[tune]\nbudget = 'equal'\nlr = [1e-4, 1e-3]")
    tune = load_matrix(path).tune
    assert tune is not None
    assert tune.fields == {"lr": [1e-4, 1e-3]}


@pytest.mark.parametrize("name", ["lora", "peft", "depth", "size-of-data"])
def test_a_tuned_study_takes_at_most_three_times_the_steps_of_an_untuned_one(
    name: str, toy_record: MakeRecord
) -> None:
    """Counted on the rows that learn by steps, with three seeds, the fewest that give verdicts of recipes."""
    matrix = load_matrix(name)
    assert matrix.tune is not None
    rows = [row for row in resolve(matrix, "micro").rows if not row.excluded]
    tried, records = 0, dict[str, Record]()
    while (found := tuning(rows, matrix.tune, seeds_of_trials(matrix.tune.seeds, 123), records)).todo:
        for run in found.todo:
            tried += planned_steps(run.recipe, run.recipe.train_size or 1000)
            records[run.run_id] = finished(toy_record, run.recipe, 90)
    recipes = {row.recipe.id: row.recipe for row in rows if row.recipe.trainer == "network"}
    once = sum(planned_steps(recipe, recipe.train_size or 1000) for recipe in recipes.values())
    assert 1.5 < (tried + 3 * once) / (3 * once) <= 3
    assert (tried + 5 * once) / (5 * once) <= 2.3
