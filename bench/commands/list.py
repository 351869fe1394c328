"""`python -m bench list`."""

from __future__ import annotations

from typer import echo


def list_command() -> None:
    """List matrices, models, datasets and published tables, one per line."""
    from bench.published.judged import judged_tables
    from bench.study.matrix import matrices
    from gptcore.backbones.catalogue import CATALOGUE
    from gptcore.backbones.config import REGISTRY
    from gptcore.data.datasets import DATASETS
    from gptcore.recipe import TFIDF

    models = {name: known.line for name, known in CATALOGUE.items()}
    models = {name: entry.about for name, entry in REGISTRY.items()} | models
    for title, lines in (
        ("matrices", matrices()),
        (
            "models (one study on several: --models a,b,c)",
            [*models.items(), (TFIDF, "no GPT: TF-IDF and logistic regression")],
        ),
        ("datasets", list(DATASETS.items())),
        ("published tables", list(judged_tables().items())),
    ):
        echo(f"{title}:")
        width = max(12, *(len(name) for name, _ in lines))
        for name, about in lines:
            echo(f"  {name:<{width}}  {about}")
