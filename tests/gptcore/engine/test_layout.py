"""What the fast engine may leave out, recipe by recipe. That the answer is the same is shown in test_engine."""

from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest

from gptcore.engine.layout import Layout, exact_layout, plain_layout
from gptcore.recipe import Position, Recipe


def recipe(
    position: str, padding: str = "right", attention: str = "causal", attend_padding: bool = True
) -> Recipe:
    values: dict[str, Any] = {"position": position, "padding": padding, "attention": attention}
    return Recipe(**values, attend_padding=attend_padding)


TRIMMED = [  # the answer depends on the text alone: recipe, then what is read, and whether padding needs a mask
    (recipe("first"), "first", False),
    (recipe("first", attend_padding=False), "first", False),
    (recipe("last_real"), "last_real", False),
    (recipe("last_real", attend_padding=False), "last_real", False),
    (recipe("mean_real"), "mean_real", False),
    (recipe("mean_real", attend_padding=False), "mean_real", False),
    (recipe("first", attention="bidirectional", attend_padding=False), "first", True),
    (recipe("last_real", attention="bidirectional", attend_padding=False), "last_real", True),
    (recipe("mean_real", attention="bidirectional", attend_padding=False), "mean_real", True),
    (recipe("last", "left", attend_padding=False), "last_real", False),
    (recipe("last_real", "left", attend_padding=False), "last_real", False),
    (recipe("mean_real", "left", attend_padding=False), "mean_real", False),
    (recipe("last", "left", "bidirectional", attend_padding=False), "last_real", True),
    (recipe("last_real", "left", "bidirectional", attend_padding=False), "last_real", True),
    (recipe("mean_real", "left", "bidirectional", attend_padding=False), "mean_real", True),
    (recipe("first", "none"), "first", False),
    (recipe("last", "none"), "last_real", False),
    (recipe("last_real", "none"), "last_real", False),
    (recipe("mean", "none"), "mean_real", False),
    (recipe("mean_real", "none"), "mean_real", False),
    (recipe("last", "none", "bidirectional"), "last_real", True),
    (recipe("mean", "none", "bidirectional", attend_padding=False), "mean_real", True),
]
FULL_WIDTH = [  # padding is read, or seen: recipe, and whether one position is all that the last block needs
    (recipe("last"), True),
    (recipe("mean"), False),
    (recipe("mean", attend_padding=False), False),
    (recipe("last", attention="bidirectional"), True),
    (recipe("first", attention="bidirectional"), True),
    (recipe("last_real", attention="bidirectional"), True),
    (recipe("mean_real", attention="bidirectional"), False),
    (recipe("last", attention="bidirectional", attend_padding=False), True),
    (recipe("last", "left"), True),
    (recipe("last_real", "left"), True),
    (recipe("mean_real", "left"), False),
    (recipe("last_real", "left", "bidirectional"), True),
    (recipe("first", "left"), True),
    (recipe("first", "left", attend_padding=False), True),
    (recipe("first", "left", "bidirectional", attend_padding=False), True),
    (recipe("mean", "left", attend_padding=False), False),
]


def name(found: Recipe) -> str:
    seen = "seen" if found.attend_padding else "masked"
    return f"{found.position}-{found.padding}-{found.attention}-{seen}"


@pytest.mark.parametrize(("given", "read", "masked"), TRIMMED, ids=[name(row[0]) for row in TRIMMED])
def test_trimmed(given: Recipe, read: Position, masked: bool) -> None:
    assert exact_layout(given) == Layout(
        side="right",
        causal=given.attention == "causal",
        mask_padding=masked,
        position=read,
        drop_padding=True,
        last_block_at_read_positions=not read.startswith("mean"),
        whole_steps=True,
    )


@pytest.mark.parametrize(
    ("given", "last_block_at_read_positions"), FULL_WIDTH, ids=[name(row[0]) for row in FULL_WIDTH]
)
def test_full_width(given: Recipe, last_block_at_read_positions: bool) -> None:
    assert exact_layout(given) == replace(
        plain_layout(given), last_block_at_read_positions=last_block_at_read_positions, whole_steps=True
    )


def test_with_an_upper_half_both_ways_padding_is_laid_out_as_with_all_of_it() -> None:
    for position, padding, hidden in product(get_args(Position), ["right", "left", "none"], [True, False]):
        half = recipe(position, padding, "bidirectional_upper_half", not hidden)
        whole = recipe(position, padding, "bidirectional", not hidden)
        for lay_out in (plain_layout, exact_layout):
            assert lay_out(half) == replace(lay_out(whole), causal_lower_half=True)


def test_blocks_of_a_causal_lower_half_have_the_layout_of_a_causal_recipe() -> None:
    for position, padding in [("last_real", "right"), ("mean_real", "left"), ("last_real", "none")]:
        half = exact_layout(recipe(position, padding, "bidirectional_upper_half", attend_padding=False))
        causal = exact_layout(recipe(position, padding, attend_padding=False))
        assert [half.causal_below(n) for n in (1, 2, 5, 6)] == [0, 1, 2, 3]
        assert [half.up_to(depth, 5) == causal for depth in range(6)] == [
            False,
            True,
            True,
            False,
            False,
            False,
        ]
        assert half.up_to(3, 5) is half
        assert causal.up_to(2, 5) is causal


def test_only_the_first_token_is_laid_out_where_it_sees_itself_only() -> None:
    assert exact_layout(recipe("first")).first_token
    assert exact_layout(recipe("first", "none")).first_token
    assert not exact_layout(recipe("first", attention="bidirectional", attend_padding=False)).first_token
    assert not exact_layout(recipe("last_real")).first_token
    assert not plain_layout(recipe("first")).first_token


@pytest.mark.parametrize("padding", ["right", "left", "none"])
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("attend_padding", [True, False])
@pytest.mark.parametrize("position", get_args(Position))
def test_the_plain_view_is_the_recipe_as_written(
    position: Position, attend_padding: bool, attention: str, padding: str
) -> None:
    assert plain_layout(recipe(position, padding, attention, attend_padding)) == Layout(
        side="left" if padding == "left" else "right",
        causal=attention == "causal",
        mask_padding=not attend_padding,
        position=position,
        one_by_one=padding == "none",
    )


ONE_PAD = recipe("last", attend_padding=False)  # reads a padding token that sees itself and the text


def test_of_hidden_padding_only_what_is_read_stays() -> None:
    assert exact_layout(ONE_PAD) == replace(exact_layout(recipe("last_real")), keep_one_pad=True)
    # Without a causal mask the text would see it.
    assert not exact_layout(recipe("last", attention="bidirectional", attend_padding=False)).keep_one_pad


def test_nothing_else_is_trimmed() -> None:
    listed = {name(row[0]) for row in TRIMMED} | {name(ONE_PAD)}
    kinds = product(get_args(Position), ["right", "left"], ["causal", "bidirectional"], [True, False])
    padded = [recipe(*kind) for kind in kinds]
    assert {name(r) for r in padded if exact_layout(r).drop_padding} == {
        n for n in listed if "-none-" not in n
    }
