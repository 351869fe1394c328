"""The recipe: every choice of one way to turn a GPT into a text classifier, validated, with a stable id.

Imports no torch. Defaults are those of the published study's baseline.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gptcore.errors import UserError

Train = Literal["last_layer", "last_block", "last_two_blocks", "all", "lora", "features"]
Position = Literal["first", "last", "last_real", "mean", "mean_real"]
TFIDF = "tfidf"  # the `model` that is no GPT: TF-IDF and logistic regression, the baseline of any such table
# Blocks that learn in the recipes that leave lower ones frozen; 0: the head alone
TRAINED_BLOCKS = {"last_layer": 0, "features": 0, "last_block": 1, "last_two_blocks": 2}

_LORA = ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "lora_scaling")
_OPTIMISER = (
    *("lr", "weight_decay", "epochs", "batch_size", "accumulation", "warmup", "schedule"),
    *("clip_norm", "patience", "restore_best"),
)
# Hashed into every id. A field that is not listed came later: it is hashed only where it differs from its default,
# so that the records from before it are still found. Never add to this list.
_ALWAYS_HASHED = frozenset(
    (
        *("model", "weights", "train", "position", "attention", "padding", "attend_padding", "context"),
        *_LORA,
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
    train: Train = Field(default="last_block", description="which layers learn")
    position: Position = Field(default="last", description="which hidden state the head reads")
    attention: Literal["causal", "bidirectional"] = "causal"
    padding: Literal["right", "left", "none"] = "right"
    attend_padding: bool = Field(default=True, description="whether padding can be attended to")
    context: Literal["longest", "model"] | int = Field(
        default="longest", description="tokens a row is padded to"
    )

    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: float = Field(default=16, gt=0)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    lora_targets: tuple[str, ...] = Field(default=("c_attn", "c_proj", "c_fc"), min_length=1)
    lora_scaling: Literal["alpha/rank", "alpha"] = Field(default="alpha", description="'alpha' as published")

    lr: float = Field(default=5e-5, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    epochs: int = Field(default=5, ge=1)
    batch_size: int = Field(default=8, ge=1)
    accumulation: int = Field(default=1, ge=1, description="batches to one optimiser step")
    warmup: float = Field(default=0.0, ge=0, lt=1, description="share of the steps with rising lr")
    schedule: Literal["constant", "cosine"] = "constant"
    clip_norm: float | None = Field(default=None, gt=0, description="largest gradient norm")
    patience: int | None = Field(default=None, ge=1, description="epochs without a lower validation loss")
    restore_best: bool = Field(default=False, description="end with the epoch of lowest validation loss")

    @field_validator("context", mode="before")
    @classmethod
    def _tokens(cls, context: Any) -> Any:
        if isinstance(context, bool) or (isinstance(context, int) and context < 1):
            raise ValueError("use 'longest', 'model' or a number of tokens, at least 1")
        return context

    @property
    def is_tfidf(self) -> bool:
        """Whether this is the TF-IDF baseline, to which only `model` and `ngrams` matter."""
        return self.model == TFIDF

    @property
    def relevant(self) -> tuple[str, ...]:
        """Names of the fields that matter to this recipe's outcome, in the order of the schema."""
        fields = tuple(type(self).model_fields)
        if self.is_tfidf:
            return tuple(name for name in fields if name in ("model", "ngrams"))
        ignored = {"ngrams"}
        if self.train != "lora":
            ignored.update(_LORA)
        if self.train == "features":
            ignored.update(_OPTIMISER)
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
        return self.model_dump(mode="json", include=chosen)

    @property
    def id(self) -> str:
        """Stable, readable id: model, layers and position, then a hash of all choices."""
        digest = hashlib.sha256(json.dumps(self.choices(), sort_keys=True).encode()).hexdigest()[:8]
        if self.is_tfidf:
            return f"{TFIDF}-{digest}"
        # A path is named by its last part.
        model = re.sub(r"[^A-Za-z0-9._]+", "-", Path(self.model).name).strip("-.") or "model"
        return f"{model}-{self.train}-{self.position}-{digest}"

    def differences(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """Field -> (theirs, ours), for the fields in which this recipe differs from `other`."""
        mine, theirs = self.model_dump(), other.model_dump()
        return {name: (theirs[name], mine[name]) for name in mine if mine[name] != theirs[name]}


class Seeds(BaseModel):
    """What is random in a run: the new head's (and random weights') values, the order of training, the split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    init: int = Field(default=123, ge=0)
    order: int = Field(default=123, ge=0)
    split: int = Field(default=123, ge=0)


def make_recipe(values: dict[str, Any], where: str = "recipe") -> Recipe:
    """A Recipe from plain values. Raises UserError that names the field, the value and what is allowed."""
    try:
        return Recipe(**values)
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """pydantic's first complaint as one line: field, value, what is allowed."""
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(("literal[", "int")))
    if problem["type"] == "extra_forbidden":
        return f"{field!r} is no field (the fields are {', '.join(Recipe.model_fields)})"
    more = "" if error.error_count() == 1 else f" (and {error.error_count() - 1} more)"
    return f"{field} = {problem['input']!r}: {problem['msg']}{more}"
