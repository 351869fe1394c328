"""A classifier as a folder that transformers' AutoModelForSequenceClassification and AutoTokenizer open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gptcore.backbones.hf_load import quiet
from gptcore.backbones.tokenizer_json import tokenizer_files
from gptcore.classifier import TextClassifier
from gptcore.export import encoder_head
from gptcore.export.formats import ExportFormat
from gptcore.export.head import NO_NETWORK, linear_head, network_predictor, predictor_of
from gptcore.export.sequence_model import (
    answer_obstacle,
    answers,
    fill_head,
    method_obstacle,
    norm_of,
    sequence_model,
)
from gptcore.export.sequence_model import obstacle as decoder_obstacle
from gptcore.files import write_whole


def obstacle(classifier: TextClassifier) -> str | None:
    """Why no sequence classifier of `transformers` can be this classifier; None where one can."""
    if predictor_of(classifier) is None:
        return NO_NETWORK
    if _is_causal(classifier):
        return decoder_obstacle(classifier)
    return (
        encoder_head.head_obstacle(classifier) or method_obstacle(classifier) or answer_obstacle(classifier)
    )


def write(classifier: TextClassifier, folder: Path) -> None:
    """Write the folder; adapters are merged in place. Raises UserError for a head of more classes than the width."""
    predictor = network_predictor(classifier)
    predictor.network.adapter.merge()
    backbone = predictor.network.backbone
    with quiet():
        model = sequence_model(classifier, backbone)
        if _is_causal(classifier):
            norm = model.base_model.get_submodule(norm_of(backbone))
            fill_head(norm, model.get_submodule("score"), linear_head(classifier))
        else:
            encoder_head.fill_layers(model, classifier)
        model.save_pretrained(folder)
    for name, content in tokenizer_files(predictor.tokenizer, predictor.tokens_per_row).items():
        write_whole(folder / name, content)


def probabilities(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """(N, n_labels) that transformers gives."""
    from transformers import AutoModelForSequenceClassification

    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    return answers(model.eval(), folder, texts)


def _is_causal(classifier: TextClassifier) -> bool:
    """Whether its architecture is a decoder's."""
    return network_predictor(classifier).network.backbone.info.abilities.causal


HF = ExportFormat(
    packages=("transformers",),
    extra="hf",
    obstacle=obstacle,
    write=write,
    probabilities=probabilities,
)
