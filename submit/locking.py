"""One launcher at a time: a lock of files, which a dead holder does not keep and nobody breaks by mistake.

Lock number n is the file ``lock.n``, made by linking a finished file to its name; the highest number counts. A lock
that was given back, or whose holder died, is not removed but followed by the next number, for which one process
alone can link the file. So two that find the same dead holder never both go on.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import msgspec

from edfstat.errors import InputError
from submit.directory import Sweep, linked, write_atomically
from submit.presence import machine, process_start

__all__ = ["only_one"]

#: Seconds after which a holder on another machine that gives no sign of life counts as dead.
STALE = 120.0
FREE = b"free"


@contextmanager
def only_one(sweep: Sweep, patience: float = 60.0) -> Iterator[None]:
    """Hold the right to launch workers of this sweep, after at most `patience` seconds of waiting for it.

    Raises
    ------
    InputError
        If another process keeps it.
    """
    folder = sweep.path / "launches"
    ticket = folder / f".lock-{uuid4().hex[:8]}"
    try:
        ticket.write_bytes(
            msgspec.json.encode([socket.gethostname(), machine(), os.getpid(), process_start(os.getpid())])
        )
        end = time.monotonic() + patience
        while (lock := _taken(folder, ticket)) is None:
            if time.monotonic() > end:
                holder = _holder(folder / f"lock.{_newest(folder)}")
                raise InputError(
                    f"{sweep.path} is being launched by another process ({holder}); wait for it, or look at its status"
                )
            time.sleep(0.2)
    finally:
        ticket.unlink(missing_ok=True)
    released = threading.Event()
    threading.Thread(target=_beat, args=(lock, released), daemon=True).start()
    try:
        yield
    finally:
        released.set()
        with suppress(OSError):  # a full disk: who comes next sees that this process has ended
            write_atomically(lock, FREE)


def _taken(folder: Path, ticket: Path) -> Path | None:
    """The lock, if it is free and nobody was faster."""
    number = _newest(folder)
    if number and not _given_up(folder / f"lock.{number}", ticket):
        return None
    mine = folder / f"lock.{number + 1}"
    if not linked(ticket, mine):
        return None
    if _newest(folder) != number + 1:  # what was seen above is long past: others came and went
        mine.unlink(missing_ok=True)
        return None
    for older in folder.glob("lock.*"):
        if _number(older) <= number:
            older.unlink(missing_ok=True)
    return mine


def _number(path: Path) -> int:
    digits = path.suffix.removeprefix(".")
    return int(digits) if digits.isdigit() else 0


def _newest(folder: Path) -> int:
    return max(map(_number, folder.glob("lock.*")), default=0)


def _given_up(lock: Path, ticket: Path) -> bool:
    """Whether a lock was given back, or its holder is dead; ages are by the file server's clock."""
    try:
        content = lock.read_bytes()
        os.utime(ticket)
        age = ticket.stat().st_mtime - lock.stat().st_mtime
        _, where, pid, started = msgspec.json.decode(content)
    except FileNotFoundError:  # a later one has taken its place
        return False
    except (ValueError, TypeError, msgspec.MsgspecError):
        return True
    if where and where == machine():
        return bool(process_start(pid) != started)
    return bool(age > STALE)


def _beat(lock: Path, released: threading.Event) -> None:
    while not released.wait(STALE / 6):
        with suppress(OSError):
            os.utime(lock)


def _holder(lock: Path) -> str:
    with suppress(OSError, ValueError, TypeError, msgspec.MsgspecError):
        host, _, pid, _ = msgspec.json.decode(lock.read_bytes())
        return f"process {pid} on {host}"
    return "unknown"
