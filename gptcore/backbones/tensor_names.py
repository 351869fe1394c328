"""Which tensors a checkpoint should hold, and which of those that it has are meant. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gptcore.backbones.checkpoint_files import printable
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.safetensors_header import TensorInfo
from gptcore.errors import UserError

FLOATS = ("F64", "F32", "F16", "BF16")
# What wrappers put before a name: transformers, DataParallel, torch.compile, other training loops, PEFT.
PREFIX = re.compile(r"(transformer\.|module\.|_orig_mod\.|model\.|base_model\.model\.)*")
# Heads of other tasks (transformers: classification, tokens, answers, multiple choice; TRL: values).
HEADS = ("score.", "classifier.", "qa_outputs.", "multiple_choice_head.", "mc_head.", "v_head.")
# Constant causal masks that older checkpoints carry along.
BUFFERS = (".attn.bias", ".attn.masked_bias")
ANCHOR = "wte.weight"  # the one tensor that every checkpoint has once
SHOWN = 3  # names of each kind of problem


@dataclass(frozen=True)
class Match:
    """names: the model's name of a tensor -> the file's; notes: what was left out or read in another way."""

    names: dict[str, str]
    notes: tuple[str, ...]


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape in a GPT-2 checkpoint, whose layers are Conv1D: (in, out)."""
    d, d_mlp = config.d_model, config.d_mlp
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (config.vocab_size, d),
        "wpe.weight": (config.context, d),
    }
    layers = {
        "attn.c_attn": (d, 3 * d),
        "attn.c_proj": (d, d),
        "mlp.c_fc": (d, d_mlp),
        "mlp.c_proj": (d_mlp, d),
    }
    for i in range(config.n_layer):
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"h.{i}.{norm}.weight": (d,), f"h.{i}.{norm}.bias": (d,)}
        for layer, (n_in, n_out) in layers.items():
            shapes |= {f"h.{i}.{layer}.weight": (n_in, n_out), f"h.{i}.{layer}.bias": (n_out,)}
    shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,)}
    if not config.tie_output:
        shapes["lm_head.weight"] = (config.vocab_size, d)
    return shapes


def match_tensors(tensors: Mapping[str, TensorInfo], config: ModelConfig, where: str) -> Match:
    """Which tensor of a file is which of the model's.

    Known prefixes are stripped; heads of other tasks and a tied output layer are left out. Raises UserError that
    names the tensors which are missing, surplus, misshapen or of a type that is not floating point.
    """
    prefix, named = _without_prefix(tensors, where)
    notes = [f"the tensors' names begin with {prefix!r}, which was removed"] if prefix else []
    expected = expected_shapes(config)
    dropped = [name for name in named if name not in expected and name.startswith(HEADS)]
    if dropped:
        notes.append(f"the head of another task was left out ({', '.join(map(printable, sorted(dropped)))})")
    ignored = {*dropped, *(name for name in named if name.endswith(BUFFERS))}
    if config.tie_output:
        ignored.add("lm_head.weight")  # a second copy of wte.weight
    kept = {name: there for name, there in named.items() if name not in ignored}
    problems = {
        "missing": [name for name in expected if name not in kept],
        "surplus": [name for name in kept if name not in expected],
        "misshapen": [
            f"{name} is {tensors[kept[name]].shape}, expected {shape}"
            for name, shape in expected.items()
            if name in kept and tensors[kept[name]].shape != shape
        ],
        "not floating point": [
            f"{there} is {tensors[there].dtype}"
            for there in kept.values()
            if tensors[there].dtype not in FLOATS
        ],
    }
    if any(problems.values()):
        listed = "; ".join(_listed(kind, found) for kind, found in problems.items() if found)
        raise UserError(f"checkpoint {where} does not fit its config: {listed}")
    return Match({name: kept[name] for name in expected}, tuple(notes))


def _without_prefix(tensors: Mapping[str, TensorInfo], where: str) -> tuple[str, dict[str, str]]:
    """What stands before all names beyond transformers' own prefix, and names without any -> names in the file."""
    anchors = [name for name in tensors if name == ANCHOR or name.endswith(f".{ANCHOR}")]
    body = anchors[0].removesuffix(ANCHOR) if len(anchors) == 1 else ""
    if not PREFIX.fullmatch(body):
        raise UserError(
            f"checkpoint {where}: the prefix {body!r} of the tensors' names is not known: remove it"
        )
    outer = body.removesuffix("transformer.")  # before the heads
    named: dict[str, str] = {}
    for there in tensors:
        name = there.removeprefix(body) if there.startswith(body) else there.removeprefix(outer)
        if name in named:
            raise UserError(
                f"checkpoint {where}: {printable(there)} and {printable(named[name])} would be the same tensor"
            )
        named[name] = there
    return outer, named


def _listed(kind: str, found: list[str]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{kind} {', '.join(map(printable, found[:SHOWN]))}{more}"
