"""What a fit leaves to take home: texts in, label names out; saved to a folder and loaded from it.

A folder holds `classifier.safetensors`, what was learned, `classifier.json`, everything else, and the tokenizer's
files, unless it is the bundled one. Of the model that was started from, only what learned is kept. Where that is not
all of it, the model is loaded again from where it came, and must be the same.
Only a classifier with a network loads torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, ValidationError

from gptcore.backbones.checkpoint_files import is_file
from gptcore.calibration import tempered
from gptcore.errors import UserError, first_problem
from gptcore.files import replace_files
from gptcore.recipe import Recipe
from gptcore.schema import Part
from gptcore.training.base import Base
from gptcore.training.kept_tokenizer import KEPT_FILES, files_to_keep, kept_tokenizer
from gptcore.training.logistic import LogisticFit
from gptcore.training.predictors import Predictor, TfidfPredictor, TokenPredictor

if TYPE_CHECKING:
    import torch

    from gptcore.explain import Explanation

TENSORS, DESCRIPTION = "classifier.safetensors", "classifier.json"
FORMAT = 1  # of the two files: raise it with every change that an older version would misread


class Threshold(Part):
    """Of two classes, `positive` is answered where its probability is at least `at`, and else the other one."""

    positive: str
    at: float = Field(gt=0, lt=1)


class Description(Part):
    """What `classifier.json` says."""

    format: int
    recipe: Recipe
    labels: tuple[str, ...]
    base: Base | None
    details: dict[str, Any]
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    threshold: Threshold | None = None


@dataclass(frozen=True, eq=False)
class TextClassifier:
    """A fitted recipe.

    labels: class names, in the order of the probabilities; base: None for TF-IDF; temperature: divides the logits (see
    `gptcore.calibration`); threshold: how to answer for two classes, None for the most probable one.
    """

    recipe: Recipe
    labels: tuple[str, ...]
    predictor: Predictor
    base: Base | None = None
    temperature: float = 1.0
    threshold: Threshold | None = None

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The label of each text: the most probable one, the earlier one in a tie, unless there is a threshold."""
        return [self.labels[i] for i in self.decide(self.predict_proba(texts))]

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """Of each row of `predict_proba` (N, n_labels) the index of the answer, (N,) int64."""
        if self.threshold is None:
            return np.asarray(probabilities.argmax(axis=1))
        positive = self.labels.index(self.threshold.positive)
        return np.where(probabilities[:, positive] >= self.threshold.at, positive, 1 - positive)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """(N, n_labels) float64, each row sums to 1. Raises TypeError for one text instead of several,
        FloatingPointError where the network gives no finite number.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a list of texts: put the one text into a list")
        return self.calibrated(self.predictor.probabilities(list(texts)))

    def explain(self, text: str) -> Explanation:
        """Which words moved the answer. Raises UserError for a text without anything to see."""
        from gptcore.explain import explain

        return explain(self, text)

    def calibrated(self, found: np.ndarray) -> np.ndarray:
        """The predictor's probabilities (N, n_labels) at this classifier's temperature. Raises FloatingPointError."""
        if not np.isfinite(found).all():
            raise FloatingPointError(
                "the classifier's probabilities are not finite: its weights have diverged"
            )
        return tempered(found, self.temperature)

    def save(self, folder: str | Path) -> None:
        """Write its files into a folder, which is made; a classifier that is there is replaced.

        Raises UserError where they cannot be written, and where that would replace files of something else, such as a
        model's; the folder is then as it was.
        """
        from safetensors.numpy import save

        folder = Path(folder)
        check_place(folder)
        files = {TENSORS: save(self.predictor.learned()), **self.other_files()}
        replace_files(folder, files, known=KEPT_FILES)

    def other_files(self) -> dict[str, bytes]:
        """All but the tensors: the tokenizer's files, if there are any, then `classifier.json`. Raises UserError."""
        files = {}
        if isinstance(self.predictor, TokenPredictor):
            files = files_to_keep(self.predictor.tokenizer, self.predictor.tokens_per_row)
        return {**files, DESCRIPTION: self.description().encode()}

    def description(self) -> str:
        """The content of `classifier.json`."""
        about = Description(
            format=FORMAT,
            recipe=self.recipe,
            labels=self.labels,
            base=self.base,
            details=self.predictor.details(),
            temperature=self.temperature,
            threshold=self.threshold,
        )
        return about.model_dump_json(indent=1) + "\n"

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> TextClassifier:
        """Open what `save` wrote. Unless all of it was trained, the model that it started from is loaded from where its
        recipe says.

        device: of the network, if there is one; "auto" for a CUDA GPU where the machine has one. Raises UserError where
        a file is missing or damaged, and where that model cannot be loaded or has other weights by now.
        """
        folder = Path(folder)
        about = _read_description(folder / DESCRIPTION)
        learned = _read_tensors(folder / TENSORS)
        try:
            predictor = _restored(about, learned, folder, device)
        except UserError as error:
            raise UserError(f"{folder}: {error}") from error
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
            raise UserError(
                f"{folder}: {DESCRIPTION} and {TENSORS} do not fit each other ({type(error).__name__}: {error})"
            ) from error
        if (threshold := about.threshold) and (
            len(about.labels) != 2 or threshold.positive not in about.labels
        ):
            raise UserError(
                f"{folder / DESCRIPTION}: threshold.positive = {threshold.positive!r} is not one of two labels"
            )
        return cls(about.recipe, about.labels, predictor, about.base, about.temperature, about.threshold)


def check_place(folder: Path) -> None:
    """Raises UserError where a folder has files of other programs that `save` would replace or remove."""
    there = [name for name in KEPT_FILES if is_file(folder / name)]
    if there and not is_file(folder / TENSORS):
        raise UserError(
            f"{folder} has a {there[0]} that is not a classifier's: save the classifier in a folder of its own"
        )


def _restored(
    about: Description, learned: Mapping[str, np.ndarray], folder: Path, device: str | torch.device
) -> Predictor:
    if about.base is None:
        return TfidfPredictor(LogisticFit.restore(learned, about.details))
    from gptcore.engine.device import chosen_device
    from gptcore.training.network_predictors import restored_predictor

    tokenizer = kept_tokenizer(folder, about.base)
    asked = about.recipe, about.base, tokenizer, len(about.labels), learned, about.details
    return restored_predictor(*asked, chosen_device(device))


def _read_description(path: Path) -> Description:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise UserError(f"{path} has format {found!r}, this version reads {FORMAT}")
        return Description.model_validate(content)
    except FileNotFoundError as error:
        raise UserError(f"{path.parent} does not hold a classifier: it has no {path.name}") from error
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error, Description)}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _read_tensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(path.read_bytes()))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
