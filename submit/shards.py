"""Record shards: append-only files, one writer each, durable line by line, and readers that forgive torn ends."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["DISK_WAIT", "FULL", "Origin", "Shard", "Stub", "new_shard", "read_lines", "read_stubs"]

#: Errors of a full disk or quota.
FULL = (errno.ENOSPC, errno.EDQUOT)
#: Seconds between two looks at the disk while it is full.
DISK_WAIT = 2.0


class Origin(msgspec.Struct, frozen=True):
    """What a worker adds to the provenance of a record."""

    attempt: int = 1
    worker: str = ""
    seconds: float = 0.0
    gpus: float = 0.0
    ended: float = 0.0


class Stub(msgspec.Struct, frozen=True):
    """The few fields of a record that scheduling and status need; the curves are skipped unparsed."""

    trial_id: str
    status: str = "ok"
    message: str = ""
    provenance: Origin = Origin()


class Shard:
    """Writer of one shard. A record counts once its line is whole and on the disk."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        _sync_folder(path.parent)
        self._end = 0
        #: Whether a part of a line may be left behind, because the disk did not even take it back.
        self._torn = False
        self._encoder = msgspec.json.Encoder()

    def append(self, record: dict[str, Any]) -> None:
        """Write one record and wait until it is durable.

        Raises
        ------
        OSError
            If the disk does not take it; then nothing of it is left behind.
        """
        # A line of its own for what is left of a torn one, so that it does not spoil this record.
        line = b"\n" * self._torn + self._encoder.encode(record) + b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            os.fsync(self._file)
        except OSError:
            self._torn = True
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
                self._torn = False
            raise
        self._end = os.fstat(self._file).st_size
        self._torn = False

    def close(self) -> None:
        os.close(self._file)


def new_shard(folder: Path, prefix: str) -> tuple[Shard, str]:
    """A new shard and its name, the first ``prefix-N`` that is free: no file is ever written by two.

    A full disk is waited for.
    """
    number = 0
    while True:
        name = f"{prefix}-{number}"
        try:
            return Shard(folder / f"{name}.jsonl"), name
        except FileExistsError:
            number += 1
        except OSError as error:
            if error.errno not in FULL:
                raise
            time.sleep(DISK_WAIT)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where its file system can."""
    handle = os.open(folder, os.O_RDONLY)
    with suppress(OSError):
        os.fsync(handle)
    os.close(handle)


def read_lines(path: Path, start: int = 0) -> tuple[list[bytes], int]:
    """Whole lines from byte `start` on, and where the next read should start.

    A torn last line is left for later: its writer may still be at it, or is dead.
    """
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    end = data.rfind(b"\n") + 1
    return data[:end].splitlines(), start + end


def read_stubs(path: Path) -> Iterator[Stub]:
    """The stubs of a shard's records; lines that are no record are passed over."""
    decoder = msgspec.json.Decoder(Stub)
    try:
        lines, _ = read_lines(path)
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield decoder.decode(line)
        except msgspec.MsgspecError:
            continue
