"""The recipe: every choice of one way to turn a GPT into a text classifier, validated, with a stable id.

Imports no torch. Defaults are those of the published study's baseline.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gptcore.errors import UserError, first_problem
from gptcore.methods.base import Method
from gptcore.methods.lora import Lora, Scaling
from gptcore.methods.spelling import METHOD_FIELDS, NAMED, Train, known_method, older_fields, spell_out
from gptcore.methods.targets import oldest_spelling
from gptcore.metric_names import MetricName
from gptcore.schema import Part

Position = Literal["first", "last", "last_real", "mean", "mean_real"]
BestBy = Literal["loss", MetricName]
TFIDF = "tfidf"  # the `model` that is no GPT: TF-IDF and logistic regression, the baseline of any such table
_OPTIMISER = (
    *("lr", "weight_decay", "epochs", "batch_size", "accumulation", "warmup", "schedule"),
    *("clip_norm", "patience", "restore_best"),
)
# Hashed into every id. A field that is not listed came later: it is hashed only where it differs from its default,
# so that the records from before it are still found. Never add to this list.
_ALWAYS_HASHED = frozenset(
    (
        *("model", "weights", "train", "position", "attention", "padding", "attend_padding", "context"),
        *METHOD_FIELDS,
        *_OPTIMISER,
    )
)


class Recipe(BaseModel):
    """One complete answer to "how?". Raises pydantic's ValidationError; `make_recipe` raises UserError."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(default="gpt2", description="registry name, checkpoint folder, hub id, or 'tfidf'")
    ngrams: Literal["words", "auto"] = Field(
        default="words",
        description="of 'tfidf': words and word pairs, as published; auto: words, characters or both, "
        "whichever predicts the validation texts best",
    )
    weights: Literal["pretrained", "random"] = "pretrained"
    train: Train | Method = Field(
        default="last_block", description="what learns: a name, or { method = ..., its fields }"
    )
    position: Position = Field(default="last", description="which hidden state the head reads")
    attention: Literal["causal", "bidirectional", "native", "bidirectional_upper_half"] = Field(
        default="causal",
        description="who sees whom; native: as the model was pretrained; bidirectional_upper_half: "
        "both ways in the upper half of the blocks, rounded up, causal below",
    )
    padding: Literal["right", "left", "none"] = "right"
    attend_padding: bool = Field(default=True, description="whether padding can be attended to")
    context: Literal["longest", "model"] | int = Field(
        default="longest", description="tokens a row is padded to"
    )

    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: float = Field(default=16, gt=0)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    lora_targets: tuple[str, ...] = Field(default=("c_attn", "c_proj", "c_fc"), min_length=1)
    lora_scaling: Scaling = Field(default="alpha", description="'alpha' as published")

    lr: float = Field(default=5e-5, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    epochs: int = Field(default=5, ge=1)
    batch_size: int = Field(default=8, ge=1)
    accumulation: int = Field(default=1, ge=1, description="batches to one optimiser step")
    warmup: float = Field(default=0.0, ge=0, lt=1, description="share of the steps with rising lr")
    schedule: Literal["constant", "cosine"] = "constant"
    clip_norm: float | None = Field(default=None, gt=0, description="largest gradient norm")
    patience: int | None = Field(
        default=None, ge=1, description="epochs without one that is better by `best_by`"
    )
    restore_best: bool = Field(default=False, description="end with the epoch that is best by `best_by`")
    train_size: int | None = Field(
        default=None,
        ge=1,
        description="training texts that are used; None: all. Smaller sets are parts of larger",
    )
    head: Literal["linear", "mlp", "no_bias"] = Field(
        default="linear",
        description="no_bias: a matrix alone, as decoders of transformers have it; mlp: a hidden layer before the "
        "output layer, as the model's architecture has it; on stored features a small MLP instead of a logistic "
        "regression",
    )
    class_weight: Literal["balanced"] | None = Field(
        default=None,
        description="balanced: each class weighs the same in the loss, n / (classes * texts of the class) a text",
    )

    best_by: BestBy = Field(
        default="loss",
        description="what of the validation texts makes an epoch the best one; loss: weighted as in training",
    )

    @field_validator("context", mode="before")
    @classmethod
    def _tokens(cls, context: Any) -> Any:
        if isinstance(context, bool) or (isinstance(context, int) and context < 1):
            raise ValueError("use 'longest', 'model' or a number of tokens, at least 1")
        return context

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, values: Any) -> Any:
        return spell_out(values) if isinstance(values, Mapping) else values

    @field_validator("train", mode="before")
    @classmethod
    def _known_method(cls, train: Any) -> Any:
        try:
            return known_method(train)
        except ValueError as error:
            raise PydanticCustomError("method", "{reason}", {"reason": str(error)}) from error

    @field_serializer("train")
    def _train_as_written(self, train: Train | Method) -> Any:
        return train.table() if isinstance(train, Method) else train

    @model_validator(mode="after")
    def _one_spelling(self) -> Self:
        fields = older_fields(self.train) if isinstance(self.train, Method) else {}
        for name, value in fields.items():
            if isinstance(self.train, Method) and getattr(self, name) not in (value, self.train):
                said = f"train = {self.train.table()} contradicts {name} = {getattr(self, name)!r}: give one of them"
                raise PydanticCustomError("method", "{reason}", {"reason": said})
        return self

    @model_validator(mode="after")
    def _reads_text(self) -> Self:
        if self.position == "first" and self.backbone is not None and self.method.n_prompt:
            said = (
                f"position = 'first' reads the first token of the prompt that train = {self.train_name!r} puts before "
                "each text: use 'last_real' or 'mean_real'"
            )
            raise PydanticCustomError("method", "{reason}", {"reason": said})
        return self

    @model_validator(mode="after")
    def _can_have_its_head(self) -> Self:
        if self.head != "linear" and self.backbone is None:
            said = f"head = {self.head!r} is a GPT's, and model = {TFIDF!r} has a logistic regression: use 'linear'"
            raise PydanticCustomError("method", "{reason}", {"reason": said})
        if self.head == "no_bias" and self.trainer != "network":
            said = "head = 'no_bias' is a network's, and a logistic regression is fitted here: use 'linear'"
            raise PydanticCustomError("method", "{reason}", {"reason": said})
        return self

    @property
    def method(self) -> Method:
        """The way of fine-tuning, as a value."""
        if isinstance(self.train, Method):
            return self.train
        if self.train == Lora.kind:
            return Lora(**{name.removeprefix("lora_"): getattr(self, name) for name in METHOD_FIELDS})
        return NAMED[self.train]

    @property
    def train_name(self) -> str:
        """The method's name, as in ids."""
        return self.train.slug if isinstance(self.train, Method) else self.train

    def with_method(self, method: Method) -> Recipe:
        """The same recipe with another way of fine-tuning."""
        return self.model_copy(update=older_fields(method) or {"train": method})

    @property
    def backbone(self) -> str | None:
        """Name, folder or hub id of the model that is fine-tuned; None where there is none, as for TF-IDF."""
        return None if self.model == TFIDF else self.model

    @property
    def trainer(self) -> Literal["network", "features", "tfidf"]:
        """Who fits this recipe: a training loop, or a logistic regression on a frozen model's features or on TF-IDF."""
        return "tfidf" if self.backbone is None else self.method.trainer

    @property
    def relevant(self) -> tuple[str, ...]:
        """Names of the fields that matter to this recipe's outcome, in the order of the schema."""
        fields = tuple(type(self).model_fields)
        if self.backbone is None:
            return tuple(name for name in fields if name in ("model", "ngrams", "train_size", "class_weight"))
        ignored = {"ngrams"}
        if self.train != Lora.kind:
            ignored.update(METHOD_FIELDS)
        if self.trainer == "features":
            ignored.update(_OPTIMISER)
        if self.patience is None and not self.restore_best:
            ignored.add("best_by")
        if self.padding == "none":
            ignored.add("attend_padding")
        return tuple(name for name in fields if name not in ignored)

    def choices(self) -> dict[str, Any]:
        """The values of `relevant` fields: two recipes with equal choices are the same run.

        Fields that came after the first records are left out while they have their default.
        """
        fields = type(self).model_fields
        chosen = {
            name
            for name in self.relevant
            if name in _ALWAYS_HASHED or getattr(self, name) != fields[name].get_default()
        }
        found = self.model_dump(mode="json", include=chosen)
        if "lora_targets" in found:
            found["lora_targets"] = oldest_spelling(found["lora_targets"])
        return found

    @property
    def id(self) -> str:
        """Stable, readable id: model, layers and position, then a hash of all choices."""
        digest = hashlib.sha256(json.dumps(self.choices(), sort_keys=True).encode()).hexdigest()[:8]
        if self.backbone is None:
            return f"{TFIDF}-{digest}"
        # A path is named by its last part.
        model = re.sub(r"[^A-Za-z0-9._]+", "-", Path(self.model).name).strip("-.") or "model"
        return f"{model}-{self.train_name}-{self.position}-{digest}"

    def differences(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """Field -> (theirs, ours), for the fields in which this recipe differs from `other`."""
        mine, theirs = self.model_dump(), other.model_dump()
        return {name: (theirs[name], mine[name]) for name in mine if mine[name] != theirs[name]}


class Seeds(Part):
    """What is random in a run: the new head's (and random weights') values, the order of training, the split."""

    init: int = Field(default=123, ge=0)
    order: int = Field(default=123, ge=0)
    split: int = Field(default=123, ge=0)


def make_recipe(values: dict[str, Any], where: str = "recipe") -> Recipe:
    """A Recipe from plain values. Raises UserError that names the field, the value and what is allowed."""
    try:
        return Recipe(**values)
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error, Recipe)}") from error
