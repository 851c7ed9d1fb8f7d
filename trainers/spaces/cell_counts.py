"""Parameters, multiply-adds and activations of cell networks by arithmetic on whole columns.

An operation's cost is a polynomial in the cell's channels C: so a cell costs what the coefficients of its
edges add up to, and a network needs one evaluation per cell position, for all rows at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.spaces.errors import ArchitectureError
from trainers.spaces.genotypes import OPERATIONS
from trainers.spaces.stage_counts import RawCounts, halved, refuse_overflow
from trainers.spaces.tables import CellTable

__all__ = ["cell_counts"]

Counts = NDArray[np.int64]

# Coefficients of one edge: params = P2 C^2 + P1 C; multiply-adds = (P2 C^2 + D1 C) per output position, where
# X2 C^2 of them run at input height x output width if strided; acts = A1 C, of which XA C likewise; norms = B1 C.
_P2, _P1, _D1, _X2, _A1, _XA, _B1 = range(7)


def _coefficients(operation: str, stride: int) -> tuple[int, ...]:
    kind, _, size = operation.rpartition("_")
    if operation == "skip_connect":
        # Strided, it is a factorized reduction: two 1x1 convolutions of half the channels each, one batch norm.
        return (1, 2, 0, 0, 1, 0, 1) if stride == 2 else (0,) * 7
    if operation == "none" or kind in ("avg_pool", "max_pool"):
        return (0,) * 7
    k = int(size[0])
    if kind in ("sep_conv", "dil_sep_conv"):
        return (2, 2 * k * k + 4, 2 * k * k, 0, 4, 0, 2)
    if kind == "dil_conv":
        return (1, k * k + 2, k * k, 0, 2, 0, 1)
    if "x1_1x" in operation:
        # The 1xk convolution strides the horizontal axis only, the kx1 after it the vertical one.
        k = int(operation.removeprefix("conv_")[0])
        return (2 * k, 2, 0, k, 2, 1, 1) if stride == 2 else (2 * k, 2, 0, 0, 2, 0, 1)
    return (k * k, 2, 0, 0, 1, 0, 1)


#: [stride - 1, operation]; the last row, which index -1 of a filled-up cell picks, costs nothing.
_TABLE = np.array([[*(_coefficients(op, stride) for op in OPERATIONS), (0,) * 7] for stride in (1, 2)], dtype=np.int64)


def cell_counts(table: CellTable, stem: str, image_size: int, in_channels: int, classes: int) -> RawCounts:
    """Counts of every row of a table, without the auxiliary head and the classifier's bias in `macs`.

    Parameters
    ----------
    table : CellTable
    stem : {"cifar", "imagenet"}
    image_size, in_channels, classes : int

    Returns
    -------
    RawCounts
        Arrays of int64, shape (n,).
    """
    network = (stem, image_size, in_channels, classes)
    refuse_overflow(lambda: _counted(table, *network, kind=np.float64), _largest(table, *network))
    return _counted(table, *network)


def _largest(table: CellTable, stem: str, image_size: int, in_channels: int, classes: int) -> int:
    """More than any row's parameters or flops can be, from the largest entries, in integers of any size."""
    if not len(table):
        return 0
    joined = max(2, int(table.concat.shape[2]))
    channels = max(in_channels, 4 * joined * int(table.width.max()))
    layers = 4 + int(table.depth.max()) * (2 + 4 * int(table.operations.shape[2]))
    return (layers * 49 * channels**2 + (channels + 1) * classes) * image_size**2 * 6


def _counted(
    table: CellTable, stem: str, image_size: int, in_channels: int, classes: int, kind: Any = np.int64
) -> RawCounts:
    strided = (table.inputs[:, 1] < 2).astype(np.intp)
    normal: Counts = _TABLE[0, table.operations[:, 0]].sum(axis=1)
    reduction: Counts = _TABLE[strided, table.operations[:, 1]].sum(axis=1)
    joined = (table.concat >= 0).sum(axis=2)

    channels: Any = table.width.astype(kind)
    older, newer, size, (params, macs, acts, norms) = _stem(channels, stem, image_size, in_channels)
    sizes = np.full(len(table), size, dtype=kind)
    for position in range(int(table.depth.max(initial=0))):
        present = position < table.depth
        reduces: NDArray[np.bool_] = (table.depth // 3 == position) | (2 * table.depth // 3 == position)
        channels = np.where(reduces, 2 * channels, channels)
        after: Any = np.where(reduces, (sizes - 1) // 2 + 1, sizes)
        # Both inputs become C channels at the newer one's resolution; each is convolved, then normalised.
        inputs = (older + newer) * channels
        area, across, entry = after * after, sizes * after, sizes * sizes
        edges = np.where(reduces[:, None], reduction, normal)
        square = channels * channels
        own = inputs + edges[:, _P2] * square + (edges[:, _P1] + 4) * channels
        at_output = (edges[:, _P2] - edges[:, _X2]) * square + edges[:, _D1] * channels
        work = inputs * entry + at_output * area + edges[:, _X2] * square * across
        elements = channels * (2 * entry + (edges[:, _A1] - edges[:, _XA]) * area + edges[:, _XA] * across)
        normalised = channels * (2 * entry + edges[:, _B1] * area)
        for total, part in zip((params, macs, acts, norms), (own, work, elements, normalised)):
            total += present * part
        output = np.where(reduces, joined[:, 1], joined[:, 0]) * channels
        older, newer = np.where(present, newer, older), np.where(present, output, newer)
        sizes = after
    params += newer * classes + classes
    macs += newer * classes
    return RawCounts(params, macs, acts + classes, norms)


def _stem(
    width: Counts, stem: str, image_size: int, in_channels: int
) -> tuple[Counts, Counts, int, tuple[Counts, Counts, Counts, Counts]]:
    """Channels of the older and the newer input of the first cell, the newer one's size, and the counts so far."""
    if stem == "cifar":
        wide, area = 3 * width, image_size * image_size
        weights, elements = 9 * in_channels * wide, wide * area
        return wide, wide, image_size, (weights + 2 * wide, weights * area, elements.copy(), elements)
    if stem != "imagenet":
        raise ArchitectureError(f"stem is {stem!r}; cell networks have 'cifar' or 'imagenet'")
    half = width // 2
    if (half < 1).any():
        raise ArchitectureError("width is 1; the ImageNet stem of a cell network needs a width of at least 2")
    first = halved(image_size)
    second = halved(first)
    third = halved(second)
    parts = [
        (9 * in_channels * half, half, first),
        (9 * half * width, width, second),
        (9 * width * width, width, third),
    ]
    params = sum((w + 2 * c for w, c, _ in parts), np.zeros_like(width))
    macs = sum((w * s * s for w, _, s in parts), np.zeros_like(width))
    elements = sum((c * s * s for _, c, s in parts), np.zeros_like(width))
    return width, width, third, (params, macs, elements.copy(), elements)
