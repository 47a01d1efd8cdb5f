"""A real Slurm for tests: its controller and some nodes on this machine, with pretend GPUs, gone afterwards.

It needs Debian's slurmctld, slurmd, slurm-client and munge, and root: a node's GPUs are device files, and
Slurm's daemons want to be root. Accounting needs slurmdbd and mariadb-server, too.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_NODE = "TESTED_NODE"  # a variable of slurmd, which the managers of its steps inherit, and no job
NEEDED = ("slurmctld", "slurmd", "srun", "sbatch", "squeue", "munged", "setpriv")
FOR_ACCOUNTING = ("slurmdbd", "mariadbd", "mariadb-install-db", "sacctmgr")
CONF = """\
ClusterName=exptools
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool.%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.%n.pid
SlurmctldLogFile={home}/log/slurmctld
SlurmdLogFile={home}/log/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=256
GresTypes=gpu
SlurmctldParameters=preempt_send_user_signal
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=10
KillWait=5
MinJobAge=300
InactiveLimit=0
MaxArraySize=1001
SchedulerParameters=batch_sched_delay=0,bf_interval=2,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
{accounting}
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=scavenge Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=5
"""
NODE = (
    "NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=4000 "
    "Gres=gpu:{gpus} State=UNKNOWN"
)
ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={port}
AccountingStoragePass={home}/munge/socket
JobAcctGatherType=jobacct_gather/linux"""
SLURMDBD = """\
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
CommunicationParameters=NoInAddrAny
LogFile={home}/log/slurmdbd
PidFile={home}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={db}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""
GRANT = (
    "create database slurm; create user slurm@'%' identified by 'slurm'; "
    "create user slurm@localhost identified by 'slurm'; "
    "grant all on slurm.* to slurm@'%'; grant all on slurm.* to slurm@localhost;"
)


def missing(*, with_accounting: bool = False) -> str | None:
    """Why there can be no Slurm here; None if there can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "Slurm's daemons need root"
    absent = [
        name for name in (*NEEDED, *(FOR_ACCOUNTING if with_accounting else ())) if not shutil.which(name)
    ]
    return f"there is no {', '.join(absent)} here" if absent else None


