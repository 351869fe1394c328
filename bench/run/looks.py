"""When a study is judged: the looks of a new one, and those of a folder that holds results. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.evidence.scheme import LOOKS, parse_looks, with_looks
from bench.evidence.variance import independent
from bench.records.record import Record
from bench.records.study import PlannedLook, Study
from bench.run.options import LookOptions
from gptcore.errors import UserError
from gptcore.recipe import Seeds

_SECONDS = {"s": 1, "m": 60, "h": 3600}
DEFAULT_SEEDS = 3


def parse_budget(text: str) -> float:
    """From "30m" to seconds. Raises UserError for anything but a number above zero and a unit."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h|min)", text.strip())
    if not found or not float(found[1]):
        raise UserError(f"--budget {text}: write a number and a unit, such as 90s, 30m or 2h")
    return float(found[1]) * _SECONDS[found[2][0]]


def asked_looks(options: LookOptions, seeds: int | None) -> tuple[int, ...]:
    """Numbers of seeds at which a call judges; the last is how many seeds it wants. Raises UserError.

    seeds: what --seeds says, None where it is left out.
    """
    if not options.until_decided:
        for name in ("budget", "looks"):
            if getattr(options, name) is not None:
                raise UserError(f"--{name} needs --until-decided: add it, or leave --{name} out")
        return (DEFAULT_SEEDS if seeds is None else seeds,)
    if options.budget is not None:
        parse_budget(options.budget)
    looks = LOOKS if options.looks is None else parse_looks(options.looks)
    if seeds is None:
        return looks
    if options.looks is not None and looks[-1] > seeds:
        raise UserError(
            f"--looks {options.looks}: the last look needs {looks[-1]} seeds, and --seeds says {seeds}: leave --seeds "
            "out, or the looks beyond it"
        )
    if seeds < looks[0]:
        raise UserError(f"--seeds {seeds}: the first look needs {looks[0]} seeds: use more, or set --looks")
    return (*(n for n in looks if n < seeds), seeds)


def scheme_of(looks: Sequence[int], seeds: Sequence[Seeds]) -> list[PlannedLook] | None:
    """Of a new study; None where its seeds give no verdicts."""
    return with_looks([], looks) if independent(seeds) else None


def continued(
    there: Study, study: Study, records: Mapping[str, Record], before: Sequence[int]
) -> list[PlannedLook] | None:
    """The scheme of a study that goes on in a folder: the one that is there, with the looks that are new.

    there: the manifest in the folder; before: numbers of seeds with which it was judged without a scheme. None
    where it was: what it has spent cannot be taken back.
    """
    common = {row.recipe.id for row in there.rows} & {row.recipe.id for row in study.rows}
    same_seeds = all(one == other for one, other in zip(there.seeds, study.seeds, strict=False))
    has_runs = any(r.status == "done" and r.recipe_id in common for r in records.values())
    if not same_seeds or not has_runs or study.scheme is None:
        return study.scheme
    if there.scheme is None:
        return None if before else study.scheme
    return with_looks(there.scheme, [look.seeds for look in study.scheme])


def check_looks(folder: Path, options: LookOptions, manifest: Study) -> None:
    """Raises UserError where rows cannot be judged at the looks that were asked for."""
    if not options.until_decided:
        return
    if manifest.scheme is None and not independent(manifest.seeds):
        raise UserError(
            "--until-decided: seeds that vary one thing at a time give no verdicts: leave out --vary"
        )
    if manifest.scheme is None:
        raise UserError(
            f"--until-decided: {folder} was judged before looks were planned and has spent its error level: choose "
            "another folder with --out"
        )
    planned = [look.seeds for look in manifest.scheme]
    if options.looks is not None and (other := set(parse_looks(options.looks)) - set(planned)):
        raise UserError(
            f"--looks {options.looks}: {folder} has results and judges at {', '.join(map(str, planned))} seeds, not at "
            f"{min(other)}: looks are fixed before the first run; leave --looks out, or use another folder with --out"
        )
