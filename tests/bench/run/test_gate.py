"""The gate's own work: putting a baseline together, comparing with it, refusing what cannot be compared."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench import cli
from bench.evidence.regress import ALL_ROWS, Rounds
from bench.records.record import Predictions, Record
from bench.records.study import Row, Study
from bench.run import gate, study_run
from bench.run.baseline import Baseline, load_baseline, save_baseline
from bench.run.gate import check_accuracy, check_ratios, make_baseline
from gptcore.data.datasets import load_dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds
from gptcore.training import loop as train
from tests.bench.toys import make_metrics

N = 300
LABELS = [i % 2 for i in range(N)]
FIRST = Recipe(position="first")
PLAIN = [Rounds("lora", [1.0] * 12, [1.0] * 12, [2.0] * 12)]


@pytest.fixture
def study(toy_study: Callable[..., Study]) -> Study:
    rows = [Row(name="baseline", recipe=Recipe()), Row(name="first-token", recipe=FIRST, against="baseline")]
    return toy_study(rows, seeds=[Seeds(init=1), Seeds(init=2)])


@pytest.fixture
def records(toy_record: Callable[..., Record]) -> Callable[[int], list[Record]]:
    """Records of both rows and seeds; the first token's have so many wrong predictions."""

    def make(wrong: int) -> list[Record]:
        found = []
        for recipe, n_wrong in ((Recipe(), 0), (FIRST, wrong)):
            predicted = [1 - label if i < n_wrong else label for i, label in enumerate(LABELS)]
            halves = [[0.5, 0.5]] * len(LABELS)
            test = Predictions(labels=LABELS, predicted=predicted, probabilities=halves)
            metrics = make_metrics(N, N, 0)
            found += [toy_record(recipe, seed, test=test, metrics=metrics) for seed in (0, 1)]
        return found

    return make


@pytest.fixture
def baseline(study: Study, records: Callable[[int], list[Record]]) -> Baseline:
    return make_baseline(study, records(3), PLAIN)


def test_a_baseline_keeps_what_is_compared(baseline: Baseline, tmp_path: Path) -> None:
    assert baseline.fast_over_plain == {"lora": 0.5}
    assert list(baseline.rows) == ["baseline", "first-token"]
    assert np.shape(baseline.rows["first-token"].predicted) == (2, N)
    path = tmp_path / "baselines" / "ci.json"
    save_baseline(path, baseline)
    assert load_baseline(path) == baseline


def test_no_baseline_of_a_study_with_holes(study: Study, records: Callable[[int], list[Record]]) -> None:
    with pytest.raises(UserError, match=r"^no baseline: first-token did not finish"):
        make_baseline(study, records(0)[:-1], PLAIN)


def test_equal_predictions_pass_and_a_loss_fails(
    baseline: Baseline, study: Study, records: Callable[[int], list[Record]]
) -> None:
    checks, notes = check_accuracy(baseline, study, records(3))
    assert [check.name for check in checks] == ["baseline", "first-token", ALL_ROWS]
    assert not any(check.failed for check in checks)
    assert notes == []
    checks, _ = check_accuracy(baseline, study, records(30))
    assert [check.name for check in checks if check.failed] == ["first-token", ALL_ROWS]


def test_a_row_that_failed_fails_the_gate(
    baseline: Baseline, study: Study, records: Callable[[int], list[Record]]
) -> None:
    lost = [record.model_copy(update={"status": "failed"}) for record in records(3)[2:]]
    checks, _ = check_accuracy(baseline, study, [*records(3)[:2], *lost])
    assert [check.name for check in checks if check.failed] == ["first-token"]


def test_a_new_row_is_noted(baseline: Baseline, study: Study, records: Callable[[int], list[Record]]) -> None:
    fewer = {"baseline": baseline.rows["baseline"]}
    _, notes = check_accuracy(baseline.model_copy(update={"rows": fewer}), study, records(3))
    assert notes == ["Not judged, because the baseline does not have them: first-token (--update adds them)."]


