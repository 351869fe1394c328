"""Train only the rows of the token embedding that the texts use; the others follow by arithmetic.

A row that no text uses never has a gradient, so AdamW's moments of it stay 0 and a step only decays it:
w <- w (1 - lr_t weight_decay) (Loshchilov and Hutter 2019). Of GPT-2's 50,257 rows a data set uses a few
thousand: gradients, moments and steps of the rest are never made.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from gptcore.data.rows import Rows
from gptcore.engine.classifier import Classifier


class UsedEmbedding:
    """Stands a small table, of the tokens of `splits` alone, in the place of a classifier's token embedding.

    rows: the splits with their tokens renumbered for the small table. `restore` puts the whole table back.
    """

    def __init__(self, classifier: Classifier, splits: Sequence[Rows]) -> None:
        self._classifier = classifier
        self._whole = classifier.backbone.embedding
        self._used = torch.unique(torch.cat([rows.values.flatten() for rows in splits]))
        small = _with_rows(self._whole, self._used)
        classifier.backbone.set_embedding(small)
        self.rows = [
            replace(rows, values=torch.searchsorted(self._used, rows.values.contiguous())) for rows in splits
        ]

    def restore(self, decay: float) -> None:
        """Put the whole table back: the trained rows, and the others times `decay`, the product over all steps."""
        with torch.no_grad():
            self._whole.weight *= decay
            self._whole.weight[self._used] = self._classifier.backbone.embedding.weight
        self._classifier.backbone.set_embedding(self._whole)


def _with_rows(embedding: nn.Embedding, used: Tensor) -> nn.Embedding:
    """The rows `used` (n,) of an embedding, to learn, in one of its own kind: some scale what they find."""
    small = copy.copy(embedding)
    small._parameters = dict(embedding._parameters)
    small.weight = nn.Parameter(embedding.weight.detach()[used])
    small.num_embeddings = len(used)
    if embedding.padding_idx is not None:  # whose row has no gradient
        found = (used == embedding.padding_idx).nonzero()
        small.padding_idx = int(found[0, 0]) if len(found) else None
    return small
