"""A classifier as a folder that transformers' AutoModelForSequenceClassification and AutoTokenizer open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gptcore.backbones.hf_load import quiet
from gptcore.classifier import TextClassifier
from gptcore.export.formats import ExportFormat
from gptcore.export.head import linear_head, network_predictor
from gptcore.export.sequence_model import answers, fill_head, norm_of, obstacle, sequence_model
from gptcore.export.tokenizer_json import tokenizer_files
from gptcore.files import write_whole


def write(classifier: TextClassifier, folder: Path) -> None:
    """Write the folder; adapters are merged in place. Raises UserError for a head of more classes than the width."""
    predictor = network_predictor(classifier)
    predictor.network.adapter.merge()
    backbone = predictor.network.backbone
    with quiet():
        model = sequence_model(classifier, backbone)
        norm = model.base_model.get_submodule(norm_of(backbone))
        fill_head(norm, model.get_submodule("score"), linear_head(classifier))
        model.save_pretrained(folder)
    for name, content in tokenizer_files(predictor.tokenizer, predictor.tokens_per_row).items():
        write_whole(folder / name, content)


def probabilities(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """(N, n_labels) that transformers gives."""
    from transformers import AutoModelForSequenceClassification

    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    return answers(model.eval(), folder, texts)


HF = ExportFormat(
    packages=("transformers",),
    extra="hf",
    obstacle=obstacle,
    write=write,
    probabilities=probabilities,
)
