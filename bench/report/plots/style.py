"""Which colour a row has in every plot: one for each kind of change (palette of Okabe and Ito 2008)."""

from __future__ import annotations

from typing import NamedTuple

from bench.records.study import Row
from gptcore.methods.spelling import METHOD_FIELDS

REFERENCE = "#6E6E6E"  # what is not a row: the majority class, grid and leader lines


class Family(NamedTuple):
    """A kind of change: its name in legends, its colour, the recipe fields that belong to it."""

    label: str
    colour: str
    fields: frozenset[str]


BASELINE = Family("baseline", "#000000", frozenset())
OTHER = Family("optimiser", "#999999", frozenset())

# The first family that a change touches is the row's: what alters the model most comes first.
FAMILIES = (
    Family("weights", "#CC79A7", frozenset({"weights"})),
    Family("model", "#009E73", frozenset({"model"})),
    Family(
        "layers that learn",
        "#E69F00",
        frozenset({"train", *METHOD_FIELDS}),
    ),
    Family("padding and context", "#56B4E9", frozenset({"padding", "attend_padding", "context"})),
    Family("position", "#0072B2", frozenset({"position"})),
    Family("attention", "#D55E00", frozenset({"attention"})),
)

# No padding goes with batches of one text, so these may differ within a comparison of paddings.
_PADDING = frozenset({"padding", "attend_padding", "context", "position", "batch_size", "accumulation"})


def family(row: Row, baseline: Row | None) -> Family:
    """The kind of change that a row makes to the baseline, or to its own reference where there is none."""
    changed = row.recipe.differences(baseline.recipe).keys() if baseline else row.changes.keys()
    if not changed:
        return BASELINE
    return next((kind for kind in FAMILIES if kind.fields & changed), OTHER)


def is_about_padding(row: Row, baseline: Row) -> bool:
    """Whether a row differs from the baseline in padding, context or by reading the last real token only."""
    changed = row.recipe.differences(baseline.recipe).keys()
    touches = bool(changed & {"padding", "attend_padding", "context"}) or row.recipe.position == "last_real"
    return touches and bool(changed) and changed <= _PADDING


def is_about_size(row: Row, baseline: Row) -> bool:
    """Whether a row differs from the baseline only in its model, and in what depends on the model (lr, epochs)."""
    changed = row.recipe.differences(baseline.recipe).keys()
    return row.recipe.backbone is not None and "model" in changed and changed <= {"model", "lr", "epochs"}
