"""`python -m bench list`."""

from __future__ import annotations

from typer import echo


def list_command() -> None:
    """List matrices, models and datasets, one per line."""
    from bench.study.matrix import matrices
    from gptcore.backbones.config import REGISTRY
    from gptcore.data.datasets import DATASETS
    from gptcore.recipe import TFIDF

    models = [(name, entry.about) for name, entry in REGISTRY.items()]
    for title, lines in (
        ("matrices", matrices()),
        ("models", [*models, (TFIDF, "no GPT: TF-IDF and logistic regression")]),
        ("datasets", list(DATASETS.items())),
    ):
        echo(f"{title}:")
        width = max(12, *(len(name) for name, _ in lines))
        for name, about in lines:
            echo(f"  {name:<{width}}  {about}")
