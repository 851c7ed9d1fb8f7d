"""Distinct errors and how often each occurs, without a sort: for multiples of 0.01, as measured on 10,000 images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["count_on_grid"]

Floats = NDArray[np.float64]
_PER_UNIT = 100
_WORTH = 1 << 15  # below this a sort is as quick
_CHUNK = 1 << 16  # temporaries of this size stay in the cache
_SLOTS = 100 * _PER_UNIT + 2
_MOST_SLOTS = 1 << 20


def count_on_grid(errors: Floats, weights: Floats | None) -> tuple[Floats, Floats] | None:
    """Distinct errors ascending and the weight (or number) of each; None if they are not on the grid.

    Each error falls in the slot of its nearest hundredth. That rounding is only an address: the errors are on
    the grid if no slot holds two different doubles, and the values given back are the doubles that came in.
    The last slot takes whatever lies beyond the grid, which serves +inf.
    """
    if errors.size < _WORTH or errors.min() < 0:
        return None
    top = errors.max()
    if _MOST_SLOTS / _PER_UNIT < top < np.inf:
        return None
    slots = _SLOTS if top == np.inf else int(top * _PER_UNIT) + 3
    found = np.full(slots, np.nan)
    total = np.zeros(slots)
    for start in range(0, errors.size, _CHUNK):
        values = errors[start : start + _CHUNK]
        # errors are not negative, so adding a half and truncating rounds to nearest
        with np.errstate(over="ignore"):
            place = np.minimum(values * _PER_UNIT + 0.5, slots - 1).astype(np.intp)
        known = found[place]
        if not np.array_equal(known, values) and not _learn(found, place, values, known):
            return None
        total += np.bincount(place, None if weights is None else weights[start : start + _CHUNK], minlength=slots)
    filled = total > 0
    return found[filled], total[filled]


def _learn(found: Floats, place: NDArray[np.intp], values: Floats, known: Floats) -> bool:
    """Enter values whose slots were still empty; False if a slot would hold two different values."""
    new = known != values
    if not np.isnan(known[new]).all():
        return False
    found[place[new]] = values[new]
    return np.array_equal(found[place[new]], values[new])
