"""A classifier as an ONNX graph from token ids to logits, with a script beside it that answers texts by onnxruntime.

The graph is the exact layout of the recipe: whatever position is read, whoever sees whom and the padding that is seen
are in it, so every network can be exported. Inputs: `input_ids` (B, T) int64, where what follows a text may be any ids,
and `lengths` (B,) int64, from 1 to T, which is at most the length of a row. Outputs: `logits` (B, n_labels) float32,
`probabilities` (B, n_labels) float64 and `label` (B,) int64.
"""

from __future__ import annotations

import base64
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gptcore.backbones.base import Backbone
from gptcore.classifier import TextClassifier
from gptcore.data.hf_tokenizer import HFTokenizer
from gptcore.data.prompted import without_prompt
from gptcore.data.rows import Rows, real_positions
from gptcore.data.tiktoken_tokenizer import GPT2_SPLIT_PATTERN, TiktokenTokenizer
from gptcore.data.tokenizer import Tokenizer
from gptcore.engine.attention import RowAttention
from gptcore.engine.classifier import positions_of, read_hidden
from gptcore.engine.head import ACTIVATIONS
from gptcore.engine.layout import Layout
from gptcore.errors import UserError
from gptcore.export.formats import ExportFormat
from gptcore.export.head import NO_NETWORK, HeadLayers, exact, head_layers, network_predictor, predictor_of
from gptcore.export.script import ABOUT, SCRIPT, about_labels, printed, probabilities, script
from gptcore.files import write_whole

GRAPH = "model.onnx"
MOST_IN_ONE_FILE = 2**30  # parameters in bytes; a file of protobuf has less than 2 GiB


class Graph(nn.Module):
    """Tokens to answers. threshold: index of a label, and the probability from which it is answered."""

    def __init__(
        self, backbone: Backbone, layout: Layout, head: HeadLayers, length: int, pad_id: int
    ) -> None:
        super().__init__()
        self.backbone, self.layout, self.length, self.pad_id = backbone, layout, length, pad_id
        self.threshold: tuple[int, float] | None = None
        self.weights = nn.ParameterList(layer.weight.t() for layer in head.layers)
        self.biases = nn.ParameterList(layer.bias for layer in head.layers)
        self.activate = None if head.activation is None else ACTIVATIONS[head.activation]

    def forward(self, input_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """input_ids (B, T) int64, lengths (B,) int64 -> logits, probabilities and label, see above."""
        rows = self.rows_of(input_ids, lengths)
        positions = positions_of(self.layout, rows)
        if positions is None:  # said, so that windows do not ask how wide the rows are
            positions = torch.arange(rows.width).expand(rows.values.shape)
        real = rows.real if self.layout.mask_padding else None
        causal_below = self.layout.causal_below(self.backbone.info.n_blocks)
        attend = RowAttention(self.layout.causal, real, None, positions, causal_below)
        hidden = self.backbone.run(rows, attend)
        # In float64, as scaled features may be large: the head is a small part of the work.
        found = read_hidden(self.layout, hidden, rows).double() @ self.weights[0] + self.biases[0]
        if self.activate is not None:
            found = self.activate(found.float()).double() @ self.weights[1] + self.biases[1]
        logits = found.float()
        probabilities = logits.double().softmax(dim=1)
        return logits, probabilities, self.label_of(probabilities)

    def rows_of(self, input_ids: Tensor, lengths: Tensor) -> Rows:
        """As they come where padding cannot be seen; else at full width, with the classifier's own padding."""
        if self.layout.drop_padding:
            last_position = self.length - 1 if self.layout.keep_one_pad else None
            return Rows(input_ids, lengths, last_position=last_position)
        real = real_positions(lengths, self.length, self.layout.side)
        begins = torch.zeros_like(lengths) if self.layout.side == "right" else self.length - lengths
        sources = (torch.arange(self.length) - begins[:, None]).clamp(0, input_ids.shape[1] - 1)
        values = torch.where(real, input_ids.gather(1, sources), self.pad_id)
        return Rows(values, lengths, self.layout.side)

    def label_of(self, probabilities: Tensor) -> Tensor:
        """(B, n_labels) -> (B,) int64, as `TextClassifier.decide`."""
        if self.threshold is None:
            return probabilities.argmax(dim=1)
        positive, at = self.threshold
        return torch.where(probabilities[:, positive] >= at, positive, 1 - positive)


def obstacle(classifier: TextClassifier) -> str | None:
    """TF-IDF has no graph."""
    return NO_NETWORK if predictor_of(classifier) is None else None


def write(classifier: TextClassifier, folder: Path) -> None:
    """Write graph, script, tokenizer and `classifier.json`; adapters are merged in place. Raises UserError."""
    predictor, layout = network_predictor(classifier), exact(classifier)
    predictor.network.adapter.merge()
    length = predictor.tokens_per_row
    tokenizer = predictor.tokenizer
    graph = Graph(predictor.network.backbone.cpu(), layout, head_layers(classifier), length, tokenizer.pad_id)
    if (threshold := classifier.threshold) is not None:
        graph.threshold = classifier.labels.index(threshold.positive), threshold.at
    folder.mkdir(parents=True)
    _export(graph.eval().requires_grad_(False), length, folder / GRAPH)
    files, about = _tokenizer(tokenizer)
    about |= {
        **about_labels(classifier),
        "length": length,
        "pad_id": tokenizer.pad_id,
        "prefix": tokenizer.prefix,
        "suffix": tokenizer.suffix,
        "behind": [tokenizer.pad_id] if layout.keep_one_pad else [],
    }
    files |= {ABOUT: json.dumps(about, indent=1, ensure_ascii=False) + "\n", SCRIPT: script("predict_onnx")}
    for name, content in files.items():
        write_whole(folder / name, content)


def _export(graph: Graph, length: int, path: Path) -> None:
    """Raises UserError where torch finds no graph."""
    width = max(2, min(length, 8))
    example = (torch.zeros(2, width, dtype=torch.int64), torch.tensor([width, 1]))
    any_size = torch.export.Dim.DYNAMIC
    size = sum(p.numel() * p.element_size() for p in graph.parameters())
    with _quiet():
        try:
            torch.onnx.export(
                graph,
                example,
                str(path),
                dynamo=True,
                dynamic_shapes={"input_ids": {0: any_size, 1: any_size}, "lengths": {0: any_size}},
                input_names=["input_ids", "lengths"],
                output_names=["logits", "probabilities", "label"],
                external_data=size > MOST_IN_ONE_FILE,
                verbose=False,
            )
        except Exception as error:  # whatever an architecture's own code does that has no graph
            reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "no message")
            raise UserError(f"--to onnx: torch finds no graph of this model: {reason.strip()}") from error


def _tokenizer(tokenizer: Tokenizer) -> tuple[dict[str, str], dict[str, Any]]:
    """Files by name, and what the script must know of them. Raises UserError."""
    plain = without_prompt(tokenizer)
    if isinstance(plain, TiktokenTokenizer):
        *ordinary, _end = plain.tokens()
        lines = [f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(ordinary)]
        return {"vocab.tiktoken": "".join(lines)}, {"tokenizer": "tiktoken", "pattern": GPT2_SPLIT_PATTERN}
    assert isinstance(plain, HFTokenizer)
    return {"tokenizer.json": plain.as_json()}, {"tokenizer": "tokenizers"}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without remarks about packages that this graph has no use for."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


ONNX = ExportFormat(
    packages=("onnx", "onnxscript", "onnxruntime"),
    extra="onnx",
    obstacle=obstacle,
    write=write,
    probabilities=probabilities,
    printed=printed,
)
