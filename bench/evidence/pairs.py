"""Verdicts on any pairs of rows, judged as the rows of a study are and corrected together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.evidence.verdicts import Verdict, judge

if TYPE_CHECKING:
    from bench.report.results import RowResult
    from bench.study.manifest import Study


def judge_pairs(study: Study, pairs: Mapping[str, tuple[RowResult, RowResult]]) -> dict[str, Verdict]:
    """Name of the pair -> verdict on its first row against its second, where both share a seed and data.

    The pairs are made a study of their own: each is a row with a row to be compared with. `study` lends the rest
    of the manifest. Only a pair of the same runs is one that cannot differ; equal recipes that ran twice may.
    """
    from bench.report.results import Results

    rows: list[RowResult] = []
    for name, (ours, theirs) in pairs.items():
        other = f"what {name} is compared with"
        same_runs = all(mine is run for mine, run in zip(ours.runs, theirs.runs, strict=False))
        rows.append(_renamed(ours, name, other, recipe_id=name))
        rows.append(_renamed(theirs, other, None, recipe_id=name if same_runs else other))
    manifest = study.model_copy(update={"rows": [result.row for result in rows]})
    return judge(Results(manifest, tuple(rows), n_unused=0))


def _renamed(result: RowResult, name: str, against: str | None, recipe_id: str) -> RowResult:
    row = result.row.model_copy(update={"name": name, "against": against})
    return replace(result, row=row, recipe_id=recipe_id)
