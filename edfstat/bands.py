"""How far the true distribution function may lie from an EDF: bands for all errors at once, intervals for one."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.distributions import EDF, Interval, Strata
from edfstat.errors import InputError

__all__ = ["check_level", "dkw_half_width", "exact_half_width", "pointwise_interval", "simultaneous_band"]

Floats = NDArray[np.float64]


def check_level(level: float) -> float:
    """`level` if it lies strictly between 0 and 1."""
    if not 0 < level < 1:
        raise InputError(f"level is {level}; give a confidence level between 0 and 1, such as 0.95")
    return float(level)


def dkw_half_width(effective_n: float, level: float) -> float:
    """Half width sqrt(ln(2 / (1 - level)) / (2 n)) of Dvoretzky, Kiefer, Wolfowitz and Massart."""
    return float(np.sqrt(np.log(2 / (1 - check_level(level))) / (2 * effective_n)))


def exact_half_width(n: int, level: float) -> float:
    """Exact quantile of Kolmogorov's D_n: the half width for n equal weights."""
    from scipy.stats import kstwo

    return float(kstwo.ppf(check_level(level), n))


def simultaneous_band(
    F: EDF,
    level: float = 0.95,
    method: Literal["dkw", "exact", "stratified"] = "dkw",
    **options: Any,
) -> Interval:
    """Band around an EDF that holds the whole true distribution function with chance `level`."""
    check_level(level)
    if method == "dkw":
        half: float | Floats = dkw_half_width(F.effective_n, level)
    elif method == "exact":
        if not F.equal_weights:
            raise InputError("method='exact' holds for equal weights only; use 'dkw' or 'stratified'")
        half = exact_half_width(int(F.n), level)
    elif method == "stratified":
        from edfstat.bridges import stratified_half_width

        half = stratified_half_width(F, level, **options)
    else:
        raise InputError(f"method is {method!r}; give 'dkw', 'exact' or 'stratified'")
    return Interval(np.maximum(F.probabilities - half, 0.0), np.minimum(F.probabilities + half, 1.0))


def pointwise_interval(F: EDF, x: Any, level: float = 0.95) -> Interval:
    """Interval for the true F at each x alone: Clopper and Pearson's with real-valued counts n* F."""
    alpha = 1 - check_level(level)
    at = np.asarray(x.values if isinstance(x, xr.DataArray) else x, dtype=np.float64)
    share = np.asarray(F(at))
    count = np.minimum(F.effective_n, F.n) * np.ones_like(share)
    if F.strata is not None:
        variance = stratified_variance(F.strata, at.ravel(), share.ravel()).reshape(share.shape)
        binomial = share * (1 - share)
        known = variance > 0
        count = np.where(known, np.minimum(binomial / np.where(known, variance, 1.0), count), count)
    lower, upper = _clopper_pearson(share, count, alpha)
    return Interval(*(_like(x, bound, name) for bound, name in ((lower, "lower"), (upper, "upper"))))


def _clopper_pearson(share: Floats, n: Floats, alpha: float) -> tuple[Floats, Floats]:
    from scipy.special import betaincinv

    hits, misses = n * share, n * (1 - share)
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-300), misses + 1, alpha / 2), 0.0)
    # The upper bound is one minus the lower bound for the misses: small misses keep their digits.
    high = np.where(misses > 0, 1 - betaincinv(np.maximum(misses, 1e-300), hits + 1, alpha / 2), 1.0)
    return low, high


def stratified_variance(strata: Strata, at: Floats, share: Floats) -> Floats:
    """Variance of the EDF at each point: sum over strata of the spread of w_i (1[e_i <= t] - F(t)).

    With equal weights inside strata it is sum_j W_j^2 F_j (1 - F_j) / (m_j - 1). A stratum of one model
    has no spread of its own; the pooled F (1 - F) stands in, which cannot make the interval too short.
    """
    total = np.zeros(at.size)
    weights = np.full(strata.errors.size, 1 / strata.errors.size) if strata.weights is None else strata.weights
    order = np.lexsort((strata.errors, strata.codes))
    ends = np.cumsum(np.bincount(strata.codes, minlength=strata.labels.size))
    for rows in np.split(order, ends[:-1]):
        w = weights[rows]
        if w.sum() == 0:
            continue
        place = np.searchsorted(strata.errors[rows], at, side="right")
        first = np.concatenate([[0.0], np.cumsum(w)])
        second = np.concatenate([[0.0], np.cumsum(w * w)])
        m = rows.size
        if m == 1:
            total += second[-1] * share * (1 - share)
            continue
        sums = first[place] - share * first[-1]
        squares = second[place] * (1 - share) ** 2 + (second[-1] - second[place]) * share**2
        total += m / (m - 1) * np.maximum(squares - sums**2 / m, 0.0)
    return total


def _like(template: Any, values: Floats, name: str) -> Any:
    if isinstance(template, xr.DataArray):
        return template.copy(data=values).rename(name)
    return float(values) if values.ndim == 0 else values
