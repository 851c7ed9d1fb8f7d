"""A real SLURM of two nodes with accounting, of its own: own folder, ports, sockets and key."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.ports import held_port

PROGRAMS = ("munged", "mariadbd", "mariadb-install-db", "slurmdbd", "slurmctld", "slurmd", "sacctmgr", "sbatch")
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
TIMEOUT = 30
#: States of nodes that take jobs, now or once others have ended.
TAKING = ("idle", "mix", "alloc", "comp")


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]


def program(name: str) -> str:
    found = shutil.which(name, path=SEARCH)
    assert found, name
    return found


class Cluster:
    """The daemons, each known by the process that this object started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": SEARCH}
        names = ("database", "dbd", "controller", "n1", "n2")
        self._held = {name: held_port() for name in names}
        self.ports = {name: each.getsockname()[1] for name, each in self._held.items()}

    def up(self) -> None:
        self._munge()
        self._database()
        self._configure()
        self.start("slurmdbd", "slurmdbd", "-D")
        self._until(lambda: self.call("sacctmgr", "-iQ", "add", "cluster", "edfstat").returncode == 0, "slurmdbd")
        self.call("sacctmgr", "-iQ", "add", "account", "research")
        self.call("sacctmgr", "-iQ", "add", "user", "root", "account=research")
        self.start_controller()
        for node in ("n1", "n2"):
            self.start_node(node)
        self._until(lambda: self.call("sinfo", "-h", "-o", "%t %D").stdout.split() == ["idle", "2"], "two idle nodes")

    def ready(self) -> None:
        """Wait until both nodes take jobs, whatever a fault or a slow moment of the machine did to them."""

        def resumed() -> bool:
            lines = [line.split() for line in self.call("sinfo", "-h", "-N", "-o", "%N %t").stdout.splitlines()]
            away = {node for node, state in lines if state.endswith("*") or state.strip("*~#$@") not in TAKING}
            for node in away:
                self.call("scontrol", "update", f"NodeName={node}", "State=RESUME")
            return len(lines) == 2 and not away

        self._until(resumed, "both nodes")

    def start_controller(self) -> None:
        self.start("slurmctld", "slurmctld", "-D")
        self._until(lambda: b"UP" in self.call("scontrol", "ping", text=False).stdout, "slurmctld")

    def start_node(self, node: str) -> None:
        self.start(node, "slurmd", "-D", "-N", node)

    def start(self, name: str, command: str, *arguments: str) -> None:
        log = (self.folder / f"{name}.out").open("ab")
        self.processes[name] = subprocess.Popen(
            [program(command), *arguments], env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def kill(self, name: str, sig: int = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(sig)
        process.wait(timeout=TIMEOUT)

    def call(self, command: str, *arguments: str, text: bool = True) -> subprocess.CompletedProcess:
        try:
            return subprocess.run(
                [program(command), *arguments], env=self.environment, capture_output=True, text=text, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess([command], 1, "" if text else b"", "")

    def down(self) -> None:
        if "slurmctld" in self.processes:
            self.call("scancel", "--full", "--signal=KILL", "--me")
            self.call("scancel", "--me")
            deadline = time.monotonic() + 10
            while self.call("squeue", "-h").stdout.strip() and time.monotonic() < deadline:
                time.sleep(0.2)
        for name in ("n1", "n2", "slurmctld", "slurmdbd", "mariadbd", "munged"):
            process = self.processes.pop(name, None)
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)
        for held in self._held.values():
            held.close()

    def _munge(self) -> None:
        folder = self.folder / "munge"
        folder.mkdir(mode=0o755)
        key = folder / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = {"key-file": "key", "socket": "sock", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        self.start("munged", "munged", "--foreground", "--force", *(f"--{k}={folder / v}" for k, v in files.items()))
        self._until((folder / "sock").exists, "munged")

    def _database(self) -> None:
        data, sock = self.folder / "db", self.folder / "db.sock"
        # Of its own: two servers that start at once would give their temporary tables the same names.
        scratch = self.folder / "db.tmp"
        scratch.mkdir()
        made = subprocess.run(
            [program("mariadb-install-db"), "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db",
             f"--tmpdir={scratch}", "--auth-root-authentication-method=normal"],
            check=False, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"no database for the accounting: {made.stdout[-2000:]}{made.stderr[-2000:]}")
        self.start(
            "mariadbd", "mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={sock}",
            f"--port={self.ports['database']}", "--bind-address=127.0.0.1", f"--pid-file={self.folder / 'db.pid'}",
            f"--tmpdir={scratch}", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0",
        )  # fmt: skip
        client = ["mariadb", "--no-defaults", f"--socket={sock}", "-u", "root", "-e"]
        words = (
            "CREATE DATABASE slurm; CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY 'test'; "
            "CREATE USER 'slurm'@'localhost' IDENTIFIED BY 'test'; GRANT ALL ON slurm.* TO 'slurm'@'127.0.0.1'; "
            "GRANT ALL ON slurm.* TO 'slurm'@'localhost';"
        )
        self._until(lambda: subprocess.run([*client, "SELECT 1"], capture_output=True).returncode == 0, "mariadbd")
        subprocess.run([*client, words], check=True, capture_output=True, timeout=TIMEOUT)

    def _configure(self) -> None:
        d, ports, sock = self.folder, self.ports, self.folder / "munge" / "sock"
        for name in ("state", "spool"):
            (d / name).mkdir()
        dbd = d / "slurmdbd.conf"
        dbd.write_text(
            f"AuthType=auth/munge\nAuthInfo=socket={sock}\nDbdHost=localhost\nDbdPort={ports['dbd']}\nSlurmUser=root\n"
            "StorageType=accounting_storage/mysql\nStorageHost=127.0.0.1\n"
            f"StoragePort={ports['database']}\nStorageUser=slurm\nStoragePass=test\nStorageLoc=slurm\n"
            f"LogFile={d}/slurmdbd.log\nPidFile={d}/slurmdbd.pid\n"
        )
        dbd.chmod(0o600)
        devices = []
        for number in range(2):
            device = d / f"gpu{number}"
            device.touch()
            devices.append(f"NodeName=n{number + 1} Name=gpu File={device}")
        (d / "gres.conf").write_text("\n".join(devices) + "\n")
        nodes = "\n".join(
            f"NodeName={n} NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[n]} CPUs=2 RealMemory=2000 Gres=gpu:1"
            for n in ("n1", "n2")
        )
        (d / "slurm.conf").write_text(
            f"ClusterName=edfstat\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort={ports['controller']}\n"
            f"SlurmUser=root\nAuthType=auth/munge\nAuthInfo=socket={sock}\nAccountingStoragePass={sock}\n"
            "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=localhost\n"
            f"AccountingStoragePort={ports['dbd']}\nAccountingStorageEnforce=associations,limits\n"
            f"StateSaveLocation={d}/state\nSlurmdSpoolDir={d}/spool/%n\n"
            f"SlurmctldPidFile={d}/ctld.pid\nSlurmdPidFile={d}/slurmd.%n.pid\nSlurmctldLogFile={d}/ctld.log\n"
            f"SlurmdLogFile={d}/slurmd.%n.log\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n"
            "SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nMpiDefault=none\nReturnToService=2\n"
            "JobAcctGatherType=jobacct_gather/none\nMaxArraySize=5\nGresTypes=gpu\nKillWait=5\nSlurmctldTimeout=30\n"
            # Nodes are of the size that is said, whatever this machine's.
            "SlurmdTimeout=20\nSlurmdParameters=config_overrides\nSchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0\n"
            f"RequeueExit=\n{nodes}\nPartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP\n".replace(
                "RequeueExit=\n", ""
            )
        )

    def _until(self, true, what: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not come up in {seconds:g} s; logs: {self.logs()}")
            time.sleep(0.1)

    def logs(self) -> str:
        tails = []
        for path in sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")]):
            tails.append(f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}")
        return "\n".join(tails)


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(_folder())
            cluster.up()
        except (RuntimeError, subprocess.SubprocessError) as error:
            # A loaded machine may be slow: once more, from scratch.
            sys.stderr.write(f"the first start of SLURM failed: {error}\n")
            stack.close()
            cluster = stack.enter_context(_folder())
            cluster.up()
        yield cluster


@contextlib.contextmanager
def _folder() -> Iterator[Cluster]:
    """A cluster that is not up yet, in a folder of its own; whatever runs of it is stopped at the end."""
    # A short path: sockets may not have long names.
    folder = Path(tempfile.mkdtemp(prefix="edfslurm-"))
    folder.chmod(0o755)
    cluster = Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.down()
        shutil.rmtree(folder, ignore_errors=True)
