"""TF-IDF is exported as a script that counts as scikit-learn does, and needs numpy alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from typer.testing import CliRunner

from gptcore import Dataset, Recipe, TextClassifier, load_dataset
from gptcore.classifier import Threshold
from gptcore.cli import app
from gptcore.errors import UserError
from gptcore.export.agreement import check_printed
from gptcore.export.export import export
from gptcore.export.numpy_script import write
from gptcore.export.script import printed, probabilities
from gptcore.product.answers import answer
from gptcore.product.fitting import fit_to_keep
from gptcore.training.logistic import LogisticFit, fit_tfidf
from gptcore.training.predictors import TfidfPredictor

ODD = [
    "",
    "a",
    "WIN a Prize!!",
    "caf\u00e9 \U0001f600 don't",
    "\u0130stanbul",
    "a\u00a0b\tc\n d",
    "x_1 \ud800",
]
# In another process, where everything but numpy is missing
RUN = """
import sys
for name in ("torch", "sklearn", "scipy", "gptcore", "onnxruntime", "tiktoken"):
    sys.modules[name] = None
sys.argv = ["predict.py", "win a prize now"]
sys.path.insert(0, {folder!r})
exec(compile(open({script!r}).read(), {script!r}, "exec"), {{"__name__": "__main__", "__file__": {script!r}}})
"""


def test_a_file_becomes_a_script_that_needs_numpy_alone(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    runner, kept, out = CliRunner(), tmp_path / "kept", tmp_path / "script"
    done = runner.invoke(app, ["fit", str(file), "--recipe", "tfidf", "--out", str(kept)])
    assert done.exit_code == 0, done.output
    assert "export: --to numpy" in done.output
    assert "verifying: a new process opens the folder and answers 24 texts" in done.stderr.splitlines()
    done = runner.invoke(app, ["export", str(kept), "--to", "numpy", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "verified: 24 of 24 predictions equal, on the test texts of reviews.csv" in done.output
    steps = [line.split(":")[0] for line in done.stderr.splitlines()]
    assert steps == ["reading the data that it was fitted on", "loading", "answering", "writing", "verifying"]
    moved = shutil.move(out, tmp_path / "elsewhere")
    script = str(moved / "predict.py")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = RUN.format(folder=str(moved), script=script)
    shown = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert shown.stdout.split("\t")[0] == TextClassifier.load(kept).predict(["win a prize now"])[0]


def trained(texts: list[str], ngrams: str, n_labels: int = 2) -> LogisticFit:
    labels = np.arange(len(texts)) % n_labels
    return fit_tfidf(texts, labels, texts, labels, ngrams=ngrams)  # type: ignore[arg-type]


@pytest.mark.parametrize("ngrams", ["words", "auto"])
@pytest.mark.parametrize("n_labels", [2, 3])
def test_probabilities_are_the_same_for_any_text(tmp_path: Path, ngrams: str, n_labels: int) -> None:
    texts = [f"{['red', 'green', 'blue'][i % n_labels]} caf\u00e9 {i}!" for i in range(30)]
    labels = tuple("abc"[:n_labels])
    predictor = TfidfPredictor(trained(texts, ngrams, n_labels))
    classifier = TextClassifier(Recipe(model="tfidf"), labels, predictor, temperature=1.7)
    write(classifier, tmp_path / "out")
    np.testing.assert_allclose(
        probabilities(tmp_path / "out", [*texts, *ODD]), classifier.predict_proba([*texts, *ODD]), atol=1e-12
    )
    assert printed(tmp_path / "out", []) == []


def test_words_and_characters_together_and_nothing_to_count(tmp_path: Path) -> None:
    texts = [f"{('win', 'see')[i % 2]} it {i}" for i in range(30)]
    both = trained(texts, "auto")
    union = LogisticFit(both.pipeline, both.inverse_penalty)
    for name, predictor in (
        ("both", TfidfPredictor(_union(texts))),
        ("one", TfidfPredictor(union)),
        ("none", TfidfPredictor(trained(["  "] * 6, "words"))),
    ):
        classifier = TextClassifier(Recipe(model="tfidf"), ("a", "b"), predictor)
        write(classifier, tmp_path / name)
        found = probabilities(tmp_path / name, ODD)
        np.testing.assert_allclose(found, classifier.predict_proba(ODD), atol=1e-12)


def _union(texts: list[str]) -> LogisticFit:
    """Of words and of characters, whatever the validation loss says."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import FeatureUnion, make_pipeline

    parts = [
        ("words", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")),
        ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)),
    ]
    pipeline = make_pipeline(FeatureUnion(parts), LogisticRegression())
    return LogisticFit(pipeline.fit(texts, np.arange(len(texts)) % 2), 1.0)


