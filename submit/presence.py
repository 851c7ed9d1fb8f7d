"""Presence: a file per worker whose age says whether the worker lives.

Ages are differences of modification times given by the same file server, so clocks of nodes need not agree. On
the machine that a worker runs on, its process id tells sooner.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Presence", "WorkerInfo", "is_alive", "machine", "process_start", "read_worker"]


class WorkerInfo(msgspec.Struct):
    """What a worker says of itself."""

    worker: str
    launch: str = ""
    job: str = ""
    host: str = ""
    machine: str = ""
    pid: int = 0
    started: int = 0
    state: str = "running"
    since: float = 0.0
    trials: list[str] = []
    #: Why none can run where it was, once it has ended for that.
    problem: str = ""
    #: How far each of these trials was when the worker began it, as `submit.feed.progress_mark` tells.
    marks: dict[str, int] = {}


def machine() -> str:
    """Identity of this machine and its table of processes: equal texts mean comparable process ids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()}/{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - no such path
    except OSError:
        return ""


def process_start(pid: int) -> int:
    """Start time of a process in clock ticks since boot, 0 where it does not run or cannot be known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def read_worker(path: Path) -> WorkerInfo | None:
    """What a worker's file says, None where it is torn or gone."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=WorkerInfo)
    except (OSError, msgspec.MsgspecError):
        return None


class Presence:
    """One worker's sign of life, and its view of the others'.

    Parameters
    ----------
    folder : Path
        Where the workers' files are.
    info : WorkerInfo
        What this worker says of itself.
    lease : float
        Seconds of silence after which a worker counts as dead.
    clock : callable, optional
        Seconds now, for simulations; by default times come from the file server.
    """

    def __init__(self, folder: Path, info: WorkerInfo, lease: float, clock: Callable[[], float] | None = None) -> None:
        self._folder = folder
        self._info = info
        self._lease = lease
        self._clock = clock
        self._beaten = -float("inf")
        #: The file server's time at the last look, and when that was.
        self._server, self._seen = 0.0, -float("inf")
        self._here = machine()

    @property
    def worker(self) -> str:
        return self._info.worker

    @property
    def path(self) -> Path:
        return self._folder / f"{self._info.worker}.json"

    def announce(self, **changes: Any) -> None:
        """Write what changed; the new file is a sign of life as well."""
        for name, value in changes.items():
            setattr(self._info, name, value)
        temporary = self.path.with_name(f".{self._info.worker}")
        with suppress(OSError):  # a full disk must not end a worker; its silence is bounded by the beats
            temporary.write_bytes(msgspec.json.encode(self._info))
            temporary.replace(self.path)
        self.beat()

    def beat(self) -> None:
        """Sign of life."""
        try:
            os.utime(self.path, None if self._clock is None else (self._clock(), self._clock()))
        except OSError:  # not heard by anyone: it counts as silence
            return
        self._beaten = time.monotonic()

    def beat_if_due(self) -> None:
        """Sign of life if the last one is a fifth of the lease ago."""
        if time.monotonic() - self._beaten > self._lease / 5:
            self.beat()

    def overslept(self) -> bool:
        """Whether this worker was silent for so long that others take it for dead: stopped, or its disk hung."""
        return -float("inf") < self._beaten < time.monotonic() - self._lease

    def now(self) -> float:
        """Seconds by the file server's clock."""
        if self._clock is not None:
            return self._clock()
        if time.monotonic() - self._seen > 1.0:  # many looks at others in a row take one time
            self.beat()
            try:
                self._server = self.path.stat().st_mtime
            except OSError:
                return time.time()
            self._seen = time.monotonic()
        return self._server + time.monotonic() - self._seen

    def lives(self, worker: str) -> bool:
        """Whether another worker is still at it."""
        if worker == self._info.worker:
            return True
        return is_alive(self._folder / f"{worker}.json", self._lease, self.now(), self._here)


def is_alive(path: Path, lease: float, now: float, here: str) -> bool:
    """Whether the worker of that file has neither ended nor died."""
    try:
        age = now - path.stat().st_mtime
    except OSError:
        return False
    if age > lease:
        return False
    info = read_worker(path)
    if info is None:
        return True
    if info.state == "ended":
        return False
    if here and info.machine == here:
        return process_start(info.pid) == info.started
    return True
