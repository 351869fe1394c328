"""What is exported runs under onnxruntime with the same answers, by a script that needs nothing else."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gptcore import TextClassifier, load_dataset
from gptcore.classifier import Threshold
from gptcore.cli import app
from gptcore.errors import UserError
from gptcore.export.agreement import check_printed
from gptcore.export.export import export
from gptcore.export.onnx import write
from gptcore.export.script import printed, probabilities
from gptcore.product.answers import answer

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

TEXTS = [
    "win a free prize",
    "see you at home",
    "now " * 40,
    "caf\u00e9 \U0001f600 don't",
    "",
    "x",
    "\ud800 <s>",
]
LINES = [
    *TEXTS[:4],
    *("win a prize " + str(i) for i in range(9)),
    "",
    " \u200b",
    "see\u2028you",
    "now\x85 win\x0cfree",
    "last",
]
# In another process, where everything that is not named is missing
RUN = """
import sys
for name in ("torch", "transformers", "gptcore", "onnx", "sklearn", {missing!r}):
    sys.modules[name] = None
sys.argv = ["predict.py", *sys.argv[1:]]
exec(compile(open({script!r}).read(), {script!r}, "exec"), {{"__name__": "__main__", "__file__": {script!r}}})
"""


def check(folder: Path, file: Path, out: Path) -> TextClassifier:
    """Export, and compare the answers to texts that the export was not compared on."""
    n = len(load_dataset(file).test)
    assert export(folder, load_dataset(file), "onnx", out) == n
    classifier = TextClassifier.load(folder)
    found = probabilities(out, TEXTS)
    np.testing.assert_allclose(found, classifier.predict_proba(TEXTS), atol=1e-5)
    return classifier


def script_labels(folder: Path, missing: str, *texts: str) -> list[str]:
    """What the script prints for these texts."""
    code = RUN.format(missing=missing, script=str(folder / "predict.py"))
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    asked = [sys.executable, "-c", code, *texts]
    done = subprocess.run(asked, env=env, capture_output=True, text=True, check=True, cwd=folder)
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def test_the_script_answers_with_onnxruntime_and_tiktoken_alone(kept, file, tmp_path) -> None:
    folder, out = kept(cost=5.0, position="mean_real"), tmp_path / "onnx"
    command = ["export", str(folder), "--data", str(file), "--to", "onnx", "--out", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "verified: 24 of 24 predictions equal" in done.output
    classifier = TextClassifier.load(folder)
    moved = shutil.copytree(out, tmp_path / "elsewhere")
    np.testing.assert_allclose(probabilities(moved, TEXTS), classifier.predict_proba(TEXTS), atol=1e-5)
    texts = load_dataset(file).test.texts[:6]
    assert script_labels(moved, "tokenizers", *texts) == classifier.predict(texts)
    # So low that "spam" is answered where "ham" is more probable
    strict, low = replace(classifier, threshold=Threshold(positive="spam", at=1e-4)), tmp_path / "low"
    assert replace(classifier, threshold=None).predict(LINES) != strict.predict(LINES)
    write(strict, low)
    check_printed(answer(strict, LINES), printed(low, LINES), LINES)
    for right, wrong in (
        ("of_labels[label]:.4f", "of_labels.max():.4f"),
        ("for line in sys.stdin)", "for line in sys.stdin.read().splitlines())"),
        ("if all(c.isspace()", "if not each or all(c == 0"),
        ("answer(each)", "(lambda at, p: (p.argmax(), p))(*answer(each))"),
    ):
        assert answers_otherwise(strict, low, right, wrong)


def answers_otherwise(classifier: TextClassifier, folder: Path, right: str, wrong: str) -> bool:
    """Whether a script with this change is noticed."""
    script = (folder / "predict.py").read_text()
    assert right in script
    (folder / "predict.py").write_text(script.replace(right, wrong))
    try:
        check_printed(answer(classifier, LINES), printed(folder, LINES), LINES)
    except UserError:
        return True
    finally:
        (folder / "predict.py").write_text(script)
    return False


def check_any_size(folder: Path) -> None:
    """A text has the same logits in a batch of any size and at any width, whatever stands beside and behind it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    widest = json.loads((folder / "classifier.json").read_text())["length"]
    n = widest - 2
    ids = np.arange(3, 3 + n, dtype=np.int64)
    alone = session.run(None, {"input_ids": ids[None], "lengths": np.array([n])})[0]
    for rows, width in ((1, n), (5, n), (1, widest), (7, n + 1), (2, widest)):
        wide = np.full((rows, width), 7, dtype=np.int64)
        wide[-1, :n] = ids
        found = session.run(None, {"input_ids": wide, "lengths": np.array([width] * (rows - 1) + [n])})[0]
        assert found.shape == (rows, 2)
        np.testing.assert_allclose(found[-1:], alone, atol=1e-5)
    shorter = session.run(None, {"input_ids": ids[None, :1], "lengths": np.array([1])})[0]
    assert np.abs(shorter - alone).max() > 1e-4  # what a text says does change them


