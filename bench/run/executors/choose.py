"""From the options that say where runs go to the machine or cluster itself. Imports no torch."""

from __future__ import annotations

from bench.run.executors.base import Site
from bench.run.executors.local import Here
from bench.run.options import LookOptions, WhereOptions
from gptcore.errors import UserError


def site_of(options: WhereOptions, looks: LookOptions) -> Site:
    """Where runs are to be done. Raises UserError where that cannot be, or where options do not go together."""
    if options.address is not None and options.executor != "ray":
        raise UserError(f"--address {options.address}: it is for --executor ray: add that, or leave it out")
    if options.slurm and options.executor != "slurm":
        raise UserError(f"--slurm {options.slurm[0]}: it is for --executor slurm: add that, or leave it out")
    if options.executor == "local":
        if options.nproc > 1 and looks.budget is not None:
            raise UserError(
                f"--budget {looks.budget}: with --nproc nothing is forecast: leave one of them out"
            )
        return Here(options.nproc)
    if options.nproc > 1:
        raise UserError(
            f"--nproc {options.nproc}: it is for --executor local: leave it out with --executor {options.executor}"
        )
    if looks.budget is not None:
        raise UserError(
            f"--budget {looks.budget}: it counts the time of one machine: leave it out with --executor "
            f"{options.executor}"
        )
    if options.executor == "slurm":
        from bench.run.executors.slurm import Slurm

        return Slurm(options.slurm)
    from bench.run.executors.ray_cluster import RayCluster

    return RayCluster(options.address)
