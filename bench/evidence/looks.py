"""Optional stopping: a study whose seeds have grown was judged more than once at the full level."""

from __future__ import annotations

from bench.evidence.variance import independent
from bench.records.study import Study


def repeated_looks(study: Study) -> str:
    """What a reader must know where the verdicts were read with fewer seeds before; empty where they were not.

    One seed decides nothing, and seeds that are not independent give no verdicts, so neither counts as a look.
    """
    if not independent(study.seeds) or not study.earlier_looks:
        return ""
    before = ", ".join(str(n) for n in study.earlier_looks)
    return (
        f"Judged at {before} and again at {len(study.seeds)} seeds: the error rates of verdicts hold for one look. "
        "Adding seeds until a verdict comes makes false ones more frequent"
    )
