"""What is exported opens with PeftModel.from_pretrained on a sequence classifier, with the same answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from gptcore import TextClassifier, load_dataset
from gptcore.errors import UserError
from gptcore.export import peft as peft_export
from gptcore.export.export import export

peft = pytest.importorskip("peft")
# PEFT 0.21 asks transformers 5 by an attribute's old name.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),  # peft, of layers it has no list of
]

TEXTS = [
    "win a free prize",
    "see you at home",
    "now " * 40,
    "caf\u00e9 \U0001f600 don't",
    "a <|endoftext|> b </s> c",
]
GPT_METHODS: list[Any] = [
    {"train": "lora", "lora_rank": 2},
    pytest.param({"train": "rslora", "lora_rank": 2}, marks=pytest.mark.slow),
    {"train": {"method": "lora", "rank": 2, "top": 1, "targets": ["attn.c_proj"], "bias": "all"}},
    pytest.param({"train": {"method": "lora", "rank": 2, "bias": "lora_only"}}, marks=pytest.mark.slow),
    {"train": "dora"},
    {"train": {"method": "pissa", "rank": 2}},
    pytest.param({"train": "vera"}, marks=pytest.mark.slow),
    {"train": {"method": "ia3", "feedforward": ["mlp.c_proj"]}},
    pytest.param({"train": "adalora"}, marks=pytest.mark.slow),
    {"train": "ln_tuning"},
]


def open_as_its_readme_says(folder: Path, base: Path | None = None) -> Any:
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(base or folder / "base", config=config)
    return peft.PeftModel.from_pretrained(model, str(folder)).eval()


def check(folder: Path, file: Path, out: Path) -> Any:
    """Export, and compare the answers to texts that the export was not compared on."""
    assert export(folder, load_dataset(file), "peft", out) == 24
    model = open_as_its_readme_says(out)
    rows = AutoTokenizer.from_pretrained(out)(TEXTS, return_tensors="pt", padding=True, truncation=True)
    with torch.no_grad():
        logits = model(input_ids=rows["input_ids"], attention_mask=rows["attention_mask"]).logits
    expected = np.log(TextClassifier.load(folder).predict_proba(TEXTS))
    np.testing.assert_allclose(logits.log_softmax(dim=1).numpy(), expected, atol=1e-5)
    assert model.config.id2label == {0: "ham", 1: "spam"}
    return model


def saved_names(folder: Path) -> list[str]:
    with safe_open(folder / "adapter_model.safetensors", "pt") as opened:
        return list(opened.keys())


@pytest.mark.parametrize("choices", GPT_METHODS, ids=str)
def test_a_gpt_opens_with_the_same_answers(kept, file, tmp_path, choices) -> None:
    check(kept(**choices), file, tmp_path / "peft")
    names = saved_names(tmp_path / "peft")
    assert not any("lm_head" in name or "wte" in name or "wpe" in name for name in names)
    assert "base_model.model.score.weight" in names
    said = json.loads((tmp_path / "peft" / "adapter_config.json").read_text())
    assert said["base_model_name_or_path"] == "base"
    assert said["task_type"] == "SEQ_CLS"


@pytest.mark.parametrize(
    "train",
    [
        {"method": "lora", "targets": ["all-linear"]},
        pytest.param({"method": "oft", "block_size": 4}, marks=pytest.mark.slow),
        pytest.param({"method": "boft", "factors": 1}, marks=pytest.mark.slow),  # tries to compile
        {"method": "ln_tuning", "top": 2},
    ],
    ids=str,
)
def test_another_decoder(kept, checkpoint, file, tmp_path, train) -> None:
    model = str(checkpoint("llama", around=True))
    folder = kept(model=model, attention="native", head="no_bias", train=train)
    check(folder, file, tmp_path / "peft")
    assert not any("lm_head" in name for name in saved_names(tmp_path / "peft"))


def test_a_model_of_the_hub_is_named_and_not_copied(kept, file, tmp_path, monkeypatch) -> None:
    folder = kept(train="lora", lora_rank=2)
    monkeypatch.setattr(peft_export, "hub_repo", lambda _name: "someone/tiny@v1")
    monkeypatch.setattr(peft_export, "checkpoint_folder", lambda _name: tmp_path / "checkpoint")
    export(folder, load_dataset(file), "peft", tmp_path / "peft")
    said = json.loads((tmp_path / "peft" / "adapter_config.json").read_text())
    assert (said["base_model_name_or_path"], said["revision"]) == ("someone/tiny", "v1")
    assert not (tmp_path / "peft" / "base").exists()
    assert '"someone/tiny", revision="v1", config=config' in (tmp_path / "peft" / "README.md").read_text()
    open_as_its_readme_says(tmp_path / "peft", tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"train": "all"}, "adds no layers, so there is no adapter: use --to hf"),
        ({"train": "features"}, "adds no layers"),
        ({"train": "bitfit"}, "adds no layers"),
        ({"train": {"method": "prompt", "n": 2}}, "read the last column of a batch, padding or not"),
        ({"train": {"method": "boft", "factors": 1}}, "BOFT does not fit these layers"),
        ({"train": {"method": "oft", "block_size": 4}}, "OFT does not fit these layers"),
        ({"train": "lora", "position": "mean_real"}, "position = 'mean_real'"),
        ({"model": "tfidf"}, "it has no network"),
    ],
    ids=str,
)
def test_what_cannot_be_expressed_is_refused_with_the_reason(kept, file, tmp_path, choices, reason) -> None:
    with pytest.raises(UserError, match=reason):
        export(kept(**choices), load_dataset(file), "peft", tmp_path / "peft")
    assert not [path for path in tmp_path.iterdir() if "peft" in path.name]
