"""The idx format of MNIST and its kin: a header of big-endian integers, then the bytes."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets import gzipped
from datasets.errors import DatasetError

__all__ = ["read"]

#: Dimensions that a file may have: images need three, a fourth for colours.
MOST = 4


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
        If the file is damaged or cut short, holds nothing, or is not of this format.
    OSError
        If it may not be read.
    """
    data = gzipped.read(path)
    # Two zero bytes, the type (8: unsigned byte), the number of dimensions; then each dimension.
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise DatasetError(f"{path} is not an idx file of unsigned bytes; delete it and fetch it again")
    start = 4 + 4 * data[3]
    size = len(data) - start
    shape = tuple(int.from_bytes(data[place : place + 4], "big") for place in range(4, start, 4))
    if size < 1 or not 0 < len(shape) <= MOST or size != prod(shape):
        raise DatasetError(
            f"{path} holds {max(size, 0)} bytes where its header says {shape[:MOST]}; delete it and fetch it again"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)
