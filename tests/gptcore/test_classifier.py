"""What a person takes home: it answers as the fit did, and comes back from its folder to the bit, in a new process."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from typer.testing import CliRunner

from gptcore import Dataset, Engine, Fit, Recipe, TextClassifier, fit
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.weights import random_gpt, save_gpt
from gptcore.cli import app, main
from gptcore.data.datasets import Split
from gptcore.errors import UserError

CONFIG = ModelConfig(d_model=8, n_layer=3, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
WORDS = [["win", "prize", "now", "free", "call"], ["see", "you", "at", "home", "now"]]
NEW = ["win a free prize", "see you at home", "", "now " * 30, "see \U0001f600 unknown"]
CHOICES = [
    {"train": "last_layer"},
    {"train": "last_block", "position": "last_real"},
    {"train": {"method": "top_blocks", "k": 3}, "padding": "left", "attend_padding": False},
    {"train": "all", "position": "mean_real", "attention": "bidirectional", "attend_padding": False},
    {"train": "lora", "lora_rank": 2, "padding": "none"},
    {"train": "lora", "lora_rank": 2, "lora_dropout": 0.2, "attend_padding": False, "context": 9},
    {"train": "last_layer", "head": "mlp"},
    {"train": "lora", "lora_rank": 2, "head": "mlp", "position": "mean"},
    {"train": "features", "position": "first"},
    {"train": "features", "head": "mlp", "position": "last_real", "class_weight": "balanced"},
    {"train": "features", "padding": "none", "position": "mean"},
    {"model": "tfidf"},
    {"model": "tfidf", "ngrams": "auto"},
]


def make_split(n: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    texts = tuple(" ".join(rng.choice(WORDS[label], size=rng.integers(1, 7))) for label in labels)
    return Split(texts, labels)


DATA = Dataset(
    *("toy", make_split(24, 0), make_split(8, 1), make_split(8, 2), ("spam", "ham"), "", ""),
    split_seed=0,
    duplicates=0,
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    save_gpt(random_gpt(CONFIG, 3), folder)
    return folder


@pytest.fixture
def fitted(checkpoint: Path) -> Iterator[object]:
    def make(engine: str = "fast", **choices: object) -> Fit:
        values = {"model": str(checkpoint), "epochs": 2, "lr": 1e-2}
        return fit(Recipe(**values | choices), DATA, 1, Engine(engine), "cpu")

    return make


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_it_answers_as_the_fit_did_and_comes_back_to_the_bit(fitted, tmp_path, choices) -> None:
    for engine in ("fast", "plain"):
        found = fitted(engine, **choices)
        classifier = found.classifier
        assert isinstance(classifier, TextClassifier)
        np.testing.assert_allclose(
            classifier.predict_proba(DATA.test.texts), found.test.probabilities, rtol=1e-4, atol=1e-6
        )
        assert classifier.predict(DATA.test.texts) == [DATA.label_names[i] for i in found.test.predicted]
        classifier.save(tmp_path / engine)
        back = TextClassifier.load(tmp_path / engine)
        assert (back.recipe, back.labels, back.base) == (found.recipe, DATA.label_names, classifier.base)
        assert np.array_equal(back.predict_proba(NEW), classifier.predict_proba(NEW))
        assert {p.name for p in (tmp_path / engine).iterdir()} == {
            "classifier.json",
            "classifier.safetensors",
        }


def test_a_new_process_gives_the_same_bits(fitted, tmp_path) -> None:
    expected = {}
    for i in (1, 4, 8, 11):
        classifier = fitted(**CHOICES[i]).classifier
        classifier.save(tmp_path / str(i))
        expected[str(i)] = classifier.predict_proba(NEW).tolist()
    code = (
        "import sys, json, pathlib, torch; torch.set_num_threads(1); from gptcore import TextClassifier\n"
        "texts = json.loads(sys.argv[2])\n"
        "found = {f.name: TextClassifier.load(f).predict_proba(texts) for f in pathlib.Path(sys.argv[1]).iterdir()}\n"
        "print(json.dumps({name: rows.tolist() for name, rows in found.items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), json.dumps(NEW)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == expected


def test_random_weights_come_back_from_their_seed(fitted, tmp_path) -> None:
    classifier = fitted(weights="random", train="last_block").classifier
    classifier.save(tmp_path)
    assert np.array_equal(TextClassifier.load(tmp_path).predict_proba(NEW), classifier.predict_proba(NEW))


def test_only_what_learned_is_kept(fitted, tmp_path) -> None:
    fitted(train="last_block").classifier.save(tmp_path)
    kept = load_file(tmp_path / "classifier.safetensors")
    assert {name.split(".")[0] for name in kept} == {"backbone", "head"}
    assert {name.split(".")[2] for name in kept if ".h." in name} == {"2"}


def test_no_texts_have_no_answers_and_one_text_is_not_its_letters(fitted) -> None:
    for choices in ({"train": "last_layer"}, {"train": "features"}, {"model": "tfidf"}):
        classifier = fitted(**choices).classifier
        assert classifier.predict([]) == []
        assert classifier.predict_proba([]).shape == (0, 2)
    with pytest.raises(TypeError, match="list of texts"):
        classifier.predict("win")


def test_many_texts_are_answered_as_few_are(fitted, monkeypatch) -> None:
    from gptcore.training import predictors

    classifier = fitted(train="last_block").classifier
    whole = classifier.predict_proba(DATA.train.texts)
    monkeypatch.setattr(predictors, "AT_A_TIME", 5)
    np.testing.assert_allclose(classifier.predict_proba(DATA.train.texts), whole, rtol=1e-5)


def test_another_base_is_refused(fitted, tmp_path) -> None:
    base = tmp_path / "base"
    save_gpt(random_gpt(CONFIG, 3), base)
    fitted(model=str(base), train="last_block").classifier.save(tmp_path / "kept")
    save_gpt(random_gpt(CONFIG, 4), base)
    with pytest.raises(
        UserError, match=r"weights of .*base are not those that the classifier was trained on"
    ):
        TextClassifier.load(tmp_path / "kept")


def test_another_shape_with_the_same_weights_is_refused(fitted, tmp_path) -> None:
    base = tmp_path / "base"
    save_gpt(random_gpt(CONFIG, 3), base)
    fitted(model=str(base), train="last_block").classifier.save(tmp_path / "kept")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"n_head": 4}))
    with pytest.raises(UserError, match=r"n_head of .*base is 4; the classifier was trained with 2"):
        TextClassifier.load(tmp_path / "kept")


def test_where_all_weights_learned_the_base_is_not_needed(fitted, tmp_path) -> None:
    base, kept = tmp_path / "base", tmp_path / "kept"
    save_gpt(random_gpt(CONFIG, 3), base)
    classifier = fitted(model=str(base), train="all").classifier
    classifier.save(kept)
    shutil.rmtree(base)
    again = TextClassifier.load(kept)
    assert np.array_equal(again.predict_proba(NEW), classifier.predict_proba(NEW))


@pytest.mark.parametrize(
    ("lose", "said"),
    [
        (shutil.rmtree, ".*base"),
        (lambda base: os.truncate(base / "model.safetensors", 100), r".*model\.safetensors"),
    ],
    ids=["gone", "truncated"],
)
def test_a_base_that_cannot_be_loaded_is_named_with_its_digest(fitted, tmp_path, lose, said) -> None:
    base, kept = tmp_path / "base", tmp_path / "kept"
    save_gpt(random_gpt(CONFIG, 3), base)
    classifier = fitted(model=str(base), train="last_block").classifier
    classifier.save(kept)
    lose(base)
    digest = classifier.base.fingerprint[:12]
    named = rf"the base model .*base \(weights of SHA-256 {digest}\.\.\.\) could not be loaded: {said}"
    with pytest.raises(UserError, match=named):
        TextClassifier.load(kept)


def byte_level_base(folder: Path, older: bool) -> Path:
    """A GPT-2 with tokenizer.json, or vocab.json and merges.txt; only config.json names a token for padding."""
    save_gpt(random_gpt(CONFIG.model_copy(update={"vocab_size": 300}), 3), folder)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([word for words in WORDS for word in words], trainer)
    if older:
        tokenizer.model.save(str(folder))
    else:
        tokenizer.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": 0}))
    return folder


@pytest.mark.parametrize("older", [False, True])
def test_a_pad_that_only_the_config_names_is_kept(fitted, tmp_path, older) -> None:
    base = byte_level_base(tmp_path / "base", older)
    classifier = fitted(model=str(base), train="all").classifier
    classifier.save(tmp_path / "kept")
    shutil.rmtree(base)
    again = TextClassifier.load(tmp_path / "kept")
    assert np.array_equal(again.predict_proba(NEW), classifier.predict_proba(NEW))
    again.save(tmp_path / "kept")  # whose tokenizer is read from there
    assert np.array_equal(
        TextClassifier.load(tmp_path / "kept").predict_proba(NEW), classifier.predict_proba(NEW)
    )


def test_a_classifier_takes_the_place_of_another_with_all_its_files(fitted, tmp_path) -> None:
    kept, own = tmp_path / "kept", {"classifier.json", "classifier.safetensors"}
    new, old = (byte_level_base(tmp_path / str(older), older) for older in (False, True))
    for choices, files in (
        ({"model": str(new)}, {"tokenizer.json", "config.json"}),
        ({"model": str(old)}, {"vocab.json", "merges.txt", "config.json"}),
        ({"model": str(new)}, {"tokenizer.json", "config.json"}),
        ({"model": "tfidf"}, set()),
    ):
        classifier = fitted(**choices).classifier
        classifier.save(kept)
        assert {path.name for path in kept.iterdir()} == own | files
        assert np.array_equal(TextClassifier.load(kept).predict_proba(NEW), classifier.predict_proba(NEW))


@pytest.mark.parametrize("choices", [{"train": "last_layer"}, {"model": "tfidf"}], ids=str)
def test_files_of_something_else_are_left_alone(fitted, tmp_path, choices) -> None:
    classifier = fitted(**choices).classifier
    (tmp_path / "config.json").write_text("mine")
    with pytest.raises(UserError, match=r"has a config.json that is not a classifier's: save .* of its own"):
        classifier.save(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"config.json": "mine"}


def full_disk(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """A disk that is full once the file of that name is written."""
    write = Path.write_bytes

    def write_bytes(path: Path, content: bytes) -> int:
        if path.name == at:
            write(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


@pytest.mark.parametrize("at", ["classifier.safetensors", "tokenizer.json", "classifier.json"])
def test_a_full_disk_leaves_what_was_there(fitted, tmp_path, monkeypatch, at) -> None:
    kept = tmp_path / "new" / "kept"
    classifier = fitted(model=str(byte_level_base(tmp_path / "base", older=False))).classifier
    with monkeypatch.context() as patch:
        full_disk(patch, at)
        with pytest.raises(
            UserError, match=r"cannot write \S+kept \(No space left on device\): make room"
        ) as caught:
            classifier.save(kept)
    assert "\n" not in str(caught.value)
    assert not kept.exists()
    classifier.save(kept)
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    other = fitted(model=str(byte_level_base(tmp_path / "other", older=False)), train="last_block").classifier
    with monkeypatch.context() as patch:
        full_disk(patch, at)
        with pytest.raises(UserError, match="No space left"):
            other.save(kept)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_named(fitted, tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "kept", tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match=r"cannot write .*file|longer than the file system allows"):
            fitted(model="tfidf").classifier.save(place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def damaged(folder: Path, **changes: object) -> None:
    path = folder / "classifier.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "classifier.json").unlink(), "does not hold a classifier"),
        (lambda f: (f / "classifier.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "classifier.json").write_text("[]"), "has format None"),
        (lambda f: damaged(f, format=99), "has format 99, this version reads 1"),
        (lambda f: damaged(f, labels=["only"]), r"head.* is \(2,.*expected \(1,"),
        (lambda f: damaged(f, details={}), "do not fit each other"),
        (lambda f: damaged(f, more=1), "unknown field 'more'"),
        (lambda f: (f / "classifier.safetensors").unlink(), "cannot be read"),
        (lambda f: (f / "classifier.safetensors").write_bytes(b"cut"), "cannot be read"),
        (
            lambda f: save_file({"head.bias": torch.zeros(2)}, f / "classifier.safetensors"),
            "do not have the same parameters",
        ),
    ],
)
def test_damaged_files_are_refused_in_one_line(fitted, tmp_path, damage, message) -> None:
    fitted(train="last_layer").classifier.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        TextClassifier.load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_line_classifies(fitted, tmp_path) -> None:
    classifier = fitted(train="last_block").classifier
    classifier.save(tmp_path)
    expected = classifier.predict(NEW[:2])
    texts, lines = (
        CliRunner().invoke(app, ["predict", str(tmp_path), *NEW[:2]]),
        CliRunner().invoke(app, ["predict", str(tmp_path)], input="\n".join(NEW[:2]) + "\n"),
    )
    assert texts.output == lines.output
    assert [line.split("\t")[0] for line in texts.output.splitlines()] == expected


def test_the_command_line_says_what_is_wrong(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["gptcore", "predict", str(tmp_path), "text"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path} does not hold a classifier")
