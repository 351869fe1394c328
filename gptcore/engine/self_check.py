"""Trials of a loaded model: which rewrites of its forward pass give its own answer.

Three short rows of random tokens, on their own by the model as it comes, are what each rewrite is compared with. The
lowest blocks answer for all: blocks of a kind run the same code.
Windows longer than the rows are not seen by a trial; attention counts them in positions, so no rewrite moves them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from gptcore.backbones.hf_shallow import shallow
from gptcore.backbones.huggingface import HFBackbone
from gptcore.data.assets import cache_dir
from gptcore.data.rows import Rows, pad
from gptcore.engine.attention import Packing, RowAttention
from gptcore.errors import UserError, error_line
from gptcore.files import write_whole

# How code says that it does not do a thing: what else goes wrong says nothing of the model, and is not kept
REFUSALS = (NotImplementedError, ValueError, TypeError, LookupError, AttributeError, RuntimeError)
NO_MEMORY = ("out of memory", "allocate memory")  # which torch says by a RuntimeError as well
TOLERANCE = 1e-4  # of the largest state: sums in another order
LENGTHS, WIDTH = (9, 14, 5), 16
BLOCKS = 3  # that are tried, and more where a model has other kinds of blocks above these
VERSION = 3  # of the trials: raise it with every change of them
# What must hold of any model, and the rewrites that can be left off, by their names in `Abilities`
NEEDED, REWRITES = ("whole", "right", "left"), ("trunk", "packed", "reads", "one_pad", "turns")


def check_itself(backbone: HFBackbone) -> None:
    """Try the model out, turn off what does not hold, and leave the answer in `backbone.rewrites`.

    An answer is kept by config and versions of the libraries. Raises UserError where the states themselves are not the
    model's own.
    """
    abilities = asdict(backbone.info.abilities)
    failed = _kept_or_found(backbone)
    if "trunk" in failed:
        failed.setdefault("reads", "the last block cannot be computed alone, see trunk")
    if wrong := [name for name in NEEDED if name in failed]:
        raise UserError(
            f"{backbone.info.model_type}: its states are not those of transformers {version('transformers')} "
            f"({wrong[0]}: {failed[wrong[0]]}): use another version of it"
        )
    off = tuple(name for name in REWRITES if name in failed)
    backbone.info = backbone.info.model_copy(update={"off": off})
    why_not = (
        "one block serves as all of them" if not abilities["trunk"] else "its attention is code of its own"
    )
    backbone.rewrites = {
        name: ("on" if name not in failed else f"off: {failed[name]}")
        if abilities[name]
        else f"off: {why_not}"
        for name in REWRITES
    }


def failures(backbone: HFBackbone) -> dict[str, str]:
    """Name of each trial that its family has, and that failed -> why.

    Raises what is no answer of the model, such as OSError, or MemoryError where memory ran out.
    """
    trials, abilities = _Trials(backbone), asdict(backbone.info.abilities)
    found = {}
    for name in (*NEEDED, *(name for name in REWRITES if abilities[name])):
        try:
            reason = getattr(trials, name)()
        except REFUSALS as error:
            if any(words in str(error).lower() for words in NO_MEMORY):
                raise MemoryError(f"no memory to try out {backbone.info.model_type}: {error}") from error
            reason = error_line(error)[:200]
        if reason is not None:
            found[name] = reason
    return found


def _kept_or_found(backbone: HFBackbone) -> dict[str, str]:
    libraries = (torch.__version__, version("transformers"))
    what = json.dumps([VERSION, libraries, backbone.info.raw, asdict(backbone.info.family.abilities)])
    path = cache_dir() / "self-checks" / f"{hashlib.sha256(what.encode()).hexdigest()}.json"
    try:
        kept: Any = json.loads(path.read_bytes())
        if isinstance(kept, dict) and all(isinstance(reason, str) for reason in kept.values()):
            return kept
    except (OSError, ValueError, RecursionError):
        pass  # none yet, or a damaged one
    with shallow(backbone, BLOCKS):
        found = failures(backbone)
    with contextlib.suppress(UserError):  # a cache that cannot be written costs time only
        write_whole(path, json.dumps(found))
    return found


class _Trials:
    """Each method tries one thing out: None where it holds, else why not."""

    def __init__(self, backbone: HFBackbone) -> None:
        info = backbone.info
        self.backbone, self.causal = backbone, info.abilities.causal
        generator = torch.Generator().manual_seed(0)
        self.width = min(WIDTH, info.context)
        lengths = [min(n, max(1, self.width - 2 * i)) for i, n in enumerate(LENGTHS)]
        half = info.vocab_size // 2  # special tokens are usually the first
        self.rows = [
            torch.randint(half, info.vocab_size, (n,), generator=generator).tolist() for n in lengths
        ]
        self.alone = [self.backbone.their_states(torch.tensor([row]))[0] for row in self.rows]
        self.padded = pad(self.rows, self.width, 0)
        self._attend = RowAttention(self.causal, self.padded.real)

    def whole(self) -> str | None:
        """A row on its own."""
        found = self._run(Rows.whole(torch.tensor([self.rows[0]])), RowAttention(self.causal))
        return _compare([found[0]], self.alone[:1])

    def right(self) -> str | None:
        """Padding on the right is hidden."""
        return self._hidden(self.padded, self._attend)

    def left(self) -> str | None:
        """Padding on the left is hidden, positions count from the first token."""
        rows = pad(self.rows, self.width, 0, "left")
        positions = (rows.real.cumsum(dim=1) - 1).clamp(min=0)
        return self._hidden(rows, RowAttention(self.causal, rows.real, positions=positions))

    def packed(self) -> str | None:
        """Rows end to end, without their padding."""
        return self._hidden(self.padded, self._packing())

    def trunk(self) -> str | None:
        """Blocks up to three depths, and on from there."""
        n = self.backbone.info.n_blocks
        for depth in sorted({0, n // 2, n - 1}):
            states = self._run(self.padded, self._attend, stop=depth)
            reason = self._hidden(Rows(states, self.padded.lengths, depth=depth), self._attend)
            if reason is not None:
                return f"block {depth}: {reason}"
        return None

    def reads(self) -> str | None:
        """The last block at two positions of a row."""
        last = self.padded.lengths - 1
        read = torch.stack([last, last // 2], dim=1)
        expected = [states[at] for states, at in zip(self.alone, read, strict=True)]
        attend = self._packing() if self.backbone.info.abilities.packed else self._attend
        return _compare(list(self._run(self.padded, attend, read=read)), expected)

    def one_pad(self) -> str | None:
        """A pad token right after the text, at the last column's position, sees what it would see there."""
        last = self.width - 1
        # Only what sees nothing on its right is laid out like this: an encoder with the other mask.
        wide = self._run(self.padded, RowAttention(True, self.padded.real))
        rows = pad([[*row, 0] for row in self.rows], self.width, 0)
        columns = torch.arange(self.width)
        positions = torch.where(columns == rows.lengths[:, None] - 1, last, columns)
        near = self._run(rows, RowAttention(True, positions=positions))
        each = range(len(self.rows))
        return _compare([near[i, rows.lengths[i] - 1] for i in each], [wide[i, last] for i in each])

    def turns(self) -> str | None:
        """Under the other mask, what is on the right is seen by a decoder, and not by an encoder.

        A decoder under it in its upper half alone sees that there and not below.
        """
        if self._sees_right(RowAttention(not self.causal)) != self.causal:
            return "the other mask is not in force"
        half = self.backbone.info.n_blocks // 2
        upper = RowAttention(False, causal_below=half)
        if self.causal and half and (self._sees_right(upper, stop=half) or not self._sees_right(upper)):
            return "the other mask is not in force in the upper half alone"
        return None

    def _sees_right(self, attend: RowAttention, **more: Any) -> bool:
        """Whether the state of a row's last token but one depends on the last one, which any window has in it."""
        whole, last = Rows.whole(torch.tensor([self.rows[1]])), len(self.rows[1]) - 1
        begin = self._run(whole.columns(last), attend, **more)[0, last - 1]
        difference = (self._run(whole, attend, **more)[0, last - 1] - begin).abs().max()
        return bool(difference > TOLERANCE * begin.abs().max())

    def _packing(self) -> RowAttention:
        real = self.padded.real
        return RowAttention(self.causal, None if self.causal else real, Packing.of(real))

    def _hidden(self, rows: Rows, attend: RowAttention) -> str | None:
        """Compare the real positions of padded rows with rows on their own."""
        states, real = self._run(rows, attend), rows.real
        return _compare([states[i, real[i]] for i in range(len(rows))], self.alone)

    @torch.no_grad()
    def _run(self, rows: Rows, attend: RowAttention, **more: Any) -> Tensor:
        return self.backbone.run(rows, attend, **more)


def _compare(found: list[Tensor], expected: list[Tensor]) -> str | None:
    difference = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
    share = difference / max(float(b.abs().max()) for b in expected)
    return None if share <= TOLERANCE else f"off by {share:.1g} of the largest state"
