"""Options that several commands of `bench` share."""

from __future__ import annotations

from typing import Annotated

from typer import Option

Margin = Annotated[
    float | None,
    Option(
        min=0.01,
        max=50,
        help="margin in points of accuracy: a difference shown to be smaller counts as no difference. Default: the "
        "smallest of 1, 2 and 5 that this design can resolve with ten seeds",
    ),
]
