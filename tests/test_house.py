"""Each question has one place that answers it: what a method is, who fits a recipe, what a backbone is made of."""

import re
from pathlib import Path
from typing import get_args

import pytest

from gptcore.methods.spelling import METHODS, WITH_DEFAULTS, Train
from gptcore.recipe import TFIDF, Recipe

ROOT = Path(__file__).parents[1]
KINDS = sorted({*METHODS, "last_layer", "last_block", "last_two_blocks"})
# A method's name beside a comparison, and not in a name, a text or a table of data
ASKS_KIND = re.compile(
    r"""\.train (?:==|!=|in|not in) |isinstance\([^)]*\b(?:Lora|TopBlocks|All|Features)\)"""
)
NAMES_KIND = re.compile(rf"""(?:==|!=|\bin\b|\bget\()\s*\(?["'](?:{"|".join(KINDS)})["']""")
ASKS_TFIDF = re.compile(rf"""is_tfidf|[!=]= (?:TFIDF|["']{TFIDF}["'])""")
REACHES_INTO_GPT = re.compile(r"\b(?:backbone|gpt|model)\.(?:h|wte|wpe|ln_f|lm_head)\b")


def offending(pattern: re.Pattern[str], *allowed: str) -> list[str]:
    """ "file:line: text" of every line of the packages that matches, but for files whose path starts as allowed."""
    found = []
    for package in ("gptcore", "bench"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(allowed):
                continue
            lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
            found += [f"{name}:{i}: {line.strip()}" for i, line in lines if pattern.search(line)]
    return found


def test_nothing_but_methods_and_the_recipe_asks_what_kind_a_method_is() -> None:
    for pattern in (ASKS_KIND, NAMES_KIND):
        assert not offending(pattern, "gptcore/methods/", "gptcore/recipe.py")


def test_nothing_but_the_recipe_asks_whether_the_model_is_tfidf() -> None:
    assert not offending(ASKS_TFIDF, "gptcore/recipe.py")


def test_nothing_but_backbones_reaches_into_the_gpt() -> None:
    assert not offending(REACHES_INTO_GPT, "gptcore/backbones/")


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (ASKS_KIND, 'if recipe.train == "all":'),
        (ASKS_KIND, "if isinstance(recipe.method, Lora):"),
        (NAMES_KIND, 'kind in ("last_layer", "last_block")'),
        (ASKS_TFIDF, "if recipe.is_tfidf:"),
        (REACHES_INTO_GPT, "classifier.backbone.h[3]"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


def test_every_name_is_a_method_and_every_method_has_one() -> None:
    named = {name: Recipe(train=name).method.kind for name in (*get_args(Train), *WITH_DEFAULTS)}
    assert set(named.values()) == set(METHODS)
    assert {name for name, kind in named.items() if name != kind} == {
        "last_layer",
        "last_block",
        "last_two_blocks",
    }
