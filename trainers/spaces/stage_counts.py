"""Parameters, multiply-adds and activations of stage-wise networks by arithmetic on whole columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.spaces.errors import ArchitectureError
from trainers.spaces.tables import StageTable

__all__ = ["RawCounts", "halved", "refuse_overflow", "stage_counts"]

Counts = NDArray[np.int64]

#: Rows handled at once: few enough that the columns of a step stay in the processor's cache.
_ROWS = 16_384

#: Counts below this fit an int64, with room for what is rounded in an estimate.
_FITS = 2**63 - 2**54


class RawCounts(NamedTuple):
    """What a network's layers add up to, before a flops convention is chosen."""

    params: Counts
    macs: Counts
    acts: Counts
    norms: Counts


def halved(size: int, stride: int = 2) -> int:
    """Output size of a padded layer of that stride.

    Examples
    --------
    >>> halved(7), halved(32), halved(28, 1)
    (4, 16, 28)
    """
    return (size - 1) // stride + 1


def stage_counts(table: StageTable, stem: str, image_size: int, in_channels: int, classes: int) -> RawCounts:
    """Counts of every row of a table, without the classifier's bias in `macs`.

    Parameters
    ----------
    table : StageTable
    stem : {"cifar", "imagenet", "simple"}
    image_size, in_channels, classes : int

    Returns
    -------
    RawCounts
        Arrays of int64, shape (n,); `norms` are the output elements of all batch-norm layers.

    Notes
    -----
    A convolution costs kernel area x (inputs / groups) x outputs parameters, and as many multiply-adds per
    output position; batch norm has two parameters per channel. Every convolution here feeds a batch norm, but for
    squeeze-and-excitation's two 1x1 convolutions, which have biases instead.
    """
    network = (stem, image_size, in_channels, classes)
    refuse_overflow(lambda: _counted(table, slice(None), *network, kind=np.float64), _largest(table, *network))
    result = RawCounts(*(np.empty(len(table), dtype=np.int64) for _ in RawCounts._fields))
    for start in range(0, len(table), _ROWS):
        rows = slice(start, start + _ROWS)
        for whole, part in zip(result, _counted(table, rows, *network)):
            whole[rows] = part
    return result


def refuse_overflow(counted: Callable[[], Sequence[Any]], bound: int) -> None:
    """Raise if counts do not fit 64 bits; only where a crude upper bound leaves that open are they estimated.

    Parameters
    ----------
    counted : callable
        Gives params, multiply-adds, activations and batch-norm outputs as floats.
    bound : int
        No count is larger.

    Raises
    ------
    ArchitectureError
        Naming the first architecture that is too large.
    """
    if bound < _FITS:
        return
    params, macs, acts, norms = counted()
    too_large = np.flatnonzero(~(np.maximum(np.maximum(params, acts), macs + 5.0 * norms) < _FITS))
    if too_large.size:
        raise ArchitectureError(
            f"architecture {too_large[0]} has more parameters or flops than a 64-bit integer holds; "
            "give smaller widths, depths or images"
        )


def _largest(table: StageTable, stem: str, image_size: int, in_channels: int, classes: int) -> int:
    """More than any row's parameters or flops can be, from the largest entries, in integers of any size."""
    if not len(table):
        return 0
    wider = max(1.0, float(table.multipliers.max(initial=1.0)), table.se_ratio)
    channels = math.ceil(max(in_channels, table.stem_width, int(table.widths.max())) * wider)
    layers = 2 + 8 * len(table.strides) * int(table.depths.max())
    return (layers * 49 * channels**2 + (channels + 1) * classes) * image_size**2 * 6


def _counted(
    table: StageTable,
    rows: slice,
    stem: str,
    image_size: int,
    in_channels: int,
    classes: int,
    kind: Any = np.int64,
) -> tuple[Any, Any, Any, Any]:
    stem_params, stem_macs, stem_norms, size = _stem(stem, image_size, in_channels, table.stem_width)
    count = len(table.depths[rows])
    params = np.full(count, stem_params, dtype=kind)
    macs = np.full(count, stem_macs, dtype=kind)
    norms = np.full(count, stem_norms, dtype=kind)
    squeezes: Any = 0
    before: Any = table.stem_width
    for stage, stride in enumerate(table.strides):
        depth, width = (column[rows, stage].astype(kind, copy=False) for column in (table.depths, table.widths))
        entry, size = size * size, halved(size, stride)
        area = size * size
        if table.block == "bottleneck":
            inner = np.rint(width * table.multipliers[rows, stage]).astype(kind)
            # Whole where the groups divide, which an architecture guarantees.
            grouped = inner * inner // table.groups[rows, stage] * 9
            later = depth - 1
            first = before * inner
            at_output = depth * (grouped + inner * width) + later * (width * inner)
            channels = (depth + later) * inner + depth * width
            # The first 1x1 convolution comes before the stride, so it runs at the stage's input resolution.
            weights, work = at_output + first, at_output * area + first * entry
            elements, every_channel = channels * area + inner * entry, channels + inner
        else:
            weights = 9 * width * (before + (2 * depth - 1) * width)
            every_channel = 2 * depth * width
            work, elements = weights * area, every_channel * area
        if table.block != "vanilla":
            projected = np.broadcast_to(np.not_equal(before, width) | (stride != 1), width.shape)
            shortcut = projected * (before * width)
            added = projected * width
            weights, work = weights + shortcut, work + shortcut * area
            elements, every_channel = elements + added * area, every_channel + added
        if table.se_ratio:
            first, again = (np.rint(channels * table.se_ratio).astype(kind) for channels in (before + 0 * width, width))
            squeezed = first + later * again
            # Two 1x1 convolutions with biases on a single position; none of them feeds a batch norm.
            params += 2 * inner * squeezed + squeezed + depth * inner
            macs += 2 * inner * squeezed
            squeezes = squeezes + squeezed + depth * inner
        params += weights + 2 * every_channel
        macs += work
        norms += elements
        before = width
    params += before * classes + classes
    macs += before * classes
    return params, macs, norms + squeezes + classes, norms


def _stem(stem: str, image_size: int, in_channels: int, width: int) -> tuple[int, int, int, int]:
    """Parameters, multiply-adds, batch-norm elements and output size of a stem."""
    if stem == "cifar":
        kernel, size, after = 9, image_size, image_size
    elif stem == "imagenet":
        size = halved(image_size)
        kernel, after = 49, halved(size)
    elif stem == "simple":
        size = halved(image_size)
        kernel, after = 9, size
    else:
        raise ArchitectureError(f"stem is {stem!r}; give 'cifar', 'imagenet' or, for stages, 'simple'")
    weights = kernel * in_channels * width
    return weights + 2 * width, weights * size * size, width * size * size, after
