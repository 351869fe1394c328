"""From a file to a verified folder: what is chosen, what is kept, and that the test part plays no part in it."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

from gptcore import Dataset, Recipe, TextClassifier, load_dataset
from gptcore.cli import app
from gptcore.data.datasets import Split
from gptcore.engine import trunk_cache
from gptcore.engine.trunk import Trunk, compute_trunk
from gptcore.errors import UserError
from gptcore.product import folder as folder_module
from gptcore.product.answers import tokens_read
from gptcore.product.fitting import abstaining, fit_to_keep, threshold_for_cost
from gptcore.product.folder import write_folder
from gptcore.product.report import read_report
from gptcore.product.verify import verify_folder
from gptcore.training.logistic import fit_tfidf


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))


def run_fit(reviews: Path, recipe: str, out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["fit", str(reviews), "--recipe", recipe, "--out", str(out), *more])


def test_a_place_that_cannot_be_written_is_refused_before_training(reviews, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("gptcore.product.fitting.fit_to_keep", lambda *_: pytest.fail("it was trained"))
    (tmp_path / "file").write_text("mine")
    for out, said in (
        (tmp_path / "file" / "kept" / "mine", f"{tmp_path / 'file'} is a file: name another folder"),
        (tmp_path / ("x" * 300), "the name is longer than the file system allows"),
        (tmp_path / "file", "exists: remove it"),
    ):
        error = run_fit(reviews, "tfidf", out).exception
        assert isinstance(error, UserError)
        assert said in str(error)
    monkeypatch.setattr("os.access", lambda path, _mode: path != tmp_path)
    error = run_fit(reviews, "tfidf", tmp_path / "new" / "mine").exception
    assert isinstance(error, UserError)
    assert f"{tmp_path} cannot be written: make it writable or name another folder" in str(error)
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


def test_a_disk_that_fills_up_ends_in_one_line(reviews, tmp_path, monkeypatch) -> None:
    def full(_path: Path, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    error = run_fit(reviews, "tfidf", tmp_path / "mine").exception
    assert isinstance(error, UserError)
    assert "No space left on device): make room" in str(error)
    assert not list(tmp_path.glob("*mine*"))


@pytest.mark.parametrize(
    "choices",
    [
        {"train": "last_block", "position": "last_real"},
        {"train": "lora", "lora_rank": 2, "padding": "none"},
        {"train": "features"},
        {"model": "tfidf"},
    ],
    ids=str,
)
def test_a_file_becomes_a_verified_folder(reviews, recipe_file, tmp_path, choices, request) -> None:
    if choices.get("train") in ("last_block", "features"):  # a network and TF-IDF are opened in a new process
        request.getfixturevalue("verified_here")
    out = tmp_path / "mine"
    done = run_fit(reviews, recipe_file(**choices), out)
    assert done.exit_code == 0, done.output
    report = read_report(out)
    n = report.test.n
    assert f"verified: {n} of {n} predictions equal" in done.output
    files = {"classifier.json", "classifier.safetensors", "fit.json", "README.md"}
    assert {path.name for path in out.iterdir()} == files
    data, classifier = load_dataset(reviews), TextClassifier.load(out)
    assert classifier.temperature == report.calibration.temperature
    right = [data.label_names[at] for at in data.test.labels]
    correct = sum(a == b for a, b in zip(classifier.predict(data.test.texts), right, strict=True))
    assert correct == report.test.correct == round(report.test.accuracy * n)
    assert sum(map(sum, report.test.confusion)) == n == len(data.test)
    assert report.data.fingerprint == data.fingerprint
    assert report.data.classes == {"ham": 60, "spam": 60}
    assert "always answering 'ham' is right on" in done.output
    if report.tokens_per_row is not None:
        assert report.tokens_per_row == tokens_read(classifier)
        assert f"a row has {report.tokens_per_row} tokens" in done.output
        assert f"the first {report.tokens_per_row} tokens of a text" in (out / "README.md").read_text()
    if report.epochs is not None:
        losses, both = report.epochs.validation_losses, len(data.train) + len(data.validation)
        assert f"choosing: 3 epochs on {len(data.train)} texts" in done.output
        assert f"training: {report.epochs.chosen} epoch" in done.output
        assert f" on {both} texts" in done.output
        assert losses[report.epochs.chosen - 1] == min(losses)
        assert classifier.recipe.epochs == report.epochs.chosen
        assert not classifier.recipe.restore_best
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


@pytest.mark.usefixtures("verified_here")
def test_the_card_has_front_matter_that_hubs_read(reviews, recipe_file, tmp_path) -> None:
    assert run_fit(reviews, recipe_file(model="tfidf"), tmp_path / "mine").exit_code == 0
    _, front, body = (tmp_path / "mine" / "README.md").read_text().split("---\n", 2)
    found = yaml.safe_load(front)
    assert found["pipeline_tag"] == "text-classification"
    assert found["model-index"][0]["results"][0]["metrics"][0] == {
        "type": "accuracy",
        "value": pytest.approx(read_report(tmp_path / "mine").test.accuracy, abs=1e-4),
    }
    assert "| ham |" in body
    assert "always answering 'ham' is right on" in body
    assert "tokens of a text" not in body  # TF-IDF reads texts whole


@pytest.mark.parametrize(
    "choices", [{"train": "last_block"}, {"train": "features"}, {"model": "tfidf"}], ids=str
)
def test_the_test_part_changes_nothing(reviews, checkpoint, choices) -> None:
    data = load_dataset(reviews)
    other = replace(data, test=Split(("a much longer text than any other " * 5,), np.array([1])))
    recipe = Recipe(**{"model": str(checkpoint), "epochs": 2, "lr": 1e-2} | choices)
    one, two = (fit_to_keep(recipe, each, device="cpu") for each in (data, other))
    new = ["win now", "see you"]
    assert np.array_equal(one.classifier.predict_proba(new), two.classifier.predict_proba(new))
    assert one.calibration == two.calibration


def test_it_is_trained_on_train_and_validation_with_what_validation_chose(reviews) -> None:
    data = load_dataset(reviews)
    kept = fit_to_keep(Recipe(model="tfidf"), data)
    first = fit_tfidf(data.train.texts, data.train.labels, data.validation.texts, data.validation.labels)
    texts = [*data.train.texts, *data.validation.texts]
    labels = np.concatenate([data.train.labels, data.validation.labels])
    expected = first.refit(texts, labels)
    assert expected.inverse_penalty == first.inverse_penalty
    found = kept.classifier.predictor.probabilities(data.test.texts)
    np.testing.assert_allclose(found, expected.probabilities(list(data.test.texts)), rtol=1e-9)


def test_a_metric_chooses_the_epochs_and_stands_in_the_card(reviews, recipe_file, tmp_path) -> None:
    recipe, out = recipe_file(train="last_layer", epochs=2), tmp_path / "mine"
    done = run_fit(reviews, recipe, out, "--metric", "macro-f1")
    assert done.exit_code == 0
    assert "of 2, the highest macro-F1 on the validation part" in done.output
    assert read_report(out).epochs.by == "macro-f1"
    assert "the highest macro-F1 on the validation part; then trained" in (out / "README.md").read_text()
    assert TextClassifier.load(out).recipe.best_by == "loss"  # which trained all of these epochs
    with pytest.raises(UserError, match="--metric accuracy: it chooses epochs, and recipe tfidf-"):
        raise run_fit(reviews, "tfidf", tmp_path / "other", "--metric", "accuracy").exception


def test_a_train_size_holds_for_both_rounds(reviews) -> None:
    data = load_dataset(reviews)
    kept = fit_to_keep(Recipe(model="tfidf", train_size=20), data)
    words = kept.classifier.predictor.details()["counts"]["only"]["terms"]
    assert sum(word.isdigit() for word in words) <= 20


@pytest.mark.usefixtures("verified_here")
def test_a_costly_false_positive_moves_the_threshold(reviews, recipe_file, tmp_path) -> None:
    out = tmp_path / "mine"
    assert run_fit(reviews, recipe_file(model="tfidf"), out, "--cost-false-positive", "5").exit_code == 0
    report, classifier = read_report(out), TextClassifier.load(out)
    assert report.costs is not None
    assert report.costs.threshold == pytest.approx(5 / 6)
    probabilities = np.array([[0.2, 0.8], [0.1, 0.9], [0.6, 0.4]])
    assert classifier.decide(probabilities).tolist() == [0, 1, 0]
    (_, false_positives), (missed, _) = report.test.confusion
    assert report.costs.test_cost == 5 * false_positives + missed


def test_a_threshold_needs_two_classes_and_a_known_one() -> None:
    assert threshold_for_cost(1, None, ("a", "b")).at == 0.5
    assert threshold_for_cost(3, "a", ("a", "b")).positive == "a"
    with pytest.raises(UserError, match="3 classes, a threshold needs two"):
        threshold_for_cost(5, None, ("a", "b", "c"))
    with pytest.raises(UserError, match="did you mean spam"):
        threshold_for_cost(5, "spma", ("ham", "spam"))


def test_abstaining_counts_what_is_left_and_right() -> None:
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.45, 0.55]])
    found = abstaining(probabilities, probabilities.argmax(axis=1), np.array([0, 1, 1, 0]))
    assert found.at(0.0) == (4, 2)
    assert found.at(0.6) == (3, 2)
    assert found.at(0.8) == (2, 2)
    assert found.at(1.0) == (0, 0)


@pytest.mark.usefixtures("verified_here")
def test_a_folder_that_answers_otherwise_is_not_left_behind(reviews, tmp_path, monkeypatch) -> None:
    data = load_dataset(reviews)
    fitted = fit_to_keep(Recipe(model="tfidf"), data)

    def other(folder: Path, texts: list[str], expected: np.ndarray, device: str) -> int:
        return verify_folder(folder, texts, expected[:, ::-1], device)

    monkeypatch.setattr(folder_module, "verify_folder", other)
    with pytest.raises(UserError, match="answers otherwise after loading: only"):
        write_folder(tmp_path / "mine", fitted, data, 0, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("verified_here")
def test_a_folder_that_lost_its_temperature_is_noticed(reviews, tmp_path) -> None:
    fitted = fit_to_keep(Recipe(model="tfidf"), load_dataset(reviews))
    assert fitted.classifier.temperature != 1
    texts = ["win now", "see you"]
    replace(fitted.classifier, temperature=1.0).save(tmp_path / "mine")
    with pytest.raises(UserError, match="answers otherwise"):
        verify_folder(tmp_path / "mine", texts, fitted.classifier.predict_proba(texts), "cpu")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--cost-false-positive", "5", "--positive", "eggs"], "is not a label"),
        (["--positive", "spam"], "needs --cost-false-positive"),
        (["--text-column", "txt"], "no column 'txt'"),
    ],
)
def test_bad_input_ends_before_training(reviews, tmp_path, more, message) -> None:
    done = run_fit(reviews, "tfidf", tmp_path / "mine", *more)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)
    assert not (tmp_path / "mine").exists()


def test_what_is_there_is_not_replaced(reviews, tmp_path) -> None:
    with pytest.raises(UserError, match="exists: remove it"):
        raise run_fit(reviews, "tfidf", tmp_path).exception or AssertionError


def test_a_model_that_diverges_is_refused_in_one_line(reviews, checkpoint) -> None:
    with pytest.raises(UserError, match="lower lr in the recipe"):
        fit_to_keep(Recipe(model=str(checkpoint), train="all", lr=1e30), load_dataset(reviews), device="cpu")


@pytest.mark.usefixtures("verified_here")
def test_more_than_two_classes(tmp_path) -> None:
    texts = [f"{word} {i}" for i in range(20) for word in ("red", "green", "blue")]
    data = Dataset.from_texts(texts, ["r", "g", "b"] * 20)
    written = write_folder(tmp_path / "mine", fit_to_keep(Recipe(model="tfidf"), data), data, 0, None)
    assert written.report.test.accuracy == 1
    assert "it stays 1" in " ".join(written.report.notes)
    assert json.loads((tmp_path / "mine" / "classifier.json").read_text())["temperature"] == 1


def test_a_model_no_better_than_chance_keeps_temperature_1_and_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(folder_module, "verify_folder", lambda _folder, texts, *_: len(texts))
    rng = np.random.default_rng(4)
    texts = [f"{' '.join(rng.choice(list('abcdef'), 3))} {i}" for i in range(200)]
    data = Dataset.from_texts(texts, ["x" if value < 0.5 else "y" for value in rng.random(200)])
    against = replace(data, validation=Split(data.train.texts[:40], 1 - data.train.labels[:40]))
    fitted = fit_to_keep(Recipe(model="tfidf"), against)
    report = write_folder(tmp_path / "mine", fitted, against, 0, None).report
    assert fitted.classifier.temperature == report.calibration.temperature == 1
    assert "better than chance" in " ".join(report.notes)
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "Temperature: 1, which is not fitted" in card
    assert "better than chance" in card


def test_a_classifier_that_is_worth_no_more_than_a_constant_is_said_to_be(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(folder_module, "verify_folder", lambda _folder, texts, *_: len(texts))
    path, out = tmp_path / "same.csv", tmp_path / "mine"
    path.write_text("text,label\n" + "".join(f"same words {i},{'ab'[i % 4 == 0]}\n" for i in range(80)))
    done = run_fit(path, "tfidf", out)
    report = read_report(out)
    assert report.test.correct <= report.largest_class[1]
    assert "warning: the classifier is no better than its largest class" in done.stderr
    assert "always answering 'a' is right on" in (out / "README.md").read_text().split("## Notes")[1]


def test_what_fitting_remarks_is_shown(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(folder_module, "verify_folder", lambda _folder, texts, *_: len(texts))
    path = tmp_path / "easy.csv"
    path.write_text("text,label\n" + "".join(f"{('red', 'blue')[i % 2]} {i},{i % 2}\n" for i in range(80)))
    done = run_fit(path, "tfidf", tmp_path / "mine")
    assert "note: every validation text is answered right" in done.stderr


def test_recipes_are_listed() -> None:
    assert "nano" in CliRunner().invoke(app, ["recipes"]).output


def test_both_rounds_are_on_one_frozen_part(reviews, checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(*args: object) -> Trunk:
        made.append(args)
        return compute_trunk(*args)

    monkeypatch.setattr(trunk_cache, "compute_trunk", counted)
    recipe = Recipe(model=str(checkpoint), train="last_block", position="last_real", context=16, epochs=1)
    fit_to_keep(recipe, load_dataset(reviews), seed=0)
    assert len(made) == 1
