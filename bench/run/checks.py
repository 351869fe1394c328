"""What follows a finished run and is no part of its time: its classifier under other paddings, and as it is used."""

from __future__ import annotations

import logging
from pathlib import Path

from bench.records.record import CutTextsCheck, SplitMetrics
from gptcore.data.datasets import Dataset
from gptcore.engine.engine import Engine
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.result import Evaluation, Fit, PaddingCheck, ServingCost
from gptcore.training.cut import cut_texts
from gptcore.training.fit import fit
from gptcore.training.padding import other_paddings
from gptcore.training.serving_cost import serving_cost
from gptcore.training.serving_time import budget_beside
from gptcore.training.timing import Phases

log = logging.getLogger(__name__)


class Checks:
    """Checks of one run, each counted as a phase under its name: padding, serving, cut_texts."""

    def __init__(self, result: Fit, data: Dataset, phases: Phases) -> None:
        self._result, self._data, self._phases = result, data, phases

    def paddings(self, engine: Engine) -> list[PaddingCheck] | None:
        """Test texts under other paddings; None where no network was trained."""
        if self._result.recipe.trainer != "network":
            return None
        with self._phases("padding"):
            return other_paddings(self._result, self._data.test.labels, engine) or None

    def serving(self) -> ServingCost:
        """The trained classifier timed on test texts, for a small share of the run's own time."""
        with self._phases("serving"):
            budget_s = budget_beside(sum(self._result.phases.values()))
            return serving_cost(self._result.classifier, self._data.test.texts, budget_s)

    def on_cut_texts(self, baseline: Recipe | None) -> CutTextsCheck | None:
        """TF-IDF once more where the study's baseline reads only the beginning of many texts; None elsewhere."""
        if not reads_cut_texts(self._result.recipe, baseline):
            return None
        assert baseline is not None
        with self._phases("cut_texts"):
            return self._on_cut_texts(baseline)

    def _on_cut_texts(self, baseline: Recipe) -> CutTextsCheck | None:
        try:
            found = cut_texts(self._data, baseline)
        except UserError as error:  # the baseline's own runs say so; this one needs no vocabulary
            log.info("no check on cut texts: %s", error)
            return None
        if found is None or not found[1].matters:
            return None
        texts, cut = found
        again = fit(self._result.recipe, texts, self._result.seeds)
        return CutTextsCheck(
            model=Path(baseline.model).name,
            tokens=cut.tokens,
            n_cut=cut.n_cut,
            n_texts=cut.n_texts,
            test=split_metrics(again.test),
        )


def reads_cut_texts(recipe: Recipe, baseline: Recipe | None) -> bool:
    """Whether a recipe, if there is need, is also tried on the texts as the study's baseline cuts them."""
    return recipe.backbone is None and baseline is not None and baseline.backbone is not None


def split_metrics(evaluation: Evaluation) -> SplitMetrics:
    """Metrics of a split in the form of a record."""
    return SplitMetrics(
        n=len(evaluation.labels),
        correct=evaluation.correct,
        accuracy=evaluation.accuracy,
        log_loss=evaluation.log_loss,
    )
