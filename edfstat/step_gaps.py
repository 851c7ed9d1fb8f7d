"""Where two EDFs differ most, found in their stored atoms without merging them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edfstat.kernels import SLACK, Atoms, step_values

__all__ = ["Gap", "ks_distance", "largest_gap"]

_PIECES = 2048
_FINER = 32


class Gap(NamedTuple):
    """A largest gap, and the lowest error at which it is reached."""

    size: float
    at: float


def ks_distance(first: Atoms, second: Atoms) -> float:
    """Largest gap of two EDFs either way, the two-sided KS statistic.

    Examples
    --------
    >>> from edfstat import edf
    >>> ks_distance(edf([5.0, 6.0, 7.0, 8.0]).atoms, edf([6.0, 7.0, 8.0, 9.0]).atoms)
    0.25
    """
    return max(largest_gap(first, second).size, largest_gap(second, first).size)


def largest_gap(above: Atoms, below: Atoms, restrict: float = np.inf) -> Gap:
    """Largest F_above - F_below over errors <= `restrict`, at least 0.

    F_above rises only at its own atoms, so the maximum is at one of them. Atoms are taken in pieces: between
    the first and the last of a piece the gap is at most the last F_above less the first F_below, and only
    pieces that can beat the best gap so far are cut finer.
    """
    last = int(np.searchsorted(above.support, restrict, side="right"))
    # Without a gap, it is 0 from the lowest error on.
    best = Gap(0.0, float(min(above.support[0], below.support[0])))
    length = -(-max(last, 1) // _PIECES)
    first = np.arange(0, last, length)
    while first.size:
        values = above.support[first]
        under = step_values(below.support, below.forward, values, "right")
        gaps = above.forward[first] - under
        best = _better(best, Gap(float(gaps.max()), float(values[np.argmax(gaps >= gaps.max() - SLACK)])))
        if length == 1:
            break
        bound = above.forward[np.minimum(first + length, last) - 1] - under
        # Pieces that can only equal the best are kept: the gap may be reached at a lower error there.
        open_pieces = (bound > best.size + SLACK) | ((bound >= best.size - SLACK) & (values < best.at))
        finer = -(-length // _FINER)
        first = (first[open_pieces][:, None] + np.arange(0, length, finer)).ravel()
        # The next piece starts where this one ends, also when `finer` does not divide its length.
        first = np.unique(first[first < last])
        length = finer
    return best


def _better(old: Gap, new: Gap) -> Gap:
    """The larger gap; of two that are equal up to rounding, the one at the lower error."""
    larger = new.size > old.size + SLACK
    lower = new.size > SLACK and new.size >= old.size - SLACK and new.at < old.at
    return Gap(max(new.size, old.size), new.at) if larger or lower else old
