"""`head = "mlp"` is the head of `transformers`' sequence classifier, for the architectures that have such a head."""

import json

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from gptcore.backbones.families import FAMILIES
from gptcore.data.rows import pad
from gptcore.engine.engine import Engine
from gptcore.engine.head import MlpHead
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier
from tests.parity.toys import VOCAB, toy_backbone

# What transformers calls the two layers
LAYERS = {
    "bert": ("bert.pooler.dense", "classifier"),
    "roberta": ("classifier.dense", "classifier.out_proj"),
    "xlm-roberta": ("classifier.dense", "classifier.out_proj"),
    "electra": ("classifier.dense", "classifier.out_proj"),
    "distilbert": ("pre_classifier", "classifier"),
    "deberta-v2": ("pooler.dense", "classifier"),
    "albert": ("albert.pooler", "classifier"),
}
RECIPE = Recipe(train="last_layer", head="mlp", position="first", attention="native", attend_padding=False)


@pytest.mark.parametrize("family", LAYERS)
@torch.no_grad()
def test_logits_are_those_of_transformers(family: str) -> None:
    backbone = toy_backbone(family)
    raw = json.loads(backbone.info.raw) | {"num_labels": 3}
    theirs = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(raw.pop("model_type"), **raw)
    ).eval()
    theirs.base_model.load_state_dict(backbone.model.state_dict(), strict=False)
    ours = build_classifier(backbone, 3, RECIPE, Engine("plain"), 0).eval()
    assert isinstance(ours.head, MlpHead)
    for layer, name in zip((ours.head.dense, ours.head.out), LAYERS[family], strict=True):
        for mine, other in zip(layer.parameters(), theirs.get_submodule(name).parameters(), strict=True):
            other.copy_(mine)
    generator = torch.Generator().manual_seed(0)
    sequences = [torch.randint(3, VOCAB, (n,), generator=generator).tolist() for n in (7, 12, 9)]
    rows = pad(sequences, 12, 1)
    expected = theirs(input_ids=rows.values, attention_mask=rows.real.long()).logits
    assert expected.std() > 0.05
    torch.testing.assert_close(ours(rows), expected, rtol=1e-4, atol=1e-4)


def test_other_architectures_have_a_hidden_layer_with_gelu() -> None:
    assert {name for name, family in FAMILIES.items() if family.head != "gelu"} <= LAYERS.keys()
    head = build_classifier(toy_backbone("llama"), 2, RECIPE, Engine("plain"), 0).head
    assert isinstance(head, MlpHead)
    states = torch.randn(4, 16, generator=torch.Generator().manual_seed(1))
    expected = head.out(nn.functional.gelu(head.dense(states)))
    torch.testing.assert_close(head(states), expected)
    assert sum(p.requires_grad for p in head.parameters()) == 4  # last_layer trains both
