"""A real Slurm of two nodes on this machine: its daemons listen on loopback, in a folder of their own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

NODES = ("node1", "node2")
DAEMONS = {
    "slurmctld": ["slurmctld", "-D"],
    **{name: ["slurmd", "-D", "-N", name] for name in NODES},
}
CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
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
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def loopback_slurm(folder: Path) -> Iterator[None]:
    """Start the daemons; SLURM_CONF leads sbatch and its like to them. Skips a test where Slurm is not installed."""
    programs = ("slurmctld", "slurmd", "sbatch")
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in programs):
        pytest.skip("no Slurm here: needs slurmctld, slurmd, sbatch (Debian: slurm-wlm) and root")
    (folder / "state").mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    cpus = max(1, (os.cpu_count() or 1) // len(NODES))
    nodes = [
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={_free_port()} CPUs={cpus} State=UNKNOWN"
        for name in NODES
    ]
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(host=host, folder=folder, port=_free_port(), nodes="\n".join(nodes))
    )
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        patch.setenv("SLURM_CONF", str(configuration))
        for name, command in DAEMONS.items():
            log = running.enter_context((folder / f"{name}.log").open("w"))
            daemon = subprocess.Popen(command, stdout=log, stderr=log)
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
    said: list[str] = []
    while time.monotonic() < until:
        asked = ["sinfo", "--noheader", "--Node", "--format=%t"]
        said = subprocess.run(asked, capture_output=True, text=True).stdout.split()
        if said == ["idle"] * len(NODES):
            return
        time.sleep(0.2)
    logs = "\n".join((folder / f"{name}.log").read_text()[-2000:] for name in DAEMONS)
    raise AssertionError(f"Slurm's nodes are {said} after {timeout_s:g} s:\n{logs}")
