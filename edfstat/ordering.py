"""Sorted order of many floats, faster than an argsort.

NumPy sorts whole numbers about three times as fast as it finds the order of floats. So the place of each value
in 2^40 equal steps and its index go into one 64-bit number, and these are sorted. What shares a step comes out
by index; the few that are then out of order are put right one by one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["sorted_order"]

Floats = NDArray[np.float64]
_WORTH = 1 << 17  # below this an argsort is as quick
_INDEX_BITS = 24
_STEPS = float((1 << (64 - _INDEX_BITS)) - 1)
_MOST_MOVES = 20_000


def sorted_order(values: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The order that sorts `values` (no NaN), and the sorted values."""
    quick = _by_steps(values) if _WORTH <= values.size <= 1 << _INDEX_BITS else None
    if quick is not None:
        return quick
    order = np.argsort(values)
    return order, values[order]


def _by_steps(values: Floats) -> tuple[NDArray[np.intp], Floats] | None:
    low, high = float(values.min()), float(values.max())
    width = high - low
    if not (0 < width < np.inf and 0 < _STEPS / width < np.inf):
        return None
    scaled = values - low
    scaled *= _STEPS / width
    np.minimum(scaled, _STEPS, out=scaled)
    keys = scaled.astype(np.uint64)
    keys <<= np.uint64(_INDEX_BITS)
    keys |= np.arange(values.size, dtype=np.uint64)
    keys.sort()
    keys &= np.uint64((1 << _INDEX_BITS) - 1)
    order = keys.view(np.int64).astype(np.intp, copy=False)
    found = values[order]
    return (order, found) if _settle(order, found) else None


def _settle(order: NDArray[np.intp], values: Floats) -> bool:
    """Move values that are out of order to their place; False if that would take too many moves."""
    moves = 0
    falls = np.flatnonzero(values[1:] < values[:-1])
    if falls.size > _MOST_MOVES // 10:
        return False
    for start in falls:
        here = int(start) + 1
        while here < values.size and values[here - 1] > values[here]:
            place = here
            while place > 0 and values[place - 1] > values[place]:
                values[place - 1 : place + 1] = values[place - 1 : place + 1][::-1].copy()
                order[place - 1 : place + 1] = order[place - 1 : place + 1][::-1].copy()
                place -= 1
                moves += 1
                if moves > _MOST_MOVES:
                    return False
            here += 1
    return True
