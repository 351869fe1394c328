"""A study whose rows' values are chosen first, from the command line to the report."""

import shutil
from pathlib import Path

import pytest

from bench.records.store import load_records, load_study
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
    assert {record.seeds.split for record in trials.values()} == {122}
    assert not {r.seeds.split for r in trials.values()} & {r.seeds.split for r in records.values()}
    assert not any(r.cost.serving for r in trials.values() if r.cost)
    assert all(r.cost.serving for r in records.values() if r.cost)
    report = (study / "out" / "report.md").read_text()
    assert "## Values chosen for each row" in report
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
