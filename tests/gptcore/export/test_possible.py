"""What a recipe can be exported as is known before it is trained, and is what `export` then does."""

import sys

import pytest

from gptcore import Recipe, TextClassifier
from gptcore.export.possible import export_formats, formats_of_recipe

GPT = {"position": "last_real"}
ENCODER = {"attention": "native", "attend_padding": False, "position": "first"}


@pytest.mark.parametrize(
    ("family", "choices", "formats"),
    [
        (None, {"model": "tfidf"}, ["numpy"]),
        (None, {"train": "lora", **GPT}, ["hf", "peft", "onnx", "gguf"]),
        (None, {"train": "all", **GPT}, ["hf", "onnx", "gguf"]),
        (None, {"train": "features", **GPT}, ["hf", "onnx", "gguf"]),
        (None, {"train": "features", "head": "mlp", **GPT}, ["onnx"]),
        (None, {"position": "mean"}, ["onnx"]),
        ("bert", ENCODER, ["onnx", "gguf"]),
        ("bert", {"head": "mlp", **ENCODER}, ["hf", "onnx"]),
    ],
    ids=str,
)
def test_the_formats_of_a_recipe_are_those_of_its_classifier(
    kept, checkpoint, tmp_path, family, choices, formats
) -> None:
    values = choices if family is None else {"model": str(checkpoint(family, True)), **choices}
    classifier = TextClassifier.load(kept(**values))
    assert export_formats(classifier) == formats
    values = {"model": str(tmp_path / "checkpoint")} | values
    assert formats_of_recipe(Recipe(**values), ("ham", "spam")) == formats


def test_the_formats_of_a_gpt_are_known_without_their_packages(kept, monkeypatch) -> None:
    classifier = TextClassifier.load(kept(train="lora", **GPT))
    for name in ("transformers", "peft", "gguf", "onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)  # an import fails, as where it is not installed
    assert export_formats(classifier) == ["hf", "peft", "onnx", "gguf"]
