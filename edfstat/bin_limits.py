"""Numbers of bins that no gap between models rules out, without counting models in every one of them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["possible_bins"]

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

#: Windows that are tried on each number: the widest, as they rule out the most.
_WINDOWS = 10_000
#: A bin is inside a window if it is so by more than the rounding of edges, in shares of the range.
_MARGIN = 1e-9
_ROUNDING = 16 * np.finfo(float).eps


def possible_bins(
    values: Floats, codes: Codes, bounds: tuple[float, float], spacing: str, limit: int, min_count: int
) -> Iterator[int]:
    """Numbers of bins from `limit` down, without those that surely leave a bin short of models.

    Between a model and the `min_count`-th after it in its group lie fewer than `min_count`, so a bin that fits in
    there is short. Where bins are so narrow that one must fit, none of the numbers from there on is possible.

    Parameters
    ----------
    values, codes : ndarray, shape (n,)
        Complexity of each model in the compared range, and its group.
    bounds : (float, float)
        Ends of the range.
    spacing : {"uniform", "log", "quantile"}
    limit : int
        Most bins.
    min_count : int
        Models that every bin should hold of every group.

    Examples
    --------
    >>> apart = np.array([0.0, 1.0, 2.0, 3.0, 8.0])  # two bins leave one model in the second
    >>> list(possible_bins(apart, np.zeros(5, dtype=int), (0.0, 8.0), "uniform", 5, 2))
    [1]
    """
    margin = _margin(bounds, spacing)
    groups = [np.sort(values[codes == code]) for code in range(int(codes.max()) + 1)]
    starts, ends = _widest(*_windows(groups, bounds, spacing, min_count, margin))
    width = float((ends - starts).max()) - 2 * margin
    # If bins are at most half as wide as a window, at least one of them lies inside it.
    most = limit if width <= 0 else min(limit, math.floor(2 / width))
    for own in groups:
        most = _filled(own, most, min_count)
    for count in range(most, 0, -1):
        first = np.maximum(np.ceil((starts + margin) * count), 0)
        if not (first + 1 <= (ends - margin) * count).any():
            yield count


def _filled(own: Floats, most: int, min_count: int) -> int:
    """Bins, up to `most`, that could be filled if edges might lie anywhere: equal models share a bin."""
    filled = place = 0
    while filled < most and place + min_count <= own.size:
        place = int(own.searchsorted(own[place + min_count - 1], side="right"))
        filled += 1
    return filled


def _margin(bounds: tuple[float, float], spacing: str) -> float:
    if spacing == "quantile":
        return _MARGIN
    low, high = np.log(bounds) if spacing == "log" else np.array(bounds)
    return _MARGIN + _ROUNDING * max(abs(low), abs(high)) / (high - low) if high > low else _MARGIN


def _windows(
    groups: list[Floats], bounds: tuple[float, float], spacing: str, min_count: int, margin: float
) -> tuple[Floats, Floats]:
    """Windows that hold too few models of a group, as shares of the range along which edges are evenly spaced."""
    pooled = np.sort(np.concatenate(groups)) if spacing == "quantile" else None
    starts, ends = [], []
    for own in groups:
        place = _places(own, pooled, bounds, spacing)
        # The ends of the range are edges themselves: a bin may touch them.
        after = np.concatenate([np.full(1, -2 * margin), place])
        until = np.concatenate([place, np.full(min_count, 1 + 2 * margin)])[min_count - 1 :]
        starts.append(after)
        ends.append(until[: after.size])
    return np.concatenate(starts), np.concatenate(ends)


def _widest(starts: Floats, ends: Floats) -> tuple[Floats, Floats]:
    """The `_WINDOWS` widest windows, in any order."""
    if starts.size <= _WINDOWS:
        return starts, ends
    chosen = np.argpartition(starts - ends, _WINDOWS)[:_WINDOWS]
    return starts[chosen], ends[chosen]


def _places(own: Floats, pooled: Floats | None, bounds: tuple[float, float], spacing: str) -> Floats:
    """Where the highest edge lies that is not above each model; `pooled` are all models, for quantiles."""
    if pooled is not None:
        return (np.searchsorted(pooled, own, side="right") - 1) / max(pooled.size - 1, 1)
    low, high = np.log(bounds) if spacing == "log" else np.array(bounds)
    scaled = np.log(own) if spacing == "log" else own
    place: Floats = (scaled - low) / max(high - low, np.finfo(float).tiny)
    return place