def test_what_is_not_comparable_is_refused(
    baseline: Baseline, study: Study, records: Callable[[int], list[Record]]
) -> None:
    other = baseline.model_copy(update={"dataset_fingerprint": "other"})
    with pytest.raises(UserError, match="other data or seeds"):
        check_accuracy(other, study, records(3))
    rows = [row.model_copy(update={"recipe": Recipe(lr=1)}) for row in study.rows]
    with pytest.raises(UserError, match="the recipe of baseline, first-token differs from the baseline's"):
        check_accuracy(baseline, study.model_copy(update={"rows": rows}), records(3))


def test_ratios_against_the_file(baseline: Baseline) -> None:
    assert [check.failed for check in check_ratios(baseline, PLAIN)] == [False]
    slower = [Rounds("lora", [1.6] * 12, [1.6] * 12, [2.0] * 12)]
    assert [check.failed for check in check_ratios(baseline, slower)] == [True]
    assert check_ratios(baseline, [Rounds("new case", [1.0], [1.0], [1.0])]) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        ("{", "is damaged"),
        ("[]", "is not a baseline"),
        ('{"schema_version": 9}', "is not a baseline"),
    ],
)
def test_a_file_that_is_no_baseline_is_named(content: str | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "ci.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=rf"ci\.json {says}.*--update"):
        load_baseline(path)


@pytest.mark.parametrize(("wrong", "factor", "code"), [(3, 1.0, 0), (30, 1.0, 1), (3, 2.0, 1)])
def test_the_command_ends_with_the_verdict(
    wrong: int,
    factor: float,
    code: int,
    baseline: Baseline,
    study: Study,
    records: Callable[[int], list[Record]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "ci.json"
    save_baseline(path, baseline)
    again = [
        Rounds(r.name, [s * factor for s in r.ours], [s * factor for s in r.again], r.theirs) for r in PLAIN
    ]
    monkeypatch.setattr(gate, "run_quick", lambda *_: (study, records(wrong)))
    monkeypatch.setattr(gate, "time_code", lambda *_: (again, []))
    monkeypatch.setattr("sys.argv", ["bench", "regress", "--baseline", str(path)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code or 0) == code
    said = capsys.readouterr().out
    assert ("**passed: 4 checks**" in said) == (code == 0)
    assert ("FAILED: first-token (accuracy)" in said) == (wrong == 30)
    assert ("FAILED: lora (time against the plain engine)" in said) == (factor == 2)


def test_update_writes_the_baseline(
    study: Study, records: Callable[[int], list[Record]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "run_quick", lambda *_: (study, records(3)))
    monkeypatch.setattr(gate, "time_code", lambda *_: (PLAIN, []))
    monkeypatch.setattr("sys.argv", ["bench", "regress", "--baseline", str(tmp_path / "ci.json"), "--update"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert load_baseline(tmp_path / "ci.json").seeds == study.seeds


def test_what_cannot_be_compared_ends_before_anything_runs(
    study: Study, records: Callable[[int], list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_baseline(study, records(3), PLAIN)
    monkeypatch.setattr(gate, "run_one", lambda *_: pytest.fail("a run was started"))
    with pytest.raises(UserError, match="--base nosuchbranch"):
        gate.run_gate(made, "nosuchbranch", 8, lambda _: None)
    with pytest.raises(UserError, match="has other data or seeds"):
        gate.run_gate(made, None, 8, lambda _: None)


@pytest.mark.slow
def test_a_planted_loss_of_accuracy_fails_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way: the quick study is really run, twice with the same code and once with code that cannot learn."""
    texts = [f"see you at {n} then,ham\nwin {n} free prizes now,spam" for n in range(100)]
    (tmp_path / "messages.csv").write_text("\n".join(["text,label", *texts, ""]))
    data = load_dataset(tmp_path / "messages.csv")
    monkeypatch.setattr(study_run, "load_dataset", lambda *_, **__: data)
    monkeypatch.setattr(gate, "time_code", lambda *_: (PLAIN, []))
    made = gate.measure_baseline(1, lambda _: None)
    checks, _ = gate.run_gate(made, None, 1, lambda _: None)
    assert [check.name for check in checks if check.failed] == []
    monkeypatch.setattr(train, "lr_factor", lambda *_: 0.0)
    checks, _ = gate.run_gate(made, None, 1, lambda _: None)
    failed = {check.name for check in checks if check.failed}
    assert {"baseline", "last-real-token", ALL_ROWS} <= failed
    assert "tfidf" not in failed
