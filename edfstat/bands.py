"""How far the true distribution function may lie from an EDF: bands for all errors at once, intervals for one."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edfstat.arguments import choice, confidence_level, points
from edfstat.distributions import EDF, Interval, Strata
from edfstat.errors import InputError
from edfstat.labels import each_weight, shaped

__all__ = [
    "NotedInterval",
    "dkw_half_width",
    "exact_half_width",
    "pointwise_interval",
    "simultaneous_band",
]

Floats = NDArray[np.float64]

#: Where the guarded bound lies this many times as far from F as the default one, a few heavy models decide.
_NOTED = 1.1


class NotedInterval(Interval):
    """An `Interval` that says in `note` where it should not be relied on; empty where there is nothing to say."""

    note: str = ""


def dkw_half_width(effective_n: float, level: float) -> float:
    """Half width sqrt(ln(2 / (1 - level)) / (2 n)) of Dvoretzky, Kiefer, Wolfowitz and Massart."""
    return float(np.sqrt(np.log(2 / (1 - confidence_level(level))) / (2 * effective_n)))


def exact_half_width(n: int, level: float) -> float:
    """Exact quantile of Kolmogorov's D_n: the half width for n equal weights."""
    from scipy.stats import kstwo

    return float(kstwo.ppf(confidence_level(level), n))


def simultaneous_band(
    F: EDF,
    level: float = 0.95,
    method: Literal["dkw", "exact", "stratified"] = "dkw",
    **options: Any,
) -> Interval:
    """Band around an EDF that holds the whole true distribution function with chance `level`."""
    level = confidence_level(level)
    choice(method, "method", ("dkw", "exact", "stratified"), "give 'dkw', 'exact' or 'stratified'")
    if options and method != "stratified":
        raise InputError(f"{sorted(options)[0]} is an option of method='stratified' only; leave it out")
    if method == "dkw":
        half: float | Floats = dkw_half_width(F.effective_n, level)
    elif method == "exact":
        if not F.equal_weights:
            raise InputError("method='exact' holds for equal weights only; use 'dkw' or 'stratified'")
        half = exact_half_width(int(F.n), level)
    else:
        from edfstat.bridges import stratified_half_width

        half = stratified_half_width(F, level, **options)
    return Interval(np.maximum(F.probabilities - half, 0.0), np.minimum(F.probabilities + half, 1.0))


def pointwise_interval(F: EDF, x: Any, level: float = 0.95, method: Literal["n*", "guarded"] = "n*") -> NotedInterval:
    """Interval for the true F at each x alone: Clopper and Pearson's with real-valued counts n* F.

    ``guarded`` finds each bound as if one more model of the largest weight lay on its side of x: with
    w the largest weight and H the share there (F for the upper bound, 1 - F for the lower one) it takes
    (H + w) / (H / n* + w^2) models in place of n*. That is Fay and Feuer's (1997) remedy for standardised rates, whose
    rare events may all come from the thinnest strata. Equal weights make the two methods the same.
    """
    choice(method, "method", ("n*", "guarded"), "give 'n*' or 'guarded'")
    if method == "guarded" and F.strata is None and not F.equal_weights:
        raise InputError("method='guarded' needs strata; make the EDF with edf(error, weights, strata=bins)")
    alpha = 1 - confidence_level(level)
    at = points(x, "x")
    share = np.asarray(F(at))
    count = _effective_count(F, at, share)
    bounds = _clopper_pearson(share, count, count, alpha)
    note = ""
    if F.strata is not None and F.strata.weights is not None:
        heaviest = float(F.strata.weights.max())
        guarded = _clopper_pearson(share, _with_one_more(1 - share, count, heaviest),
                                   _with_one_more(share, count, heaviest), alpha)  # fmt: skip
        if method == "guarded":
            bounds = guarded
        else:
            note = _doubt(share, bounds, guarded)
    interval = NotedInterval(*(shaped(bound, x, name) for bound, name in zip(bounds, ("lower", "upper"), strict=True)))
    interval.note = note
    return interval


def _effective_count(F: EDF, at: Floats, share: Floats) -> Floats:
    """n* = min(F (1 - F) / v, effective n, n) at each error; effective n where the variance v is 0."""
    count: Floats = np.minimum(F.effective_n, F.n) * np.ones_like(share)
    if F.strata is None:
        return count
    variance = stratified_variance(F.strata, at.ravel(), share.ravel()).reshape(share.shape)
    known = variance > 0
    found: Floats = np.where(known, np.minimum(share * (1 - share) / np.where(known, variance, 1.0), count), count)
    return found


def _with_one_more(share: Floats, count: Floats, weight: float) -> Floats:
    """Models that count if one more, of this weight, lay in `share`; 1 / weight where nothing does."""
    found: Floats = np.minimum((share + weight) / (share / count + weight**2), count)
    return found


def _doubt(share: Floats, bounds: tuple[Floats, Floats], guarded: tuple[Floats, Floats]) -> str:
    """What to say of an interval whose width the heaviest models could change."""
    low, high = (np.abs(a - share) > _NOTED * np.abs(b - share) for a, b in zip(guarded, bounds, strict=True))
    doubtful = int(np.count_nonzero(low | high))
    if not doubtful:
        return ""
    return (
        f"at {doubtful} of {share.size} errors this interval may be too short: the strata of heavy models hold too few "
        "to show their spread there; method='guarded' allows for it"
    )


def _clopper_pearson(share: Floats, n_low: Floats, n_high: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Bounds of a share of `n_low` models (lower bound) and of `n_high` models (upper bound)."""
    from scipy.special import betaincinv

    hits, misses = n_low * share, n_low * (1 - share)
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-300), misses + 1, alpha / 2), 0.0)
    hits, misses = n_high * share, n_high * (1 - share)
    # The upper bound is one minus the lower bound for the misses: small misses keep their digits.
    high = np.where(misses > 0, 1 - betaincinv(np.maximum(misses, 1e-300), hits + 1, alpha / 2), 1.0)
    return low, high


def stratified_variance(strata: Strata, at: Floats, share: Floats) -> Floats:
    """Variance of the EDF at each point: sum over strata of the spread of w_i (1[e_i <= t] - F(t)).

    With equal weights inside strata it is sum_j W_j^2 F_j (1 - F_j) / (m_j - 1). A stratum of one model
    has no spread of its own; the pooled F (1 - F) stands in, which cannot make the interval too short.
    """
    total = np.zeros(at.size)
    weights = each_weight(strata.weights, strata.errors.size)
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
