"""The record: everything known about one run, as a versioned schema. Missing values are null.

Reports, verdicts and the regression gate read records and nothing else. Imports no torch.
"""

from __future__ import annotations

from math import inf
from typing import Literal, Self

from pydantic import Field, model_validator

from bench.records.dataset import DatasetFacts
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Agreement, Count, Epoch, Loss, PaddingCheck, Seconds, ServingCost
from gptcore.schema import Part

SCHEMA_VERSION = 3

Status = Literal["done", "failed", "skipped"]


class InputFacts(Part):
    """The texts as model input: tokens per padded row, truncated texts."""

    tokenizer: str
    tokenizer_fingerprint: str | None = Field(
        default=None, description="SHA-256 of everything that determines token ids; null in older records"
    )
    tokens_per_row: int | None = Field(
        description="length that rows are padded to; null if they are not padded"
    )
    longest_tokens: int = Field(description="tokens of the longest text of any split, before truncation")
    n_truncated: int = Field(description="texts of the three splits that were truncated")


class WeightsFacts(Part):
    """Which weights a run started from."""

    source: str = Field(description="'bundled', a hub id, packages, a folder, or 'random'")
    fingerprint: str | None = Field(description="SHA-256 over the tensors")
    pretrained: bool
    checkpoint: str | None = Field(
        default=None,
        description="SHA-256 over the checkpoint's files; null if there is none, and in older records",
    )
    revision: str | None = Field(default=None, description="commit of the hub that the files are of")
    files: dict[str, str] | None = Field(
        default=None, description="SHA-256 of each file; null if there are none, and in older records"
    )
    rewrites: dict[str, str] | None = Field(
        default=None,
        description="of the forward pass, 'on' or why not, tried out at load; null for the project's own GPT-2",
    )


class SplitMetrics(Part):
    """How well a split was predicted."""

    n: int = Field(ge=1)
    correct: int = Field(ge=0)
    accuracy: float = Field(ge=0, le=1, description="share, 0 to 1")
    log_loss: Loss | None = Field(description="mean cross-entropy in nats")


class Metrics(Part):
    """Metrics of the three splits after training."""

    train: SplitMetrics
    validation: SplitMetrics
    test: SplitMetrics


class Predictions(Part):
    """Per-example outcome on the test split, in the split's order."""

    labels: list[int]
    predicted: list[int]
    examples: list[int] | None = Field(
        default=None,
        description="row number of each in the source, so that seeds with other splits can be compared",
    )
    probabilities: list[list[float]] = Field(
        description="(n, n_classes), rounded to 6 digits; (n, k) if `classes` lists their classes"
    )
    classes: list[list[int]] | None = Field(
        default=None,
        description="(n, k), if there are many classes: the most probable ones, the predicted one first",
    )
    losses: list[Loss] | None = Field(
        default=None,
        description="cross-entropy of each in nats, before probabilities were rounded; null in older records",
    )
    roc_auc: float | None = Field(
        default=None, ge=0, le=1, description="from all probabilities, if not all of them are kept"
    )
    groups: list[int] | None = Field(default=None, description="first row of the source with its group")

    @model_validator(mode="after")
    def _shapes_fit(self) -> Self:
        widths = {len(row) for row in self.probabilities}
        if not len(self.labels) == len(self.predicted) == len(self.probabilities) or len(widths) > 1:
            raise ValueError("labels, predicted and probabilities must be of the same examples and classes")
        for name in ("examples", "losses", "groups"):
            if (kept := getattr(self, name)) is not None and len(kept) != len(self.labels):
                raise ValueError(f"{name} must be those of the labels")
        if self.classes is not None:
            if [len(row) for row in self.classes] != [len(row) for row in self.probabilities]:
                raise ValueError("classes must be those of the probabilities")
            if [row[:1] for row in self.classes] != [[chosen] for chosen in self.predicted]:
                raise ValueError("the first of the classes must be the predicted one")
        found = {*self.labels, *self.predicted}  # of 100,000 texts there are few different ones
        if found and not 0 <= min(found) <= max(found) < self._n_classes(widths):
            raise ValueError("labels and predicted must be numbers of classes")
        return self

    def _n_classes(self, widths: set[int]) -> float:
        return min(widths) if self.classes is None else inf  # the record knows how many there are


class LossPoint(Part):
    """Mean training loss over the steps since the point before."""

    step: int = Field(ge=1, le=10**12)
    loss: Loss


class Curves(Part):
    """Training curves."""

    losses: list[LossPoint]
    epochs: list[Epoch]
    best_epoch: int | None = Field(description="epoch whose weights were kept, if best-epoch restore is on")


class Parameters(Part):
    """Parameter counts."""

    total: Count
    trained: Count


