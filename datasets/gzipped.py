"""Bytes of a file that may be compressed by gzip, whole or not at all."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from datasets.errors import DatasetError

__all__ = ["read"]


def read(path: Path) -> bytes:
    """Read a file, compressed by gzip or not (some browsers unpack what they fetch).

    All of it is unpacked at once, as the checksum that gzip keeps is at the end.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes

    Raises
    ------
    DatasetError
        If the compressed bytes are damaged or cut short.
    OSError
        If the file may not be read.
    """
    raw = path.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{path} is damaged ({error}); delete it and fetch it again") from None
