"""How far a curve of area differences may wander: the critical value that holds at every eps at once, without draws.

The estimated difference at each eps is a sum over models, so the studentised curve is a point moving on a sphere,
seen from a random direction. The chance that it leaves (-c, c) anywhere is bounded by the length of its path.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["influence", "path_length", "simultaneous_critical"]

Floats = NDArray[np.float64]


def influence(g: Floats, value: float, w: Floats, codes: NDArray[np.intp], size: NDArray[np.intp]) -> Floats:
    """What each model adds to the error of a weighted mean `value` of `g`; its squares sum to the variance.

    Deviations are from the mean of the model's stratum, and scaled by m / (m - 1); a stratum of one adds 0.
    """
    u = w * (g - value)
    u -= (np.bincount(codes, u, minlength=size.size) / np.maximum(size, 1))[codes]
    u *= np.sqrt(np.where(size > 1, size / np.maximum(size - 1, 1), 0.0))[codes]
    return u


def path_length(curves: Iterable[list[Floats]]) -> float:
    """Length on the unit sphere of the path through the influences, at successive eps, of all samples together."""
    length = 0.0
    before: list[Floats] | None = None
    for parts in curves:
        norm = math.sqrt(sum(float(part @ part) for part in parts))
        here = [part / norm for part in parts]
        if before is not None:
            chord = math.sqrt(sum(float((x - y) @ (x - y)) for x, y in zip(here, before, strict=True)))
            length += 2 * math.asin(min(chord / 2, 1.0))
        before = here
    return length


def simultaneous_critical(length: float, count: int, df: float, level: float) -> float:
    """Smallest c with P(|T| exceeds c somewhere on the path) <= 1 - level, by Naiman's bound or Bonferroni's.

    The bound is 2 P(T > c) + (length / pi) (1 + c^2 / df)^(-df / 2), T Student's t; for `count` points of the path it
    need not exceed that of as many separate tests.

    References
    ----------
    .. [1] Naiman, Conservative confidence bands in curvilinear regression, Annals of Statistics 14, 1986.
    """
    from scipy.optimize import brentq
    from scipy.special import stdtr, stdtrit

    miss = 1 - level
    single, separate = (-float(stdtrit(df, miss / 2 / tests)) for tests in (1, count))

    def excess(c: float) -> float:
        return float(2 * stdtr(df, -c) + length / math.pi * math.exp(-df / 2 * math.log1p(c * c / df)) - miss)

    if excess(separate) >= 0:
        return separate
    return single if excess(single) <= 0 else float(brentq(excess, single, separate, xtol=1e-12))
