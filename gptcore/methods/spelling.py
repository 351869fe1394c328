"""The spellings of `train`: names from before methods had fields, tables with fields, and what is equal among them.

Records are found by their recipe's id, which hashes the oldest spelling that says the same. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

from pydantic import ValidationError

from gptcore.errors import first_problem
from gptcore.methods.base import Method
from gptcore.methods.existing import EXISTING
from gptcore.methods.layers import All, Features, TopBlocks
from gptcore.methods.lora import Lora
from gptcore.methods.prefix import PREFIXES
from gptcore.methods.prompts import PROMPTS
from gptcore.methods.wrapped import WRAPPED

Train = Literal["last_layer", "last_block", "last_two_blocks", "all", "lora", "features"]
_CLASSES: tuple[type[Method], ...] = (
    TopBlocks,
    All,
    Lora,
    Features,
    *WRAPPED,
    *EXISTING,
    *PROMPTS,
    *PREFIXES,
)
METHODS = {method.kind: method for method in _CLASSES}
# Methods by the names that they had before methods had fields: these names are in recipes' ids.
NAMED: dict[Train, Method] = {
    "last_layer": TopBlocks(k=0),
    "last_block": TopBlocks(k=1),
    "last_two_blocks": TopBlocks(k=2),
    "all": All(),
    "features": Features(),
}
# Methods that need no table: their name alone is one with all its fields' defaults.
WITH_DEFAULTS: dict[str, Method] = {
    method.kind: method() for method in (*WRAPPED, *EXISTING, *PROMPTS, *PREFIXES)
}
# Names for values of several fields
_SHORT: dict[str, dict[str, Any]] = {"rslora": {"train": Lora.kind, "lora_scaling": "alpha/sqrt(rank)"}}

# Of a method, beside `train`, in the spelling from before methods had fields of their own
METHOD_FIELDS = ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "lora_scaling")
_OLDER_OF_LORA = frozenset(name.removeprefix("lora_") for name in METHOD_FIELDS)


def known_method(train: Any) -> Train | Method:
    """What `train` names or describes, a name where the recipe keeps one. Raises ValueError, in one line."""
    if isinstance(train, Mapping):
        return parse_method(train)
    if isinstance(train, str) and train in WITH_DEFAULTS:
        return WITH_DEFAULTS[train]
    if isinstance(train, Method) or train in get_args(Train):
        return cast(Train | Method, train)
    names = ", ".join(repr(name) for name in (*get_args(Train), *_SHORT, *WITH_DEFAULTS))
    raise ValueError(f"use {names}, or a table {{ method = ... }}")


def parse_method(table: Mapping[str, Any]) -> Method:
    """A method from a table such as { method = "lora", rank = 4 }. Raises ValueError, in one line."""
    values = dict(table)
    kind = values.pop("method", None)
    if kind not in METHODS:
        raise ValueError(f"method = {kind!r}: use one of {', '.join(METHODS)}")
    try:
        return METHODS[kind](**values)
    except ValidationError as error:
        raise ValueError(first_problem(error, METHODS[kind])) from error


def spell_out(values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's values with `train = { method = ... }` in the fields from before, where they can say the same.

    So both spellings are one recipe. What is wrong or contradicts another value is left for `Recipe` to refuse.
    """
    values = dict(values)
    train = values.get("train")
    if isinstance(train, str) and (short := _SHORT.get(train)) is not None:
        if values.keys() & short.keys() == {"train"}:
            return values | short
        return values
    try:
        method = parse_method(train) if isinstance(train, Mapping) else train
    except ValueError:
        return values
    fields = older_fields(method) if isinstance(method, Method) else {}
    if isinstance(train, Mapping) and "targets" not in train:
        fields.pop("lora_targets", None)  # which layers there are depends on the model
        if fields.get("train") is method and "lora_targets" in values:
            fields["train"] = {**train, "targets": values["lora_targets"]}
        elif fields.get("train") is method:
            fields["train"] = train
    given = {name: values[name] for name in fields if name != "train" and name in values}
    if any(
        (tuple(value) if isinstance(value, list) else value) != fields[name] for name, value in given.items()
    ):
        return values
    return values | fields


def older_fields(method: Method) -> dict[str, Any]:
    """The fields that said the same before methods had fields; none where nothing could."""
    if isinstance(method, Lora):
        later = set(method.model_dump(exclude_defaults=True)) - _OLDER_OF_LORA
        fields = {f"lora_{name}": getattr(method, name) for name in _OLDER_OF_LORA}
        return {"train": method if later else Lora.kind, **fields}
    return next(({"train": name} for name, known in NAMED.items() if known == method), {})
