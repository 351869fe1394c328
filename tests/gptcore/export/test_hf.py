"""What is exported opens in transformers with the same answers; what it cannot express is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from typer.testing import CliRunner

from gptcore import TextClassifier, load_dataset
from gptcore.backbones.tokenizer_json import tokenizer_files
from gptcore.cli import app
from gptcore.data.tokenizer import load_tokenizer
from gptcore.errors import UserError
from gptcore.export import export as export_module
from gptcore.export.export import export

TEXTS = [
    "win a free prize",
    "see you at home",
    "now " * 40,
    "caf\u00e9 \U0001f600 don't",
    "  two  blanks\n\nlines 12345",
    "win <|endoftext|> now <|endoftext|>",
]


def at_temperature(temperature: float, folder: Path) -> Path:
    """A kept classifier with this temperature instead of its own."""
    about = json.loads((folder / "classifier.json").read_text())
    (folder / "classifier.json").write_text(json.dumps(about | {"temperature": temperature}))
    return folder


@pytest.mark.parametrize(
    "choices",
    [
        {"train": "all"},
        {"train": "last_block", "padding": "none", "position": "last"},
        {"train": "lora", "lora_rank": 2},
        {"train": "features"},
    ],
    ids=str,
)
def test_transformers_opens_it_with_the_same_answers(kept, file, tmp_path, choices) -> None:
    folder, out = at_temperature(1.7, kept(**choices)), tmp_path / "hf"
    done = CliRunner().invoke(app, ["export", str(folder), "--data", str(file), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "verified: 24 of 24 predictions equal" in done.output
    assert {path.stat().st_mode for path in out.iterdir()} == {file.stat().st_mode}
    classifier = TextClassifier.load(folder)
    assert classifier.temperature == 1.7
    expected = np.log(classifier.predict_proba(TEXTS))
    tokenizer = AutoTokenizer.from_pretrained(out)
    model = AutoModelForSequenceClassification.from_pretrained(out).eval()
    rows = tokenizer(TEXTS, return_tensors="pt", padding=True, truncation=True)
    with torch.no_grad():
        logits = model(rows["input_ids"], attention_mask=rows["attention_mask"]).logits
    np.testing.assert_allclose(logits.log_softmax(dim=1).numpy(), expected, atol=1e-5)
    assert model.config.id2label == {0: "ham", 1: "spam"}
    answers = pipeline("text-classification", model=model, tokenizer=tokenizer)(
        TEXTS, truncation=True, batch_size=2
    )
    assert [answer["label"] for answer in answers] == classifier.predict(TEXTS)


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"model": "tfidf"}, "it has no network"),
        ({"position": "mean_real"}, "position = 'mean_real'"),
        ({"position": "last"}, "position = 'last' of rows with padding = 'right'"),
        ({"position": "last", "attend_padding": False}, "position = 'last'"),
        ({"train": {"method": "prompt", "n": 2}}, "puts vectors before a text"),
        ({"attention": "bidirectional", "attend_padding": False}, "bidirectional"),
        ({"position": "last_real", "head": "mlp"}, "head = 'mlp' has a hidden layer"),
        ({"cost": 5.0}, "always answers the most probable label"),
    ],
    ids=str,
)
def test_what_cannot_be_expressed_is_refused_with_the_reason(kept, file, tmp_path, choices, reason) -> None:
    folder = kept(**choices)
    with pytest.raises(UserError, match=reason):
        export(folder, load_dataset(file), "hf", tmp_path / "hf")
    assert not [path for path in tmp_path.iterdir() if "hf" in path.name]


@pytest.mark.parametrize(
    ("family", "around"),
    [
        ("opt", False),
        ("gemma3_text", True),
        *(
            pytest.param(f, True, marks=pytest.mark.slow)
            for f in ("gpt_neox", "bloom", "llama", "qwen3", "phi3")
        ),
    ],
)
def test_other_decoders(kept, checkpoint, file, tmp_path, family, around) -> None:
    choices = {"model": str(checkpoint(family, around)), "attention": "native", "train": "last_block"}
    folder = kept(**choices, head="linear" if family in ("gpt_neox", "opt", "bloom") else "no_bias")
    assert export(folder, load_dataset(file), "hf", tmp_path / "hf") == 24


def test_a_bias_that_has_no_place_is_refused_with_the_remedy(kept, checkpoint, file, tmp_path) -> None:
    folder = kept(model=str(checkpoint("llama")), attention="native", train="last_layer")
    with pytest.raises(UserError, match="fit a network with head = 'no_bias'"):
        export(folder, load_dataset(file), "hf", tmp_path / "hf")


ENCODER = {"attention": "native", "attend_padding": False, "position": "first", "head": "mlp"}


@pytest.mark.parametrize(
    ("family", "train"),
    [
        ("bert", "last_layer"),
        ("distilbert", {"method": "lora", "rank": 2, "targets": ["q_lin", "v_lin"]}),
        ("roberta", "last_block"),
        *(
            pytest.param(family, "last_layer", marks=pytest.mark.slow)
            for family in ("xlm-roberta", "electra", "deberta-v2", "albert")
        ),
    ],
)
def test_encoders_with_the_head_of_their_class(kept, checkpoint, file, tmp_path, family, train) -> None:
    folder = at_temperature(1.7, kept(model=str(checkpoint(family, True)), train=train, **ENCODER))
    assert export(folder, load_dataset(file), "hf", tmp_path / "hf") == 24
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "hf").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hf")
    rows = tokenizer(TEXTS, return_tensors="pt", padding=True, truncation=True)
    with torch.no_grad():
        logits = model(rows["input_ids"], attention_mask=rows["attention_mask"]).logits
    expected = np.log(TextClassifier.load(folder).predict_proba(TEXTS))
    np.testing.assert_allclose(logits.log_softmax(dim=1).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "changes", "reason"),
    [
        (
            "bert",
            {"head": "linear"},
            "its head is one matrix, and that of bert .* a hidden layer of 16 with tanh",
        ),
        ("bert", {"train": "features"}, "a hidden layer of 100 with relu, and that of bert"),
        ("bert", {"position": "mean_real"}, "its head reads position = 'mean_real' of rows"),
        ("bert", {"attend_padding": True}, "attend_padding = true; the one of transformers reads the first"),
        ("bert", {"attention": "causal", "position": "last_real"}, "its attention is causal"),
        ("modernbert", {}, "the head of modernbert in transformers has more than two layers: use --to onnx"),
    ],
)
def test_encoders_with_another_head_are_refused(
    kept, checkpoint, file, tmp_path, family, changes, reason
) -> None:
    choices = {"train": "last_layer"} | ENCODER | changes
    folder = kept(model=str(checkpoint(family, True)), **choices)
    with pytest.raises(UserError, match=reason):
        export(folder, load_dataset(file), "hf", tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_a_folder_that_exists_is_refused_before_any_data_are_read(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "none", "--data", "none.csv", "--out", str(tmp_path)])
    assert "exists" in str(done.exception)


def test_a_disagreement_leaves_nothing(kept, file, tmp_path, monkeypatch) -> None:
    folder, made = kept(train="last_layer"), export_module.FORMATS["hf"]
    swapped = replace(made, probabilities=lambda *a: made.probabilities(*a)[:, ::-1])
    monkeypatch.setitem(export_module.FORMATS, "hf", swapped)
    with pytest.raises(UserError, match=r"the export agrees on .* test texts only"):
        export(folder, load_dataset(file), "hf", tmp_path / "hf")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "kept"}


def test_other_data_is_refused(kept, file, tmp_path) -> None:
    with pytest.raises(UserError, match="is not the data that"):
        export(kept(train="last_layer"), load_dataset(file, split_seed=5), "hf", tmp_path / "hf")


def test_what_a_temperature_hides_is_noticed(kept, file, tmp_path, monkeypatch) -> None:
    folder, made = at_temperature(20_000.0, kept(train="last_layer")), export_module.FORMATS["hf"]
    export(folder, load_dataset(file), "hf", tmp_path / "right")

    def other(*asked: object) -> np.ndarray:
        """Logits off by 1 percent of them, which are 1e-7 of a probability."""
        powered = made.probabilities(*asked) ** 1.01
        return powered / powered.sum(axis=1, keepdims=True)

    monkeypatch.setitem(export_module.FORMATS, "hf", replace(made, probabilities=other))
    with pytest.raises(UserError, match="of a logit before the temperature"):
        export(folder, load_dataset(file), "hf", tmp_path / "hf")


def test_a_tokenizer_that_reads_special_tokens_is_noticed(kept, file, tmp_path, monkeypatch) -> None:
    folder, made = kept(train="last_layer"), export_module.FORMATS["hf"]

    def write(classifier: TextClassifier, out: Path) -> None:
        made.write(classifier, out)
        path = out / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"split_special_tokens": False}))

    monkeypatch.setitem(export_module.FORMATS, "hf", replace(made, write=write))
    with pytest.raises(UserError, match=r"first not on 'a <\|endoftext\|> b'"):
        export(folder, load_dataset(file), "hf", tmp_path / "hf")


def test_the_tokenizer_gives_the_same_ids_for_any_text(tmp_path) -> None:
    ours = load_tokenizer("embedded")
    for name, content in tokenizer_files(ours, 99).items():
        (tmp_path / name).write_text(content)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    alphabet = list("abcdefghijklmnopqrstuvwxyz   \n\t'.,!?0123456789ABC\u00e9\u4e2d\U0001f600\u00a0\u2028")
    texts = ["".join(rng.choice(alphabet, size=rng.integers(1, 80))) for _ in range(500)]
    texts += TEXTS
    assert [theirs(text)["input_ids"] for text in texts] == ours.encode_batch(texts)
    assert theirs.pad_token_id == ours.pad_id
    assert theirs.model_max_length == 99
