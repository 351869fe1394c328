"""`python -m gptcore recipes`."""

from __future__ import annotations

from typer import echo


def recipes() -> None:
    """List the recipes that `fit --recipe` knows by name."""
    from gptcore.product.recipes import known_recipes

    known = known_recipes()
    width = max(map(len, known))
    for name, (_, about) in known.items():
        echo(f"{name:<{width}}  {about}")
