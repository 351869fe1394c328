"""From the options that say where runs go to the machine or cluster itself. Imports no torch."""

from __future__ import annotations

from bench.run.executors.base import Site
from bench.run.executors.local import Here
from bench.run.options import WhereOptions


def site_of(options: WhereOptions) -> Site:
    """Where runs are to be done. Raises UserError where that cannot be."""
    del options
    return Here()
