"""Where the random-search curves of two populations cross: which is better depends on how many models one trains."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat import kernels, minima
from edfstat.arguments import quantile_level, whole
from edfstat.distributions import EDF, edf_of
from edfstat.errors import InputError
from edfstat.labels import ArrayLike
from edfstat.search_odds import best_of

__all__ = ["search_crossings"]

Floats = NDArray[np.float64]
#: Sizes per doubling at which the curves are compared, before a crossing is refined.
_PER_OCTAVE = 8
#: Which population leads, by the sign of curve a minus curve b.
_LEADER = {-1.0: "a", 0.0: "", 1.0: "b"}


def search_crossings(
    error_a: ArrayLike | EDF,
    error_b: ArrayLike | EDF,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
    quantile: float | None = None,
    max_m: int = 2**20,
) -> xr.Dataset:
    """Numbers of models at which the random-search curves of two populations cross.

    Parameters
    ----------
    error_a, error_b : array_like, DataArray or EDF
        Errors of the two populations, in percent; +inf for a model that failed.
    weights_a, weights_b : array_like or DataArray, optional
        Share of its population each model stands for, normalised here. Default: equal.
    quantile : float, optional
        Compare this quantile of the best error (0.5: the median curve) in place of its mean. Needed where
        both populations hold failed models, since both means are infinite then.
    max_m : int, default 2**20
        Largest number of models looked at.

    Returns
    -------
    Dataset
        Over ``crossing`` (as many as there are, perhaps none): ``crossing_m``, the real m at which the curves
        meet; ``from_m``, the first whole m after it; ``error`` there (percent); ``leader``, ``"a"`` or
        ``"b"``, the population with the lower curve after it. Over ``m`` (powers of two up to `max_m`):
        ``difference``, curve a minus curve b (percent), and ``win``, ``tie``, ``lose``, the chances that the
        best of m of a is lower than, equal to, higher than that of b. Attributes: ``first_leader``, the
        population with the lower curve at m = 1 ("" if equal), and ``possible``, an upper bound of the
        number of crossings.

    Raises
    ------
    InputError
        If errors or weights are refused, both means are infinite, or `quantile` is not inside (0, 1).

    See Also
    --------
    random_search : The curves.
    best_of : The chances at given numbers of models.

    Notes
    -----
    The difference of the mean curves is the integral of (Q_a(t) - Q_b(t)) m (1 - t)^(m-1) over t, with Q the
    quantile functions. This kernel is totally positive, so the curves cross at most as often as the two EDFs
    do (variation diminishing [1]_): never, if one EDF dominates. Sign changes are looked for at eight sizes per
    doubling and refined by Brent's method. Quantile curves are steps, and their crossings are exact.

    References
    ----------
    .. [1] Karlin, Total Positivity, Stanford University Press, 1968.

    Examples
    --------
    >>> found = search_crossings([4.0, 10.0], [5.0, 6.0, 7.0], weights_a=[0.05, 0.95], weights_b=[0.4, 0.3, 0.3])
    >>> found["crossing_m"].values.round(4).tolist(), found["from_m"].values.tolist(), found["leader"].values.tolist()
    ([34.9317], [35], ['a'])
    """
    a, b = edf_of(error_a, weights_a, "error_a", "weights_a"), edf_of(error_b, weights_b, "error_b", "weights_b")
    max_m = whole(max_m, "max_m", "give a whole number of models, from 1 to 2**62", most=2**62)
    quantile = quantile_level(quantile)
    levels, signs = _sign_by_level(a, b)
    possible = int(np.count_nonzero(np.diff(signs[signs != 0])))
    if quantile is None:
        if a.support[-1] == b.support[-1] == np.inf:
            raise InputError("both populations hold failed models, so both means are infinite; give quantile=0.5")
        roots, leading = _mean_crossings(a, b, max_m, possible)
    else:
        roots, leading = _quantile_crossings(levels, signs, quantile, max_m)
    return _dataset(a, b, roots, leading, quantile, max_m, possible)


def _sign_by_level(a: EDF, b: EDF) -> tuple[Floats, NDArray[np.int64]]:
    """Upper ends of the levels between jumps of either EDF, and the sign of Q_a - Q_b on each."""
    levels = np.union1d(a.probabilities, b.probabilities)
    # Levels that only rounding keeps apart are one.
    levels = levels[np.append(np.diff(levels) > kernels.SLACK, True)]
    middle = levels - np.diff(levels, prepend=0.0) / 2
    last_a, last_b = a.support.size - 1, b.support.size - 1
    of_a = a.support[np.minimum(np.searchsorted(a.probabilities, middle), last_a)]
    of_b = b.support[np.minimum(np.searchsorted(b.probabilities, middle), last_b)]
    return levels, np.where(of_a == of_b, 0, np.where(of_a < of_b, -1, 1))


def _mean_crossings(a: EDF, b: EDF, max_m: int, possible: int) -> tuple[Floats, Floats]:
    """Real m at which the mean curves cross, and the sign of their difference after it."""
    from scipy.optimize import brentq

    if possible == 0 or np.inf in (a.support[-1], b.support[-1]):
        return np.empty(0), np.empty(0)

    def difference(doublings: float) -> float:
        return _mean_best(a, 2.0**doublings) - _mean_best(b, 2.0**doublings)

    top = math.log2(max_m)
    grid = np.linspace(0, top, max(2, math.ceil(top * _PER_OCTAVE) + 1))
    gaps = np.array([difference(x) for x in grid])
    # Equal to rounding is no lead: such points are skipped, so a sign change across them still shows.
    scale = max(abs(a.support[0]), abs(b.support[0]), abs(_mean_best(a, 1)), abs(_mean_best(b, 1)))
    leads = np.flatnonzero(np.abs(gaps) > 1e-14 * scale)
    change = np.flatnonzero(np.sign(gaps[leads[1:]]) != np.sign(gaps[leads[:-1]]))
    found = [brentq(difference, grid[leads[i]], grid[leads[i + 1]], xtol=1e-13, rtol=1e-14) for i in change]
    return np.exp2(np.array(found, dtype=np.float64)), np.sign(gaps[leads[change + 1]])


def _mean_best(population: EDF, m: float) -> float:
    size = minima.reach(population, m)
    power = np.exp(m * minima.log_survival(population, 0, size)[:-1])
    return float(population.support[0] + np.diff(population.support[:size]) @ power)


def _quantile_crossings(levels: Floats, signs: NDArray[np.int64], quantile: float, max_m: int) -> tuple[Floats, Floats]:
    """Real m at which a quantile curve's leader changes, and its sign then: it reads Q at 1 - (1 - quantile)^(1/m)."""
    kept = np.flatnonzero(signs)
    change = kept[:-1][np.diff(signs[kept]) != 0]
    # As m grows the level falls: the new leader leads from the upper end of its own range of levels.
    sizes = np.log1p(-quantile) / np.log1p(-levels[change])
    order = np.argsort(sizes)
    # Who leads from m = 1 on has led all along, and so has who leads after a tie that m = 1 begins.
    lowest = levels[kept[1:] - 1][np.diff(signs[kept]) != 0]
    led = np.log1p(-quantile) / np.log1p(-lowest) > 1 + kernels.SLACK
    order = order[led[order] & (sizes[order] > 1 + kernels.SLACK) & (sizes[order] <= max_m)]
    return sizes[order], signs[change][order].astype(np.float64)


