"""A real Slurm of one node on this machine: controller and node daemon on loopback, in a folder of their own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

DAEMONS = ("slurmctld", "slurmd")
CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PreemptMode=REQUEUE
PreemptType=preempt/partition_prio
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
MailProg=/bin/true
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def loopback_slurm(folder: Path) -> Iterator[None]:
    """Start both daemons; SLURM_CONF leads sbatch and its like to them. Skips a test where Slurm is not installed."""
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in (*DAEMONS, "sbatch")):
        pytest.skip("no Slurm here: needs slurmctld, slurmd, sbatch (Debian: slurm-wlm) and root")
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    configuration = folder / "slurm.conf"
    ports = [_free_port(), _free_port()]
    configuration.write_text(CONFIGURATION.format(host=host, folder=folder, ports=ports, cpus=os.cpu_count()))
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        patch.setenv("SLURM_CONF", str(configuration))
        for name in DAEMONS:
            log = running.enter_context((folder / f"{name}.log").open("w"))
            daemon = subprocess.Popen([name, "-D"], stdout=log, stderr=log)
            running.callback(_stop, daemon)
        _wait_until_idle(folder)
        yield


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    daemon.wait(timeout=30)


def _wait_until_idle(folder: Path, timeout_s: float = 30) -> None:
    until = time.monotonic() + timeout_s
    said = ""
    while time.monotonic() < until:
        asked = subprocess.run(["sinfo", "--noheader", "--format=%t"], capture_output=True, text=True)
        if (said := asked.stdout.strip()) == "idle":
            return
        time.sleep(0.2)
    logs = "\n".join((folder / f"{name}.log").read_text()[-2000:] for name in DAEMONS)
    raise AssertionError(f"Slurm's node is {said!r} after {timeout_s:g} s:\n{logs}")
