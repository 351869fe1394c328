"""Trunks kept for later runs: in memory while they fit, else in mapped files."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial

import psutil
import torch
from torch import Tensor

from gptcore.data.assets import cache_dir
from gptcore.data.rows import READ, Rows, pooled
from gptcore.engine.classifier import Classifier
from gptcore.engine.layout import Layout
from gptcore.engine.trunk import Trunk, compute_trunk
from gptcore.engine.trunk_files import TrunkFiles

MEMORY_SHARE = 0.3  # of the memory that is free when the store is first asked

STATES_VERSION = 1  # of what the forward pass makes of a row: raise it with every change beyond rounding
Key = tuple[str, int, str]  # what decides the states; depth; the position that features are read at


class TrunkStore:
    """Trunks by what decides them. Over the budget of memory, the least recently used go to the disk.

    memory_bytes: by default a share of what is free where the states lie; files: by default in the cache folder.
    """

    def __init__(self, memory_bytes: int | None = None, files: TrunkFiles | None = None) -> None:
        self._memory_bytes = memory_bytes
        self.files = files or TrunkFiles(cache_dir() / "trunks")
        self._in_memory: OrderedDict[Key, Trunk] = OrderedDict()
        self._on_disk: dict[Key, Trunk] = {}  # those that are mapped by now
        self._used: set[Key] = set()  # since `forget_unused` was called

    def memory_bytes(self, device: torch.device) -> int:
        """What the trunks that are kept on a device may take; asked for the first time, a share of what is free."""
        if self._memory_bytes is None:
            on_gpu = device.type == "cuda"
            free = torch.cuda.mem_get_info(device)[0] if on_gpu else psutil.virtual_memory().available
            self._memory_bytes = int(free * MEMORY_SHARE)
        return self._memory_bytes

    def get(self, classifier: Classifier, weights: str, rows: Rows, depth: int) -> tuple[Trunk, float]:
        """The trunk of these rows up to block `depth`, and the seconds of it that had been spent before.

        depth = n_layer asks for features, which start from the states before the last block. weights:
        fingerprint of the frozen weights. A deeper trunk starts from the deepest one there that is shallower.
        """
        n_layer, layout = classifier.backbone.info.n_blocks, classifier.layout
        digest = cache(partial(_digest, classifier, weights, rows))
        how = layout.up_to(depth, n_layer)
        key = _key(digest, layout, depth, n_layer)
        if (found := self._known(key)) is not None:
            return found, found.seconds
        if depth == n_layer:
            base, spent_before = None, 0.0
            if n_layer > 1 and classifier.backbone.info.abilities.trunk:
                base, spent_before = self.get(classifier, weights, rows, n_layer - 1)
            trunk = compute_trunk(classifier, rows, depth, base)
            self._keep(key, trunk)
            return trunk, spent_before
        shallower = [
            k
            for k in (*self._in_memory, *self._on_disk)
            if k[1] < depth and k[0] == digest(layout.up_to(k[1], n_layer))
        ]
        base_or_none = self._known(max(shallower, key=lambda k: k[1])) if shallower else None
        d_model, dtype = classifier.backbone.info.width, classifier.backbone.embedding.weight.dtype
        shape = (len(rows), rows.width, d_model)
        if torch.Size(shape).numel() * dtype.itemsize > self.memory_bytes(rows.values.device):
            with classifier.laid_out_as(how):
                return self._through_disk(key, classifier, rows, base_or_none, shape, dtype)
        with classifier.laid_out_as(how):
            trunk = compute_trunk(classifier, rows, depth, base_or_none)
        self._keep(key, trunk)
        return trunk, 0.0 if base_or_none is None else base_or_none.seconds

    def parts(
        self, classifier: Classifier, weights: str, tokens: Sequence[Rows], depth: int
    ) -> tuple[list[Rows], float]:
        """Parts of the texts up to block `depth`, from one trunk of all of them, and what `get` says of its seconds.

        So whoever divides the same texts in another way finds it.
        """
        pool, places = pooled(tokens)
        trunk, spent_before = self.get(classifier, weights, pool, depth)
        return _parts(trunk, tokens, places), spent_before

    def known_parts(
        self, classifier: Classifier, weights: str, tokens: Sequence[Rows], depth: int
    ) -> list[Rows] | None:
        """What `parts` would give, if this process has that trunk."""
        if not any(
            key[1] == depth and trunk.rows.side == tokens[0].side and trunk.rows.width in (0, tokens[0].width)
            for key, trunk in (*self._in_memory.items(), *self._on_disk.items())
        ):
            return None  # rows of many texts are not compared in vain
        pool, places = pooled(tokens)
        digest = partial(_digest, classifier, weights, pool)
        trunk = self._known(_key(digest, classifier.layout, depth, classifier.backbone.info.n_blocks))
        return None if trunk is None else _parts(trunk, tokens, places)

    def forget(self) -> None:
        """Let go of every trunk: of those on the disk the files stay, for whoever wants the same ones."""
        self._in_memory.clear()
        self._on_disk.clear()

    def forget_unused(self) -> None:
        """Let go of the trunks that were not asked for since the last call; files stay."""
        for key in (self._in_memory.keys() | self._on_disk.keys()) - self._used:
            self._in_memory.pop(key, None)
            self._on_disk.pop(key, None)
        self._used.clear()

    def _known(self, key: Key) -> Trunk | None:
        self._used.add(key)
        if key in self._in_memory:
            self._in_memory.move_to_end(key)
            return self._in_memory[key]
        if key in self._on_disk:
            self.files.touch(_name(key))
        return self._on_disk.get(key)

    def _through_disk(
        self,
        key: Key,
        classifier: Classifier,
        rows: Rows,
        base: Trunk | None,
        shape: tuple[int, ...],
        dtype: torch.dtype,
    ) -> tuple[Trunk, float]:
        """A trunk that memory has no room for: from its file, or computed into one."""
        name = _name(key)
        with self.files.lock(name):
            if (found := self.files.find(name, shape)) is not None:
                states, seconds = found
                trunk = Trunk(replace(rows, values=states, depth=key[1]), seconds)
                self._on_disk[key] = trunk
                return trunk, seconds
            out = self.files.create(name, shape, dtype)
            trunk = compute_trunk(classifier, rows, key[1], base, out)
            if out is not None:
                self.files.commit(name, out, trunk.seconds)
                self._on_disk[key] = trunk
            return trunk, 0.0 if base is None else base.seconds

    def _keep(self, key: Key, trunk: Trunk) -> None:
        self._in_memory[key] = trunk
        budget = self.memory_bytes(trunk.rows.lengths.device)
        while len(self._in_memory) > 1 and self._used_bytes() > budget:
            self._move_to_disk(*self._in_memory.popitem(last=False))

    def _used_bytes(self) -> int:
        return sum(trunk.rows.values.nbytes for trunk in self._in_memory.values())

    def _move_to_disk(self, key: Key, trunk: Trunk) -> None:
        if trunk.rows.depth == READ:
            return  # features are small and come from the states
        name, states = _name(key), trunk.rows.values
        with self.files.lock(name):
            found = self.files.find(name, tuple(states.shape))
            mapped: Tensor | None = (
                found[0] if found else self.files.create(name, tuple(states.shape), states.dtype)
            )
            if mapped is None:
                return  # no room: computed again when it is wanted again
            if not found:
                mapped.copy_(states)
                self.files.commit(name, mapped, trunk.seconds)
        self._on_disk[key] = replace(trunk, rows=replace(trunk.rows, values=mapped))


def _parts(trunk: Trunk, tokens: Sequence[Rows], places: Sequence[Tensor]) -> list[Rows]:
    made = trunk.rows
    return [
        replace(made, lengths=part.lengths, places=of_part.to(made.values.device))
        for part, of_part in zip(tokens, places, strict=True)
    ]


def _key(digest: Callable[[Layout], str], layout: Layout, depth: int, n_layer: int) -> Key:
    return digest(layout.up_to(depth, n_layer)), depth, layout.position if depth == n_layer else ""


def _name(key: Key) -> str:
    same, depth, _ = key
    return f"{same}-{depth}"


def _digest(classifier: Classifier, weights: str, rows: Rows, how: Layout) -> str:
    """SHA-256 of everything that decides hidden states, but the depth."""
    device = rows.values.device.type
    # As it was before only a half of the blocks could be causal, so that files from then are found.
    causal = "lower half" if how.causal_lower_half else how.causal
    parts = (weights, causal, how.mask_padding, how.drop_padding, how.one_by_one, rows.side)
    shape = (tuple(rows.values.shape), rows.last_position, device, classifier.precision)
    # Equal tensors are other models with other heads or another epsilon.
    model = classifier.backbone.info.identity
    digest = hashlib.sha256(repr((STATES_VERSION, parts, shape, model)).encode())
    digest.update(rows.values.cpu().numpy().tobytes())
    digest.update(rows.lengths.cpu().numpy().tobytes())
    return digest.hexdigest()
