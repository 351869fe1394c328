"""Why an answer changes: each cause is confirmed on one text, by a repair that helps or by a gradient.

Gradients say exactly what is looked at: those of the logits which hidden states the head reads, and those of the hidden
states which embeddings they were computed from. What is hidden by a mask has a gradient of exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature

import torch

from gptcore.padding.look import Look, Padding, look
from gptcore.padding.model import Probed, padded
from gptcore.padding.report import Cause


def causes_of(model: Probed, padding: Padding, tolerance: float) -> tuple[Cause, ...]:
    """All that were confirmed for a text whose answer changes by more than `tolerance`, maybe none."""
    theirs = model.model_pad_id
    if theirs == model.pad_id:
        return tuple(_of_trunk_and_head(model, padding))
    before = tuple(_of_trunk_and_head(model, padding))
    with _pad_token(model):
        if _difference(model, padding) <= tolerance:
            return (_pad_token_cause(theirs, model.pad_id, "the answer is the one without padding"),)
        after = tuple(_of_trunk_and_head(model, padding))
    if after == before:
        return after
    return (_pad_token_cause(theirs, model.pad_id, "another position is read"), *after)


def causes_of_refusal(model: Probed, again: Callable[[], object]) -> tuple[Cause, ...]:
    """Of a model that gave no answer: that its config lacks the padding token, where `again` then does not raise."""
    theirs = model.model_pad_id
    if theirs == model.pad_id:
        return ()
    with _pad_token(model):
        try:
            again()
        except Exception:  # as without the repair: the reason is another one
            return ()
    return (_pad_token_cause(theirs, model.pad_id, "the model answers"),)


def _pad_token_cause(theirs: int | None, ours: int, then: str) -> Cause:
    remedy = "set model.config.pad_token_id to the tokenizer's pad_token_id, and save the model"
    if theirs is None:
        evidence = f"model.config.pad_token_id is not set, so padding (token {ours}) is taken for text"
        return Cause("no pad token", f"{evidence}; with it set, {then}", remedy)
    evidence = f"texts are padded with token {ours}, and model.config.pad_token_id is {theirs}"
    return Cause("another pad token", f"{evidence}; with the same token in both, {then}", remedy)


def _of_trunk_and_head(model: Probed, padding: Padding) -> Iterator[Cause]:
    seen, alone = look(model, padding), look(model, padding.without())
    if seen is None or alone is None:
        return
    if cause := _misread(padding, seen, alone):
        yield cause
    if seen.leak:
        yield Cause(
            "attention mask ignored",
            "the text's own hidden states depend on the embeddings of padding, which the mask should hide",
            "pass attention_mask on to every attention layer of the model's code",
        )
    elif not _agree(seen, alone) and _is_helped_by_positions(model, padding, alone):
        yield Cause(
            "positions not shifted",
            f"the first token has position {padding.offset} instead of 0; with position_ids that begin at the first "
            "token its hidden states are those without padding",
            "pad on the right, or pass position_ids = attention_mask.cumsum(1) - 1, at least 0",
        )


def _misread(padding: Padding, seen: Look, alone: Look) -> Cause | None:
    expected = frozenset(column + padding.offset for column in alone.read)
    if not seen.read or seen.read == expected:
        return None
    begin, end = padding.columns[0], padding.columns[-1]
    outside = seen.read - set(padding.columns)
    if len(alone.read) > 1:
        return Cause(
            "padding is read",
            f"the head reads {len(outside)} columns of padding beside {len(seen.read - outside)} of the text",
            "leave padding out of the mean or maximum, by the attention mask",
        )
    what = "which is padding" if outside else "which is another token of the text"
    return Cause(
        "position read from the wrong side",
        f"the head reads column {min(seen.read)}, {what}; the text has columns {begin} to {end}, and column "
        f"{min(expected)} is the one that is read without padding",
        f"find the position by the attention mask, or pad on the {'left' if padding.side == 'right' else 'right'}",
    )


def _is_helped_by_positions(model: Probed, padding: Padding, alone: Look) -> bool:
    if "position_ids" not in signature(model.model.forward).parameters:
        return False
    _, mask = padded([padding.row], padding.side, padding.width, model.pad_id)
    found = look(model, padding, position_ids=(mask.cumsum(1) - 1).clamp(min=0))
    return found is not None and _agree(found, alone)


def _agree(found: Look, alone: Look) -> bool:
    """Whether the text's hidden states are those without padding, but for rounding."""
    tolerance = 1e-3 * max(1.0, float(alone.inside.abs().max()))
    return bool((found.inside - alone.inside).abs().max() <= tolerance)


def _difference(model: Probed, padding: Padding) -> float:
    """The largest difference of a logit, padded and not."""
    with torch.no_grad():
        found, alone = (
            model.run([each.row], each.side, each.width).logits for each in (padding, padding.without())
        )
    return float((found - alone).abs().max())


@contextmanager
def _pad_token(model: Probed) -> Iterator[None]:
    """The model's config names, for now, the token that rows are padded with."""
    config = model.model.config.get_text_config()
    before, config.pad_token_id = config.pad_token_id, model.pad_id
    try:
        yield
    finally:
        config.pad_token_id = before