def test_any_batch_and_length_give_the_same_answer(kept, file, tmp_path) -> None:
    check(kept(train="last_block"), file, tmp_path / "onnx")
    check_any_size(tmp_path / "onnx")


@pytest.mark.slow
def test_any_batch_and_length_of_another_architecture(kept, checkpoint, file, tmp_path) -> None:
    folder = kept(model=str(checkpoint("llama", around=True)), attention="native", train="last_block")
    classifier = check(folder, file, tmp_path / "onnx")
    texts = load_dataset(file).test.texts[:3]
    assert script_labels(tmp_path / "onnx", "tiktoken", *texts) == classifier.predict(texts)
    check_any_size(tmp_path / "onnx")


SEEN_LEFT = {"padding": "left", "position": "mean", "context": 12}


@pytest.mark.parametrize(
    "choices",
    [
        *(
            pytest.param(choices, marks=pytest.mark.slow)
            for choices in (
                {"train": "features", **SEEN_LEFT},
                {"train": {"method": "prompt", "n": 3}},
                {"position": "last", "attend_padding": False, "context": 12},
                {"position": "last"},
                {"position": "first", "attention": "bidirectional", "attend_padding": False},
                {"position": "last", "padding": "none"},
                {"train": "dora"},
                {"train": "vera"},
                {"train": {"method": "prefix", "n": 3}},
                {"attention": "bidirectional_upper_half", "attend_padding": False},
            )
        ),
    ],
    ids=str,
)
def test_every_kind_of_row_is_in_the_graph(kept, file, tmp_path, choices) -> None:
    check(kept(**choices), file, tmp_path / "onnx")
    check_any_size(tmp_path / "onnx")


@pytest.mark.parametrize("train", ["last_layer", pytest.param("features", marks=pytest.mark.slow)])
def test_a_hidden_layer_in_the_head(kept, checkpoint, file, tmp_path, train) -> None:
    model = {"model": str(checkpoint("bert", around=True)), "attention": "native", "attend_padding": False}
    check(kept(**model, train=train, head="mlp", position="mean_real"), file, tmp_path / "onnx")


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", ["gemma3_text", "qwen3", "bert", "roberta", "distilbert", "modernbert", "albert", "bloom"]
)
@pytest.mark.parametrize("train", ["last_layer", "features"])
def test_other_architectures(kept, checkpoint, file, tmp_path, family, train) -> None:
    folder = kept(
        model=str(checkpoint(family, around=True)), attention="native", attend_padding=False, train=train
    )
    check(folder, file, tmp_path / "onnx")


def test_tfidf_is_refused(kept, file, tmp_path) -> None:
    with pytest.raises(UserError, match="it has no network, as TF-IDF counts words: use --to numpy"):
        export(kept(model="tfidf"), load_dataset(file), "onnx", tmp_path / "onnx")
    assert not [path for path in tmp_path.iterdir() if "onnx" in path.name]
