"""The daemons of a cluster of one node, and what a client has to know of them."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

BIN = Path(__file__).resolve().parent / "bin"
PROGRAMS = ("munged", "setpriv", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "sinfo")
PATIENCE = 30.0
"""Seconds in which a daemon has come up, or gone, on the slowest machine."""

_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={credentials}
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
JobRequeue=0
KillWait=2
ReturnToService=2
SlurmdParameters=config_overrides
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 GraceTime=0
PartitionName=warned Nodes=ALL PriorityTier=1 GraceTime=60
PartitionName=high Nodes=ALL PriorityTier=2 PreemptMode=OFF
"""
# cred_expire: a job that was requeued waits so long, two minutes unless told otherwise.
# JobRequeue: as on clusters where a job has to ask for it. config_overrides: CPUs as many as said.


@dataclass(frozen=True)
class Cluster:
    """A cluster that is running.

    Attributes:
        folder: its configuration, state and logs; nothing outside is written.
        cpus: of its node, whatever the machine has.
    """

    folder: Path
    cpus: int

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """What turns Slurm's commands to it, and `sacct` to the stand-in."""
        path = os.pathsep.join([str(BIN), os.environ["PATH"]])
        return {"SLURM_CONF": str(self.conf), "PATH": path}

    def ask(self, *command: str) -> str:
        """Give what one of Slurm's commands prints."""
        return subprocess.run(
            command, env=os.environ | self.environment, stdout=subprocess.PIPE, text=True,
            check=True, timeout=PATIENCE,
        ).stdout.strip()  # fmt: skip

    def jobs(self) -> list[str]:
        """Give every job that has not ended: its id and its state."""
        return self.ask("squeue", "--noheader", "--array", "--format=%i %T").splitlines()


def missing() -> str:
    """Say why a cluster cannot be started here; nothing when it can."""
    if os.geteuid() != 0:
        return "a Slurm of one node needs root"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)} (slurm-wlm, munge)" if lacking else ""


@contextmanager
def running(cpus: int = 4) -> Iterator[Cluster]:
    """Start a cluster; end its jobs and it afterwards, and nothing else.

    Raises:
        RuntimeError: when it does not come up, with the end of the log that tells why.
    """
    with ExitStack() as stack:
        # Not below a test's folder: the name of a socket may have 107 characters.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        folder.chmod(0o755)  # munged's clients may be anybody
        cluster = Cluster(folder, cpus)
        _configure(cluster)
        socket_, key = folder / "munge.socket", folder / "munge.key"
        places = (f"--{what}-file={folder}/munge.{what}" for what in ("pid", "seed"))
        munged = ["munged", "--foreground", f"--socket={socket_}", f"--key-file={key}", *places]
        stack.enter_context(_daemon(munged, folder / "munged.log"))
        _wait(socket_.exists, folder / "munged.log")
        for name in ("slurmctld", "slurmd"):
            command = [name, "-D", "-f", str(cluster.conf)]
            stack.enter_context(_daemon(command, folder / f"{name}.log"))
        _wait(lambda: _idle(cluster), folder / "slurmd.log")
        stack.callback(_cancel, cluster)
        yield cluster


def _configure(cluster: Cluster) -> None:
    folder, key = cluster.folder, cluster.folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    for name in ("controller", "node"):
        (folder / name).mkdir()
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        ports = first.getsockname()[1], second.getsockname()[1]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    cluster.conf.write_text(
        _CONF.format(
            host=socket.gethostname().partition(".")[0],
            controller=ports[0],
            node=ports[1],
            credentials=5,
            folder=folder,
            cpus=cluster.cpus,
            memory=memory,
        )
    )
    version = subprocess.run(["slurmd", "-V"], capture_output=True, text=True, check=True).stdout
    if int(version.split()[1].partition(".")[0]) >= 23:  # older ones do without by themselves
        (folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")


@contextmanager
def _daemon(command: list[str], log: Path) -> Iterator[None]:
    """Run a daemon in the foreground; it also ends with this process, however that does."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _idle(cluster: Cluster) -> bool:
    done = subprocess.run(
        ["sinfo", "--noheader", "--format=%T", "--partition=low"],
        env=os.environ | cluster.environment, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip() == "idle"


def _cancel(cluster: Cluster) -> None:
    """End what is left of the jobs: their processes are not the daemons', and would stay."""
    cluster.ask("scancel", "--user=root")
    _wait(lambda: not cluster.jobs(), cluster.folder / "slurmd.log")


def _wait(ready: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            said = log.read_text(errors="replace")[-1000:] if log.exists() else ""
            raise RuntimeError(f"Slurm did not come up, or did not end its jobs: {said}")
        time.sleep(0.05)