def _curve(population: EDF, m: float, quantile: float | None) -> float:
    if population.support[-1] == np.inf and quantile is None:
        return math.inf
    if quantile is None:
        return _mean_best(population, m)
    return float(minima.best_quantiles(population, m, np.array([quantile]))[0])


def _dataset(
    a: EDF, b: EDF, roots: Floats, leading: Floats, quantile: float | None, max_m: int, possible: int
) -> xr.Dataset:
    sizes = 2 ** np.arange(int(math.log2(max_m)) + 1)
    odds: list[Any] = [best_of(a, int(m), b, int(m)) for m in sizes]
    difference = np.array([_lead(a, b, float(m), quantile) for m in sizes])
    # A root within rounding of a whole number is that number, and nobody leads there yet.
    whole = np.floor(roots + 1e-9).astype(np.int64) + 1
    if quantile is not None:
        whole = np.ceil(roots - 1e-9).astype(np.int64)
    first = float(np.sign(_lead(a, b, 1.0, quantile)))
    return xr.Dataset(
        {
            "crossing_m": ("crossing", roots, {"long_name": "models at which the curves meet"}),
            "from_m": ("crossing", whole, {"long_name": "first whole number of models after it"}),
            "error": ("crossing", np.array([_curve(a, m, quantile) for m in roots]), {"units": "percent"}),
            "leader": ("crossing", np.array([_LEADER[sign] for sign in leading.tolist()], dtype=object)),
            "difference": ("m", difference, {"units": "percent", "long_name": "best error of a minus that of b"}),
            **{name: ("m", np.array([getattr(odd, name) for odd in odds])) for name in ("win", "tie", "lose")},
        },
        coords={"m": ("m", sizes, {"long_name": "models drawn"})},
        attrs={
            "first_leader": _LEADER[first],
            "possible": possible,
            "curve": "mean" if quantile is None else f"quantile {quantile:g}",
        },
    )


def _lead(a: EDF, b: EDF, m: float, quantile: float | None) -> float:
    """Curve a minus curve b, 0 where both are infinite."""
    of_a, of_b = _curve(a, m, quantile), _curve(b, m, quantile)
    return 0.0 if of_a == of_b else of_a - of_b
