"""Which part of a padded row can change the answer, derived from the recipe alone.

The plain layout is the recipe taken literally. The exact layout computes no token that cannot matter; both give
the same logits. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from gptcore.backbones.info import Abilities
from gptcore.recipe import Position, Recipe

EngineName = Literal["fast", "plain"]
Precision = Literal["float32", "bfloat16"]
GPT2 = Abilities()


@dataclass(frozen=True)
class Layout:
    """How rows are laid out, which positions may be attended to, and what is read.

    side:         where rows are padded.
    causal:       the attention mask.
    causal_lower_half: where it is not causal, the lower half of the blocks still are, rounded down.
    mask_padding: padding cannot be attended to.
    one_by_one:   each row alone, unpadded.
    drop_padding: padding on the right changes nothing: a batch may be cut to its longest row, and blocks leave out
                  what padding remains.
    keep_one_pad: a row is its text and, where that does not fill it, the padding of its last column alone, which is
                  what is read.
    last_block_at_read_positions: the last block computes queries and MLP only where the head reads.
    whole_steps:  the batches that accumulate to one optimiser step go through the model together.
    """

    side: Literal["right", "left"]
    causal: bool
    mask_padding: bool
    position: Position
    one_by_one: bool = False
    drop_padding: bool = False
    keep_one_pad: bool = False
    last_block_at_read_positions: bool = False
    whole_steps: bool = False
    causal_lower_half: bool = False

    def causal_below(self, n_blocks: int) -> int:
        """Blocks from the bottom of a model of that many that are causal though those above are not."""
        return n_blocks // 2 if self.causal_lower_half else 0

    def up_to(self, depth: int, n_blocks: int) -> Layout:
        """The layout as the blocks below `depth` have it: the causal one where all of them are causal.

        So their states are those of a causal recipe, to be shared with it.
        """
        if not 0 < depth <= self.causal_below(n_blocks):
            return self
        # Padding on the right, where nothing else is looked at, is hidden by the causal mask.
        mask_padding = self.mask_padding and not self.drop_padding
        return replace(self, causal=True, causal_lower_half=False, mask_padding=mask_padding)

    @property
    def reads_text_alone(self) -> bool:
        """Whether the answer depends on a row's own text, however long its padding is."""
        return self.one_by_one or (self.drop_padding and not self.keep_one_pad)

    @property
    def first_token(self) -> bool:
        """Whether nothing right of the first column can change the answer."""
        return self.drop_padding and self.causal and self.position == "first"


def plain_layout(recipe: Recipe, abilities: Abilities = GPT2) -> Layout:
    """The recipe as it is written: every row at full width, or alone where there is no padding."""
    return Layout(
        side="left" if recipe.padding == "left" else "right",
        causal=abilities.causal if recipe.attention == "native" else recipe.attention == "causal",
        mask_padding=not recipe.attend_padding,
        position=recipe.position,
        one_by_one=recipe.padding == "none",
        causal_lower_half=recipe.attention == "bidirectional_upper_half",
    )


def exact_layout(recipe: Recipe, abilities: Abilities = GPT2) -> Layout:
    """The same answer from fewer tokens.

    Where the answer depends on a row's own text only, rows are padded on the right, cut to the longest of
    their batch, and padding is hidden: by the causal mask, which never looks right, or by a padding mask. Where
    the last column is read and sees no other padding, the columns between it and the text are left out.
    """
    plain = plain_layout(recipe, abilities)
    causal = plain.causal
    reads_hidden_pad = recipe.padding == "right" and not recipe.attend_padding and recipe.position == "last"
    if causal and reads_hidden_pad and abilities.one_pad:
        return Layout(
            side="right",
            causal=True,
            mask_padding=False,
            position="last_real",
            drop_padding=True,
            keep_one_pad=True,
            last_block_at_read_positions=abilities.reads,
            whole_steps=True,
        )
    if not _depends_on_text_only(recipe, causal):
        return replace(
            plain,
            last_block_at_read_positions=abilities.reads and _reads_one(plain.position),
            whole_steps=True,
        )
    position = recipe.position
    if recipe.padding != "right":  # without padding that is seen, the last token is the last real one
        position = {"last": "last_real", "mean": "mean_real"}.get(position, position)  # type: ignore[assignment]
    return Layout(
        side="right",
        causal=causal,
        mask_padding=not causal,
        position=position,
        drop_padding=True,
        last_block_at_read_positions=abilities.reads and _reads_one(position),
        whole_steps=True,
        causal_lower_half=plain.causal_lower_half,
    )


def _depends_on_text_only(recipe: Recipe, causal: bool) -> bool:
    if recipe.padding == "none":
        return True
    if recipe.padding == "left":
        return not recipe.attend_padding and recipe.position in ("last", "last_real", "mean_real")
    hidden = causal or not recipe.attend_padding
    return hidden and recipe.position in ("first", "last_real", "mean_real")


def _reads_one(position: Position) -> bool:
    return position in ("first", "last", "last_real")