def test_the_script_prints_what_predict_answers(tmp_path: Path) -> None:
    texts = [f"{('win', 'see')[i % 2]} it {i}" for i in range(30)]
    threshold = Threshold(positive="win\tit", at=0.9)
    classifier = TextClassifier(
        *(Recipe(model="tfidf"), ("see", "win\tit"), TfidfPredictor(trained(texts, "words"))),
        threshold=threshold,
    )
    write(classifier, tmp_path / "out")
    lines = [*texts, "", " \u200b", "win\x85it\x0cnow"]
    check_printed(answer(classifier, lines), printed(tmp_path / "out", lines), lines)


@given(text=st.text(max_size=40))
@settings(deadline=None, max_examples=200)
@pytest.mark.parametrize(
    "settings_",
    [
        {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w\w+\b"},
        {"analyzer": "word", "ngram_range": (2, 3), "token_pattern": r"\w+|[^\w\s]"},
        {"analyzer": "char_wb", "ngram_range": (1, 4), "token_pattern": "."},
        {"analyzer": "char_wb", "ngram_range": (4, 6), "token_pattern": "."},
    ],
    ids=str,
)
def test_terms_are_those_of_scikit_learn(settings_, text, terms) -> None:
    expected = TfidfVectorizer(**settings_).build_analyzer()(text)
    assert sorted(terms(text, settings_)) == sorted(expected)


@pytest.fixture(scope="module")
def terms(tmp_path_factory: pytest.TempPathFactory):
    """The script's own function, from a folder that counts one word."""
    import importlib.util

    folder = tmp_path_factory.mktemp("script")
    classifier = TextClassifier(
        Recipe(model="tfidf"), ("a", "b"), TfidfPredictor(trained(["aa x", "bb y"] * 4, "words"))
    )
    write(classifier, folder)
    spec = importlib.util.spec_from_file_location("exported_model", folder / "predict.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.terms


def test_a_network_is_refused(kept, file, tmp_path) -> None:
    with pytest.raises(UserError, match="it has a network, and the script counts words: use --to onnx"):
        export(kept(train="last_layer"), load_dataset(file), "numpy", tmp_path / "out")


def test_a_kept_one_with_a_threshold_is_exported(kept, file, tmp_path) -> None:
    folder = kept(model="tfidf", ngrams="auto", cost=5.0)
    assert export(folder, load_dataset(file), "numpy", tmp_path / "out") == 24
    about = json.loads((tmp_path / "out" / "classifier.json").read_text())
    assert about["threshold"]["positive"] == "spam"


def test_many_classes(tmp_path: Path) -> None:
    data = Dataset.from_texts([f"word{i % 12} {i}" for i in range(240)], [f"c{i % 12}" for i in range(240)])
    classifier = fit_to_keep(Recipe(model="tfidf"), data).classifier
    write(classifier, tmp_path / "out")
    np.testing.assert_allclose(
        probabilities(tmp_path / "out", data.test.texts),
        classifier.predict_proba(data.test.texts),
        atol=1e-12,
    )
