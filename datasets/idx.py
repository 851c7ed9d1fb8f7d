"""The idx format of MNIST and its kin: a header of big-endian integers, then the bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.errors import DatasetError

__all__ = ["read"]


def read(path: Path) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes, compressed by gzip or not.

    Parameters
    ----------
    path : Path

    Returns
    -------
    array of uint8, of the shape that the header gives

    Raises
    ------
    DatasetError
        If the file is cut short, or not of this format.
    """
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); fetch it again") from None
    # Two zero bytes, the type (8: unsigned byte), the number of dimensions; then each dimension.
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise DatasetError(f"{path} is not an idx file of unsigned bytes; fetch it again")
    start = 4 + 4 * data[3]
    shape = tuple(int(size) for size in np.frombuffer(data[4:start], dtype=">u4"))
    values = np.frombuffer(data, dtype=np.uint8, offset=min(start, len(data)))
    if len(shape) != data[3] or values.size != int(np.prod(shape, dtype=np.int64)):
        raise DatasetError(f"{path} holds {values.size} bytes where its header says {shape}; fetch it again")
    return values.reshape(shape)