class Cost(Part):
    """The cost of a run. Phases add up to `marginal_s`; `other` is time outside all phases."""

    phases: dict[str, Seconds] = Field(
        description="seconds by phase: load, tokenise, trunk, train, evaluate, other; start, where several "
        "processes had to be"
    )
    marginal_s: Seconds = Field(
        ge=1e-6, description="time of the run in this study, which reuses work of earlier runs"
    )
    standalone_s: Seconds = Field(
        ge=1e-6, description="time of the run on its own: marginal_s plus the time of the reused trunk"
    )
    process_mem_bytes: int | None = Field(
        ge=0,
        description="highest resident memory (GPU: allocated) of the whole process during the run; of the one "
        "that took most where several computed it",
    )
    added_mem_bytes: Count | None = Field(
        default=None, description="its rise above the run's start; null in records of schema 1 and 2"
    )
    predicted_s: Seconds | None = Field(default=None, description="forecast of marginal_s")
    predicted_mem_bytes: Count | None = Field(default=None, description="forecast of process_mem_bytes")
    tokens_processed: Count | None = Field(description="token positions that went through at least one block")
    flops: float | None = Field(
        ge=0, le=1e30, description="floating-point operations of training and evaluation, estimated"
    )
    serving: ServingCost | None = Field(
        default=None,
        description="of the trained classifier, measured after the run; null in older records and in trials",
    )
    checks: dict[str, Seconds] | None = Field(
        default=None,
        description="seconds that its process spent beside the run, no part of marginal_s: padding (the test texts "
        "padded in other ways), serving, cut_texts, other; null in older records",
    )
    predicted_checks_s: Seconds | None = Field(default=None, description="forecast of the sum of checks")

    @property
    def checks_s(self) -> float:
        """Seconds beside the run; 0 where that is not known."""
        return sum((self.checks or {}).values())

    @property
    def busy_s(self) -> float:
        """Seconds until its process could begin another run."""
        return self.marginal_s + self.checks_s


class CutTextsCheck(Part):
    """TF-IDF fitted and tested on texts truncated as for a model of the study, at its context."""

    model: str
    tokens: int = Field(ge=1, description="tokens read of each text")
    n_cut: Count = Field(description="texts of the three splits that were truncated")
    n_texts: Count
    test: SplitMetrics


class Environment(Part):
    """Where a run ran. No environment variables, no host names, no paths."""

    device: str
    cpu: str
    threads: int
    jobs: int = Field(default=1, ge=1, description="runs at a time on this machine, each with its threads")
    nproc: int = Field(
        default=1, ge=1, description="processes that computed the run together, each with its threads"
    )
    memory_bytes: int
    dtype: str
    python: str
    platform: str
    versions: dict[str, str]
    git_sha: str | None
    git_dirty: bool | None

    @property
    def processor(self) -> str:
        """Its name, and how runs used its cores."""
        at_a_time = f", {self.jobs} runs at a time" if self.jobs > 1 else ""
        together = f" in each of {self.nproc} processes" if self.nproc > 1 else ""
        return f"{self.cpu}, {self.threads} thread{'s' * (self.threads > 1)}{together}{at_a_time}"

    @property
    def machine(self) -> tuple[str, str, int, int, int, float]:
        """Identity of the machine for comparing times: device, processor, threads, jobs, nproc, memory in GiB."""
        memory = round(self.memory_bytes / 2**30, 1)
        return self.device, self.cpu, self.threads, self.jobs, self.nproc, memory


class Record(Part):
    """One run. `metrics`, `test`, `curves`, `cost` and `parameters` are null unless the status is done."""

    schema_version: int = SCHEMA_VERSION
    run_id: str = Field(description="recipe id and seed index: the file's name")
    recipe_id: str
    recipe: Recipe
    seed_index: int = Field(ge=0)
    seeds: Seeds
    status: Status
    reason: str | None = Field(default=None, description="why it failed or was skipped, one line")
    engine: Literal["fast", "plain"] = Field(default="plain", description="see gptcore.engine.engine")
    dataset: DatasetFacts
    inputs: InputFacts | None = None
    weights: WeightsFacts | None = None
    metrics: Metrics | None = None
    test: Predictions | None = None
    padding: list[PaddingCheck] | None = None
    cut_texts: CutTextsCheck | None = None
    curves: Curves | None = None
    parameters: Parameters | None = None
    cost: Cost | None = None
    verified: Agreement | None = None
    notes: list[str] = Field(default=[], description="deviations of the engine from the request")
    output_tail: list[str] | None = Field(default=None, description="last lines of a failed run's output")
    failed_s: Seconds | None = Field(
        default=None,
        description="seconds of its failed tries, which `cost` leaves out; null: none failed, or an older record",
    )
    environment: Environment
    created_at: str = Field(description="UTC, ISO 8601")

    @model_validator(mode="after")
    def _classes_are_there(self) -> Self:
        n_classes = len(self.dataset.label_names)
        kept = (self.test.classes or []) if self.test else []
        if (
            self.test
            and kept
            and not all(0 <= c < n_classes for row in (self.test.labels, *kept) for c in row)
        ):
            raise ValueError("test: labels and classes must be numbers of the dataset's classes")
        return self

    @property
    def spent_s(self) -> float:
        """Seconds that it used, with its checks and failed tries, divided among the runs at a time."""
        own_s = self.cost.busy_s if self.cost else 0.0
        return (own_s + (self.failed_s or 0.0)) / self.environment.jobs


def run_id(recipe: Recipe, seed_index: int) -> str:
    """The name of the run of this recipe with this seed."""
    return f"{recipe.id}-s{seed_index}"
