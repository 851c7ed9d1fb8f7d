"""Distance between two populations in error points: the area between their EDFs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edfstat.distributions import EDF, edf_of
from edfstat.kernels import SLACK, step_values
from edfstat.labels import ArrayLike

__all__ = ["wasserstein"]

Floats = NDArray[np.float64]
_PIECES = 2048


def wasserstein(
    a: ArrayLike | EDF,
    b: ArrayLike | EDF,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
) -> float:
    """Wasserstein-1 distance: the area between two EDFs.

    Parameters
    ----------
    a, b : array_like, DataArray or EDF, shape (n,)
        Error of each model of a population, in percent, or its stored `EDF`; +inf for a failed model.
    weights_a, weights_b : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: equal.

    Returns
    -------
    float
        In error points. Infinite if the populations differ in their share of failed models.

    Raises
    ------
    InputError
        If an error is NaN or -inf, or weights are negative, not finite, all zero or not one per model.

    See Also
    --------
    ks_test : The largest gap in place of the area.
    auc_difference : With a sign, up to eps.

    Notes
    -----
    ``W = int |F_a(e) - F_b(e)| de``: how far, on average, errors must move to turn one population into the
    other. An `EDF` is not sorted again.

    Examples
    --------
    >>> wasserstein([5.0, 7.0], [6.0, 9.0])
    1.5
    """
    f, g = edf_of(a, weights_a, "a", "weights_a"), edf_of(b, weights_b, "b", "weights_b")
    highest = _highest_finite(f, g)
    if highest is None:
        return 0.0 if math.isinf(f.support[0]) and math.isinf(g.support[0]) else math.inf
    if abs(float(f(highest)) - float(g(highest))) > SLACK:
        return math.inf
    knots = np.unique(np.concatenate([_spaced(f, highest), _spaced(g, highest), [highest]]))
    at_f, at_g = (_heights(x, knots, "right") for x in (f, g))
    before_f, before_g = (_heights(x, knots[1:], "left") for x in (f, g))
    # Between two knots both rise: one stays above if it starts where the other ends.
    above, below = at_f[:-1] >= before_g, at_g[:-1] >= before_f
    signed = _areas(f, knots, at_f) - _areas(g, knots, at_g)
    settled = float(np.abs(signed[above | below]).sum())
    return settled + _merged_area(f, g, knots, np.flatnonzero(~(above | below)))


def _highest_finite(f: EDF, g: EDF) -> float | None:
    tops = [x.support[np.isfinite(x.support)][-1:] for x in (f, g)]
    return float(np.concatenate(tops).max()) if all(top.size for top in tops) else None


def _spaced(f: EDF, highest: float) -> Floats:
    """About `_PIECES` of the distinct errors of an EDF, the lowest among them."""
    last = int(np.searchsorted(f.support, highest, side="right"))
    return f.support[: last : -(-last // _PIECES)]


def _heights(f: EDF, at: Floats, side: str) -> Floats:
    return step_values(f.support, f.probabilities, at, side)


def _areas(f: EDF, knots: Floats, heights: Floats) -> Floats:
    """Area under an EDF from each knot to the next: a rectangle, and what each error between them adds."""
    first, last = np.searchsorted(f.support, knots[0], side="right"), np.searchsorted(f.support, knots[-1])
    values, mass = f.support[first:last], f.mass[first:last]
    inside = np.searchsorted(values, knots, side="right")
    inside[-1] = values.size
    # Cumulative sums from knot to knot; an error that is itself a knot has no area beyond it in the piece it ends.
    width = np.diff(knots)
    piece = np.repeat(np.arange(width.size), np.diff(inside))
    added = np.bincount(piece, mass * (knots[1:][piece] - values), minlength=width.size)
    return heights[:-1] * width + added


def _merged_area(f: EDF, g: EDF, knots: Floats, pieces: NDArray[np.intp]) -> float:
    """Area between two EDFs in the given pieces, from one distinct error to the next."""
    if pieces.size == 0:
        return 0.0
    low, high = knots[pieces], knots[pieces + 1]
    points = [low]
    for x in (f, g):
        begin, end = np.searchsorted(x.support, low, side="right"), np.searchsorted(x.support, high)
        count = end - begin
        skipped = np.repeat(begin - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
        points.append(x.support[np.arange(int(count.sum())) + skipped])
    ordered = np.unique(np.concatenate(points))
    ends = high[np.searchsorted(low, ordered, side="right") - 1]
    width = np.minimum(np.append(ordered[1:], np.inf), ends) - ordered
    gap = np.abs(_heights(f, ordered, "right") - _heights(g, ordered, "right"))
    return float(np.dot(gap, width))
