"""Files that are written whole or not at all, and what is left where a process was killed while writing one."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

__all__ = ["remove_parts", "replace_file"]

#: Seconds that writing a file takes at most.
SLOW = 600


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Put a file in place whole: written beside it, flushed to the disk, then renamed over it."""
    # Processes of several machines, or containers, that share a folder may have one number.
    part = path.with_name(f"{path.name}.{token_hex(4)}.{os.getpid()}.part")
    try:
        write(part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(directory: Path) -> None:
    """Remove what processes that were killed while writing left in a folder."""
    for part in directory.glob("*.part"):
        number = part.suffixes[-2:-1]
        writer = number[0][1:] if number and number[0][1:].isdecimal() else ""
        with contextlib.suppress(OSError):
            # Its process may be one of another machine, whose numbers are others.
            if writer and not Path("/proc", writer).exists() and time.time() - part.stat().st_mtime > SLOW:
                part.unlink()