class Cluster:
    """Nodes n1, n2, ... with so many CPUs and pretend GPUs each; the partition main preempts scavenge."""

    def __init__(
        self, home: Path, nodes: int = 2, cpus: int = 2, gpus: int = 2, *, accounting: bool = False
    ) -> None:
        self.home = home
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self._cpus, self._gpus, self._accounting = cpus, gpus, accounting
        self._port, self._dbd, self._db, *self._ports = _free_ports(3 + nodes)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._held: dict[str, float] = {}  # since when jobs were seen to wait
        self.environ = {"SLURM_CONF": str(home / "slurm.conf")}

    def start(self) -> None:
        """Bring all up."""
        for name in ("log", "state", "dev"):
            (self.home / name).mkdir()
        self.home.chmod(0o755)  # for the daemons that are not root's
        self._start_munge()
        self._write_conf()
        if self._accounting:
            self._start_accounting()
        self.start_controller()
        for name in self.nodes:
            self.start_node(name)
        self.wait_until_idle()

    def stop(self) -> None:
        """Take all down, and what runs on it."""
        with contextlib.suppress(Exception):
            self.clear()
        for name in reversed(list(self._running)):
            self._end(name, signal.SIGTERM)

    def start_controller(self) -> None:
        """Start slurmctld, which has its state on the disk."""
        self._spawn("slurmctld", ["slurmctld", "-D", "-f", str(self.home / "slurm.conf")])
        self._until(lambda: self.ask("scontrol", "ping").returncode == 0, "the controller")

    def stop_controller(self) -> None:
        """End slurmctld in order: its state is on the disk then."""
        self._end("slurmctld", signal.SIGTERM)

    @contextlib.contextmanager
    def configured(self, line: str) -> Iterator[None]:
        """Let one line of the controller's configuration be another inside the block."""
        before = (self.home / "slurm.conf").read_text()
        name = line.partition("=")[0]
        lines = [line if old.startswith(f"{name}=") else old for old in before.splitlines()]
        self._restart_controller("\n".join([*lines, ""]))
        try:
            yield
        finally:
            self._restart_controller(before)

    def _restart_controller(self, conf: str) -> None:
        self.stop_controller()
        (self.home / "slurm.conf").write_text(conf)
        self.start_controller()
        self.wait_until_idle()

    def start_node(self, name: str, hidden: Path | None = None) -> None:
        """Start slurmd. hidden: a directory that this node shall not see."""
        daemon = ["slurmd", "-D", "-N", name, "-f", str(self.home / "slurm.conf")]
        if hidden is not None:
            script = 'mount -t tmpfs none "$1" && shift && exec "$@"'
            daemon = ["unshare", "--mount", "sh", "-c", script, "sh", str(hidden), *daemon]
        self._spawn(name, daemon, {_NODE: name})

    def stop_node(self, name: str) -> None:
        """End slurmd in order; what runs there goes on."""
        self._end(name, signal.SIGTERM)

    def lose_node(self, name: str) -> None:
        """End slurmd and all that runs there at once, as if its power was cut."""
        self._end(name, signal.SIGKILL)
        for pid in _of_node(name, self.environ["SLURM_CONF"]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def ask(self, *command: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command of Slurm."""
        environ = {**os.environ, **self.environ}
        return subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=timeout, check=False
        )

    def states(self) -> dict[str, str]:
        """The state of each job, as squeue has it."""
        rows = self.ask("squeue", "-h", "-r", "-t", "all", "-o", "%i|%T").stdout.split()
        return dict(row.split("|") for row in rows)

    def start_what_is_held(self) -> None:
        """Let jobs that were queued again start now: Slurm holds them for two minutes.

        To be called again and again: it does not bear that within the first seconds.
        """
        now = time.monotonic()
        pending = {id_ for id_, state in self.states().items() if state == "PENDING"}
        self._held = {id_: self._held.get(id_, now) for id_ in pending}
        for id_, since in self._held.items():
            if now - since >= 4:
                self.ask("scontrol", "update", f"JobId={id_}", "StartTime=now")

    def clear(self) -> None:
        """Cancel all jobs, and wait until nothing runs."""
        self.ask("scancel", "--quiet", "--user=root")
        self._until(lambda: not self.ask("squeue", "-h").stdout.strip(), "an empty queue")

    def wait_until_idle(self) -> None:
        """Wait until all nodes can take jobs."""
        self._until(
            lambda: (
                self.ask("sinfo", "-h", "-p", "main", "-t", "idle", "-o", "%D").stdout.strip()
                == str(len(self.nodes))
            ),
            "idle nodes",
        )

    def _start_munge(self) -> None:
        munge = self.home / "munge"
        munge.mkdir()
        key = munge / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        for path in (munge, key):
            shutil.chown(path, "munge", "munge")
        files = [f"--{what}-file={munge / what}" for what in ("key", "pid", "log", "seed")]
        user = ["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups"]
        self._spawn("munged", [*user, "munged", "--foreground", *files, f"--socket={munge / 'socket'}"])
        self._until(lambda: (munge / "socket").exists(), "munge")

    def _write_conf(self) -> None:
        nodes, gres = [], []
        for name, port in zip(self.nodes, self._ports, strict=True):
            nodes.append(NODE.format(name=name, port=port, cpus=self._cpus, gpus=self._gpus))
            for i in range(self._gpus):
                (self.home / "dev" / name).mkdir(exist_ok=True)
                os.mknod(
                    self.home / "dev" / name / f"gpu{i}", 0o020666, os.makedev(1, 3)
                )  # a second /dev/null
            gres.append(f"NodeName={name} Name=gpu File={self.home}/dev/{name}/gpu[0-{self._gpus - 1}]")
        words = {"home": self.home, "port": self._port, "nodes": "\n".join(nodes)}
        accounting = (
            ACCOUNTING.format(home=self.home, port=self._dbd)
            if self._accounting
            else ("AccountingStorageType=accounting_storage/none\nJobAcctGatherType=jobacct_gather/none")
        )
        (self.home / "slurm.conf").write_text(CONF.format(**words, accounting=accounting))
        (self.home / "gres.conf").write_text("\n".join(gres) + "\n")
        # From 23.02 on slurmd asks for cgroups unless it is told that there are none.
        version = self.ask("slurmctld", "-V").stdout.split()[-1]
        none = "CgroupPlugin=disabled\n" if tuple(map(int, version.split(".")[:2])) >= (23, 2) else ""
        (self.home / "cgroup.conf").write_text(none)

    def _start_accounting(self) -> None:
        data, run = self.home / "db", self.home / "dbrun"
        for path in (data, run):
            path.mkdir()
            shutil.chown(path, "mysql", "mysql")
        install = [
            "mariadb-install-db",
            "--no-defaults",
            "--user=mysql",
            f"--datadir={data}",
            "--skip-test-db",
        ]
        subprocess.run(
            [*install, "--auth-root-authentication-method=socket"], check=True, capture_output=True
        )
        socket_ = run / "socket"
        places = [f"--datadir={data}", f"--socket={socket_}", f"--pid-file={run / 'pid'}"]
        where = ["--bind-address=127.0.0.1", f"--port={self._db}", "--innodb-buffer-pool-size=64M"]
        self._spawn("mariadbd", ["mariadbd", "--no-defaults", "--user=mysql", *places, *where])
        client = ["mariadb", "--no-defaults", "-S", str(socket_), "-e"]
        self._until(lambda: self.ask(*client, "select 1").returncode == 0, "mariadb")
        assert self.ask(*client, GRANT).returncode == 0
        conf = self.home / "slurmdbd.conf"
        conf.touch(0o600)
        conf.write_text(SLURMDBD.format(home=self.home, port=self._dbd, db=self._db))
        self._spawn("slurmdbd", ["slurmdbd", "-D"])
        self._until(lambda: self.ask("sacctmgr", "-n", "show", "cluster").returncode == 0, "slurmdbd", 60)
        self.ask("sacctmgr", "-i", "add", "cluster", "exptools")

    def _spawn(self, name: str, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        with open(self.home / "log" / f"{name}.out", "ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                env={**os.environ, **self.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, name: str, number: int) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _until(self, condition: object, what: str, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not condition():  # type: ignore[operator]
            logs = "\n".join(f"{p.name}: {p.read_text()[-500:]}" for p in (self.home / "log").iterdir())
            assert time.monotonic() < deadline, f"{what} did not come within {seconds} s\n{logs}"
            time.sleep(0.1)


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _of_node(name: str, conf: str) -> list[int]:
    """What runs on a node: the managers of its steps first, which would report the end of the others."""
    managers, tasks = [], []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environ = set((path / "environ").read_bytes().split(b"\0"))
            if f"SLURM_CONF={conf}".encode() not in environ:
                continue
            if f"{_NODE}={name}".encode() in environ:
                managers.append(int(path.name))
            elif f"SLURMD_NODENAME={name}".encode() in environ:
                tasks.append(int(path.name))
    return managers + tasks
