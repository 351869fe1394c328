"""A study whose rows' values are chosen first, from the command line to the report."""

import shutil
from pathlib import Path
from statistics import fmean

import pytest

from bench.records.store import load_records, load_study
from bench.run.costs import spent_s
from tests.bench.calling import Answer, Bench

MATRIX = """
[baseline]
set = { position = "last_real", epochs = 2, batch_size = 4 }
[tune]
lr = [1e-6, 3e-3]
[[row]]
name = "last-layer"
set = { train = "last_layer" }
[[row]]
name = "tfidf"
set = { model = "tfidf" }
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    lines = [f"{'buy now' if i % 2 else 'see you'} {i} {'!' * (i % 7)},{i % 2}" for i in range(80)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *lines, ""]))
    (tmp_path / "mine.toml").write_text(MATRIX)
    return tmp_path


@pytest.fixture
def tuned(bench: Bench, study: Path, no_plots: None) -> Bench:  # noqa: ARG001
    """Calls a command on the study."""
    what = ["--matrix", study / "mine.toml", "--models", "nano", "--data", study / "texts.csv"]

    def call(command: str, *options: str) -> Answer:
        return bench(command, *what, "--seeds", "2", "--out", study / "out", *options)

    return call


def test_values_are_chosen_once_and_stand_in_manifest_and_report(tuned: Bench, study: Path) -> None:
    planned = tuned("plan")
    assert planned.code == 0, planned.err
    assert "4 trials" in planned.words
    done = tuned("run")
    assert done.code == 0, done.out + done.err
    manifest = load_study(study / "out")
    assert {tuned.row: tuned.values for tuned in manifest.tuned} == {
        "baseline": {"lr": 3e-3},
        "last-layer": {"lr": 3e-3},
    }
    assert {row.name: row.recipe.lr for row in manifest.rows if row.recipe.backbone} == {
        "baseline": 3e-3,
        "last-layer": 3e-3,
    }
    trials = load_records(study / "out" / "tuning")
    records = load_records(study / "out")
    assert len(trials) == 4
    # The first trial computes the frozen blocks, and the others start from them.
    costs = [(r.recipe.train, r.cost.standalone_s > r.cost.marginal_s) for r in trials.values() if r.cost]
    assert sorted(costs) == [("last_block", False), ("last_block", True), *[("last_layer", True)] * 2]
    assert {record.seeds.split for record in trials.values()} == {122}
    assert not {r.seeds.split for r in trials.values()} & {r.seeds.split for r in records.values()}
    assert not any(r.cost.serving for r in trials.values() if r.cost)
    assert all(r.cost.serving for r in records.values() if r.cost)
    report = (study / "out" / "report.md").read_text()
    assert "## Values chosen for each row" in report
    assert "Choosing the values took " in report
    took = [trial.seconds for row in manifest.tuned for trial in row.trials]
    assert sum(filter(None, took)) == pytest.approx(spent_s(trials.values()), abs=1e-3)
    assert "chosen on validation data for each row (baseline: lr = 0.003" in report

    # The choice stands, though its trials are gone; other values to choose from are another study.
    for path in (study / "out" / "tuning" / "runs").glob("*.json"):
        path.unlink()
    (study / "mine.toml").write_text(MATRIX.replace("1e-6, 3e-3", "1e-5, 1e-3"))
    refused = tuned("run", "--seeds", "3")
    assert refused.code == 2
    assert "chosen for another recipe or from other values" in refused.err
    (study / "mine.toml").write_text(MATRIX)
    again = tuned("run", "--seeds", "3")
    assert again.code == 0, again.out + again.err
    assert load_study(study / "out").tuned == manifest.tuned
    assert len(load_records(study / "out")) == 9
    assert not load_records(study / "out" / "tuning")


def test_the_report_has_the_figures_at_common_values_too(tuned: Bench, bench: Bench, study: Path) -> None:
    few = ("--only", "last-layer", "--set", "epochs=1")
    for options in (few, (*few, "--tune", "off", "--out", str(study / "out-untuned"))):
        done = tuned("run", *options)
        assert done.code == 0, done.out + done.err
    report = study / "out" / "report.md"
    assert "### At own and at common values" not in report.read_text()
    assert bench("report", study / "out").code == 0
    both = report.read_text().split("### At own and at common values")[1]
    line = next(line for line in both.splitlines() if line.startswith("| last-layer"))
    own, common = (
        fmean(
            run.metrics.test.accuracy
            for run in load_records(study / name).values()
            if run.metrics and run.recipe.train == "last_layer"
        )
        for name in ("out", "out-untuned")
    )
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert [cell.split(" (")[0] for cell in cells] == [
        *("last-layer", "lr = 0.003", f"{100 * own:.2f}", "lr = 5e-05", f"{100 * common:.2f}")
    ]
    assert "`out-untuned` (2 seeds)" in both

    # Rows that differ in more than the chosen values are not the same rows.
    manifest = study / "out-untuned" / "study.json"
    manifest.write_text(manifest.read_text().replace('"epochs": 1', '"epochs": 2'))
    assert bench("report", study / "out").code == 0
    assert "### At own and at common values" not in report.read_text()


def test_every_text_cannot_be_a_test_text_of_a_tuned_study(tuned: Bench, study: Path) -> None:
    refused = tuned("run", "--splits", "kfold")
    assert refused.code == 2
    assert "add --tune off" in refused.err
    assert not (study / "out").exists()
    untuned = tuned("plan", "--tune", "off")
    assert untuned.code == 0
    assert "trials" not in untuned.out


def test_trials_on_other_data_choose_nothing(tuned: Bench, study: Path) -> None:
    """An interrupted call leaves trials and no study; the file is then changed."""
    done = tuned("run", "--only", "last-layer", "--set", "epochs=1")
    assert done.code == 0, done.out + done.err
    shutil.rmtree(study / "out" / "runs")
    (study / "out" / "study.json").unlink()
    text = (study / "texts.csv").read_text()
    (study / "texts.csv").write_text(text.replace("see you", "see them"))
    refused = tuned("run", "--only", "last-layer", "--set", "epochs=1")
    assert refused.code == 2
    assert "holds trials on other data (texts.csv)" in refused.err


def test_a_row_that_every_trial_is_refused_of_is_left_out_and_the_study_goes_on(
    tuned: Bench, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a checkpoint whose files do not tell the shapes of its layers before it is loaded."""
    monkeypatch.setattr("bench.study.resolve.known_layers", lambda *_: None)
    row = '[[row]]\nname = "odd"\nset = { train = { method = "oft", block_size = 7 } }\n'
    (study / "mine.toml").write_text(MATRIX + row)
    done = tuned("run", "--only", "odd", "--set", "epochs=1")
    assert done.code == 0, done.out + done.err
    assert "row odd is left out: oft: block_size = 7 does not divide" in done.words
    manifest = load_study(study / "out")
    assert "block_size = 7" in str(manifest.row("odd").excluded)
    assert [tuned.row for tuned in manifest.tuned] == ["baseline"]
    assert "block_size = 7" in (study / "out" / "report.md").read_text()
    refused = tuned(
        "run", "--only", "odd", "--out", str(study / "none"), "--set", "train={method='oft',block_size=7}"
    )
    assert refused.code == 2
    assert "oft: block_size = 7 does not divide" in refused.err
