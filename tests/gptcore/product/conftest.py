"""A toy checkpoint and a file that it learns in no time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gptcore import Recipe, TextClassifier, load_dataset
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.weights import random_gpt, save_gpt
from gptcore.product import verify
from gptcore.product.fitting import fit_to_keep
from gptcore.product.folder import write_folder

CONFIG = ModelConfig(d_model=8, n_layer=3, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
WORDS = {"spam": ["win", "prize", "now", "free", "call"], "ham": ["see", "you", "at", "home", "now"]}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    save_gpt(random_gpt(CONFIG, 3), folder)
    return folder


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 different texts of two classes, one in seven with the wrong label."""
    rng = np.random.default_rng(0)
    rows = ["text,label"]
    for i in range(120):
        label = ("ham", "spam")[i % 2]
        words = rng.choice(WORDS[label], size=rng.integers(1, 7))
        rows.append(f"{' '.join(words)} {i},{label if i % 7 else ('spam', 'ham')[i % 2]}")
    path = tmp_path_factory.mktemp("data") / "reviews.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def recipe_file(tmp_path: Path, checkpoint: Path) -> Callable[..., str]:
    """A TOML file with one table [recipe], on the toy checkpoint unless `model` is given."""

    def make(**choices: object) -> str:
        values = {"model": str(checkpoint), "epochs": 3, "lr": 1e-2} | choices
        path = tmp_path / "recipe.toml"
        lines = [
            f"{name} = {value if isinstance(value, int | float) else repr(value)}"
            for name, value in values.items()
        ]
        path.write_text("\n".join(["[recipe]", *lines]))
        return str(path)

    return make


def verify_here(patch: pytest.MonkeyPatch) -> None:
    """Folders are verified in this process: a new one imports for seconds."""
    patch.setattr(
        verify,
        "_answers",
        lambda folder, texts, device: TextClassifier.load(folder, device).predict_proba(texts),
    )


@pytest.fixture
def verified_here(monkeypatch: pytest.MonkeyPatch) -> None:
    verify_here(monkeypatch)


@pytest.fixture(scope="session")
def spam_filter(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, reviews: Path) -> Path:
    """A folder made by `fit` with the toy checkpoint, whose rows have 9 tokens."""
    data = load_dataset(reviews)
    recipe = Recipe(model=str(checkpoint), train="all", position="last_real", epochs=3, lr=1e-2, context=9)
    folder = tmp_path_factory.mktemp("kept") / "spam-filter"
    with pytest.MonkeyPatch.context() as patch:
        verify_here(patch)
        write_folder(folder, fit_to_keep(recipe, data, device="cpu"), data, 0, None)
    return folder
