"""Where runs are computed: on this machine, on a Ray cluster, or as Slurm jobs, behind one protocol (`base.py`)."""
