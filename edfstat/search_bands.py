"""Bands for random-search curves that hold for all numbers of models at once."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.arguments import points, quantile_level, shown
from edfstat.bands import dkw_half_width, exact_half_width
from edfstat.distributions import EDF, edf
from edfstat.errors import InputError
from edfstat.labels import ArrayLike
from edfstat.search_odds import whole_sizes

__all__ = ["search_band"]

Floats = NDArray[np.float64]


def search_band(
    error: ArrayLike | EDF,
    m: Any,
    weights: ArrayLike | None = None,
    *,
    strata: ArrayLike | None = None,
    quantile: float | None = 0.5,
    bounds: tuple[float, float] = (0.0, 100.0),
    level: float = 0.95,
    method: str = "dkw",
) -> xr.Dataset:
    """Band that holds a whole random-search curve, at every number of models, with one chance `level`.

    Parameters
    ----------
    error : array_like, DataArray or EDF, shape (n,)
        Error of each model, in percent; +inf for a model that failed.
    m : int or sequence of int, shape (s,)
        Numbers of models drawn, each at least 1.
    weights : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: 1/n each.
    strata : array_like or DataArray, shape (n,), optional
        Complexity bin of each model, for ``method="stratified"``.
    quantile : float or None, default 0.5
        Curve that is bounded: this quantile of the best error, inside (0, 1), or with None the mean.
    bounds : (float, float), default (0, 100)
        Least and largest error that a model can have. A sample says nothing about what lies beyond it, so a
        band of the mean needs both, and of a quantile uses them where it reaches past the sample.
    level : float, default 0.95
        Chance that the band holds the whole curve.
    method : {"dkw", "exact", "stratified"}
        Band of the EDF that is carried over (see `EDF.band`).

    Returns
    -------
    Dataset
        Over ``m``: ``lower`` and ``upper`` (percent).

    Raises
    ------
    InputError
        If errors, weights, sizes or level are refused, `quantile` is not inside (0, 1), or an error that is
        not +inf lies outside `bounds`.

    See Also
    --------
    random_search : The curve itself.

    Notes
    -----
    If L <= F <= U everywhere, the chance 1 - (1 - F)^m that the best of m is at most v lies between those of L
    and U for every m at once, so no correction for the number of sizes is needed [1]_. The lower curve is
    that of U and the upper that of L. Failed models count at the upper bound.

    References
    ----------
    .. [1] Lourie, Cho and He, Show Your Work with Confidence, arXiv:2311.09480.

    Examples
    --------
    >>> import numpy as np
    >>> band = search_band(np.linspace(5, 15, 1001), [1, 8, 64])
    >>> band["lower"].values.round(2).tolist(), band["upper"].values.round(2).tolist()
    ([9.57, 5.4, 0.0], [10.43, 6.26, 5.53])
    """
    found = edf(error, weights, strata=strata)
    sizes = whole_sizes(m, "m")
    quantile = quantile_level(quantile)
    low, high = _ends(bounds)
    finite = found.support[np.isfinite(found.support)]
    if not low < high or (finite.size and (finite[0] < low or finite[-1] > high)):
        raise InputError(f"bounds are {bounds!r}; give the least and largest error possible, around all that are there")
    band = found.band(level, method)  # type: ignore[arg-type]
    # Steps of the two bounds: U holds its first value from the least possible error on, L its last to the largest.
    values = np.concatenate(([low], finite, [high]))
    upper_f = np.concatenate(([_beyond(found, level, method)], np.asarray(band.upper)[: finite.size], [1.0]))
    lower_f = np.concatenate(([0.0], np.asarray(band.lower)[: finite.size], [1.0]))
    curve = _means if quantile is None else partial(_quantiles, quantile=quantile)
    percent = {"units": "percent"}
    return xr.Dataset(
        {
            "lower": ("m", curve(values, upper_f, sizes), percent),
            "upper": ("m", curve(values, lower_f, sizes), percent),
        },
        coords={"m": ("m", sizes, {"long_name": "models drawn"})},
        attrs={"level": level, "method": method, "curve": "mean" if quantile is None else f"quantile {quantile:g}"},
    )


def _ends(bounds: Any) -> tuple[float, float]:
    ends = points(bounds, "bounds", "give the least and the largest error possible")
    if ends.shape != (2,):
        raise InputError(f"bounds is {shown(bounds)}; give the least and the largest error possible")
    return float(ends[0]), float(ends[1])


def _beyond(found: EDF, level: float, method: str) -> float:
    """How much of the space may lie below the best model seen: where F is zero, the band still has its width."""
    if method == "exact":
        return exact_half_width(found.n, level)
    return dkw_half_width(found.effective_n, level)


def _means(values: Floats, shares: Floats, sizes: NDArray[np.int64]) -> Floats:
    """E = v_0 + sum of gaps times (1 - F)^m."""
    gaps = np.diff(values)
    with np.errstate(divide="ignore"):
        logs = np.log1p(-np.minimum(shares[:-1], 1.0))
    return np.array([values[0] + gaps @ np.exp(m * logs) for m in sizes.tolist()])


def _quantiles(values: Floats, shares: Floats, sizes: NDArray[np.int64], quantile: float) -> Floats:
    level = -np.expm1(np.log1p(-quantile) / sizes)
    ordered = np.maximum.accumulate(shares)
    found: Floats = values[np.minimum(np.searchsorted(ordered, level * (1 - 1e-12)), values.size - 1)]
    return found
