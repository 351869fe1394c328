"""Pads texts in several ways and compares every answer with that for the text alone and unpadded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from gptcore.errors import UserError, first_line
from gptcore.padding.causes import causes_of, causes_of_refusal
from gptcore.padding.look import Padding
from gptcore.padding.model import Probed
from gptcore.padding.report import SIDES, Cause, Outcome, PaddingReport, Side, Way

BATCH = 8  # texts
TOLERANCE = 1e-3  # of the spread of a logit over the texts
ROUNDING = 1e-5  # of the largest logit: what float32 may lose where all texts have nearly the same logits


def probe(
    model: Probed,
    rows: Sequence[Sequence[int]],
    sides: Sequence[Side] = SIDES,
    *,
    n_read: int | None = None,
    notes: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> PaddingReport:
    """rows: the tokens of each text, at least two lengths. n_read: how many texts there were, see PaddingReport.

    Raises UserError where nothing can be padded, or where a text alone gives no answer.
    """
    lengths = [len(row) for row in rows]
    if min(lengths, default=0) == 0:
        raise UserError(f"a text has no tokens: {model.name} cannot answer it; leave empty texts out")
    alone = _answers(model, [[row] for row in rows])
    tolerance = _tolerance(alone)
    outcomes: list[Outcome] = []
    for way in ways(sides):
        if progress is not None:
            progress(str(way))
        flips = outcomes[0].n_flipped if outcomes else 0
        outcomes.append(_outcome(model, rows, way, alone, tolerance, flips))
    return PaddingReport(
        model=model.name,
        n_texts=len(rows),
        n_read=len(rows) if n_read is None else n_read,
        tokens=(min(lengths), max(lengths)),
        n_labels=alone.shape[1],
        own_side=model.own_side,
        tolerance=tolerance,
        notes=(*model.notes, *notes),
        outcomes=tuple(outcomes),
    )


def ways(sides: Sequence[Side]) -> Iterator[Way]:
    """Without padding first: what changes there is not due to padding."""
    yield Way(None, batched=True, longer=False)
    for side in sides:
        yield from (Way(side, True, False), Way(side, False, True), Way(side, True, True))


@torch.no_grad()
def _answers(model: Probed, batches: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """Logits (N, n_labels) float64, in order, of batches whose rows are equally long."""
    found = []
    for batch in batches:
        logits = model.run(batch, "right", len(batch[0])).logits
        if logits.dim() != 2:
            raise UserError(f"{model.name} gives no logits (N, labels): name a sequence classifier")
        found.append(logits.double())
    logits = torch.cat(found)
    if not bool(logits.isfinite().all()):
        raise UserError(f"{model.name}: the logits of a text alone are not finite: its weights are damaged")
    return logits


def _outcome(
    model: Probed, rows: Sequence[Sequence[int]], way: Way, alone: Tensor, tolerance: float, flips: int
) -> Outcome:
    """flips: of answers that are not due to padding."""
    batches = list(_batches(rows, way, model.more))
    try:
        found = torch.cat([_padded_answers(model, rows, way, batch, width) for batch, width in batches])
    except Exception as error:  # a model may refuse what it cannot batch in any way
        refused = first_line(error)
        causes = causes_of_refusal(
            model, lambda: [_padded_answers(model, rows, way, *each) for each in batches]
        )
        return Outcome(way, 0, 0.0, refused, causes or (_unknown("the model gave no answer"),))
    difference = (found - alone).abs().max(dim=1).values.nan_to_num(nan=float("inf"))
    flipped = _is_flipped(model, found, alone)
    n_flipped = int(flipped.sum())
    largest = float(difference.max())
    if largest <= tolerance and n_flipped <= flips:
        return Outcome(way, n_flipped, largest, None)
    if way.side is None:
        told = Cause(
            "answers not repeatable",
            f"a text gave other logits beside a copy of itself, without any padding, by up to {largest:.2g}",
            "look for chance in the model's code, or for an operation that depends on the batch",
        )
        return Outcome(way, n_flipped, largest, None, (told,))
    if largest <= tolerance:
        difference = difference.where(
            flipped, -1.0
        )  # a text whose answer changes, however little its logits do
    worst = int(difference.argmax())
    tolerance = min(tolerance, float(difference[worst]) / 10)
    width = next(width for batch, width in batches if worst in batch)
    causes = causes_of(model, Padding(rows[worst], way.side, width), tolerance)
    return Outcome(way, n_flipped, largest, None, causes or (_unknown("no known cause was confirmed"),))


def _tolerance(alone: Tensor) -> float:
    """What logits (N, n_labels) may differ by."""
    spread = float((alone.max(dim=0).values - alone.min(dim=0).values).max())
    return max(TOLERANCE * spread, ROUNDING * float(alone.abs().max()))


def _batches(rows: Sequence[Sequence[int]], way: Way, more: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Which texts are rows of one tensor, and its width."""
    longest = max(map(len, rows)) + more
    n = BATCH if way.batched and way.side is not None else 1
    for begin in range(0, len(rows), n):
        batch = tuple(range(begin, min(begin + n, len(rows))))
        yield batch, longest if way.longer else max(len(rows[at]) for at in batch)


@torch.no_grad()
def _padded_answers(
    model: Probed, rows: Sequence[Sequence[int]], way: Way, batch: Sequence[int], width: int
) -> Tensor:
    """Logits (n, n_labels) float64 of one batch."""
    some = [rows[at] for at in batch]
    if way.side is None:
        twice: Tensor = model.run([*some, *some], "right", width).logits
        return twice[len(some) :].double()
    logits: Tensor = model.run(some, way.side, width).logits
    return logits.double()


def _is_flipped(model: Probed, found: Tensor, alone: Tensor) -> Tensor:
    """(N,) bool. Of several labels at once any may flip; one output alone, a score, has no prediction."""
    if found.shape[1] == 1:
        return torch.zeros(len(found), dtype=torch.bool)
    if getattr(model.model.config, "problem_type", None) == "multi_label_classification":
        return ((found > 0) != (alone > 0)).any(dim=1)
    return found.argmax(dim=1) != alone.argmax(dim=1)


def _unknown(evidence: str) -> Cause:
    return Cause(
        "unknown", evidence, "compare the hidden states with those of the text alone, layer by layer"
    )
