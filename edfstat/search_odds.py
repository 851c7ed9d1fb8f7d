"""Random search in a population, exactly: how good the best of m models is, and how many models it takes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat import kernels, minima
from edfstat.arguments import flag, number, points, shares, shown
from edfstat.distributions import EDF, edf_of
from edfstat.errors import InputError
from edfstat.labels import ArrayLike

__all__ = ["Odds", "best_of", "draws_needed", "models_needed", "random_search", "whole_sizes"]

Floats = NDArray[np.float64]


class Odds(NamedTuple):
    """Chances that one side's best error is lower than, equal to, higher than the other's. They sum to 1."""

    win: float
    tie: float
    lose: float


def random_search(
    error: ArrayLike | EDF,
    m: Any,
    weights: ArrayLike | None = None,
    *,
    replace: bool = True,
    quantiles: Any = (0.05, 0.5, 0.95),
) -> xr.Dataset:
    """Law of the best error of m random models: its mean, spread and quantiles for each m, exactly.

    Parameters
    ----------
    error : array_like, DataArray or EDF, shape (n,)
        Error of each model, in percent; +inf for a model that failed. An `EDF` needs no second sort.
    m : int or sequence of int, shape (s,)
        Numbers of models drawn, each at least 1.
    weights : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: 1/n each.
    replace : bool, default True
        Whether models are drawn with replacement, the plug-in estimate for a design space that the models
        were sampled from. Without, the value is that of a random subset of m of these models: an unbiased
        estimate for m fresh models, defined for equal weights and m <= n only.
    quantiles : float or sequence of float, default (0.05, 0.5, 0.95)
        Levels of the quantiles, from 0 to 1.

    Returns
    -------
    Dataset
        Over ``m``: ``mean`` and ``std`` (percent); ``support``, the effective number of distinct errors
        behind the value (below about 5 it says more about the few best models than about the space). Over
        ``m`` and ``q``: ``quantile`` (percent). With failed models in reach the mean is inf and the standard
        deviation NaN; quantiles stay finite as long as the best model probably is.

    Raises
    ------
    InputError
        If an error is NaN or -inf, weights are refused, `m` is not whole, below 1 or, without replacement,
        above n, a level is outside 0 to 1, or weights are given with ``replace=False``.

    See Also
    --------
    models_needed : How many models reach a target.
    search_band : How sure the curve is.
    search_crossings : Where the curves of two populations cross.
    plot.random_search : Drawn.

    Notes
    -----
    With atoms v_1 < .. < v_K and S_k the share of the weight above v_k, P(best of m > v_k) = S_k^m, so

        E[best] = v_1 + sum_k (v_{k+1} - v_k) S_k^m,

    which the paper's section 3.2 simulates with n/m repeats [1]_. This plug-in is the V-statistic of [2]_ and
    too high (pessimistic) for m near n. Without replacement S_k^m becomes C(N_k, m) / C(n, m) with N_k the
    number of models above v_k, the U-statistic of [3]_. A quantile is the first v_k with 1 - S_k^m >= q.

    References
    ----------
    .. [1] Radosavovic et al., ICCV 2019, arXiv:1905.13214.
    .. [2] Dodge et al., Show Your Work, EMNLP 2019, arXiv:1909.03004.
    .. [3] Tang et al., Showing Your Work Doesn't Always Work, ACL 2020, arXiv:2004.13705.

    Examples
    --------
    >>> curve = random_search([3.0, 4.0, 4.0, 9.0], m=[1, 2, 3])
    >>> curve["mean"].values.tolist()
    [5.0, 3.875, 3.5]
    >>> float(curve["quantile"].sel(m=2, q=0.5))
    4.0
    """
    replace = flag(replace, "replace")
    found = _population(error, weights, "error", "weights", replace)
    sizes = whole_sizes(m, "m", None if replace else found.n)
    levels = shares(quantiles, "quantiles", "give levels from 0 to 1")
    distinct, place = np.unique(sizes, return_inverse=True)
    if replace:
        moments = minima.best_moments(found, distinct.astype(np.float64))
    else:
        rows = [minima.moments_without_replacement(found, int(size)) for size in distinct]
        moments = minima.Moments(*(np.array(column) for column in zip(*rows, strict=True)))
    ranks = np.stack([minima.best_quantiles(found, int(size), levels, replace=replace) for size in distinct])
    percent = {"units": "percent"}
    return xr.Dataset(
        {
            "mean": ("m", moments.mean[place], percent | {"long_name": "mean best error of m models"}),
            "std": ("m", moments.std[place], percent | {"long_name": "standard deviation of the best error"}),
            "quantile": (("m", "q"), ranks[place], percent | {"long_name": "quantile of the best error"}),
            "support": ("m", moments.support[place], {"long_name": "effective number of errors behind it"}),
        },
        coords={
            "m": ("m", sizes, {"long_name": "models drawn"}),
            "q": ("q", levels, {"long_name": "level of the quantile"}),
        },
        attrs={
            "n": found.n,
            "effective_n": found.effective_n,
            "method": "exact, with replacement" if replace else "exact, without replacement",
        },
    )


def models_needed(
    error: ArrayLike | EDF,
    target: float,
    probability: float = 0.95,
    weights: ArrayLike | None = None,
) -> float:
    """Random draws after which the best model has probably reached a target error.

    Parameters
    ----------
    error : array_like, DataArray or EDF, shape (n,)
        Error of each model, in percent; +inf for a model that failed.
    target : float
        Error to reach, in percent; a model reaches it with error <= `target`.
    probability : float, default 0.95
        Wanted chance that at least one draw reaches it.
    weights : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: 1/n each.

    Returns
    -------
    float
        Number of independent draws, with replacement: a whole number of at least 1. 1 if `probability` is 0,
        inf if no model of positive weight reaches the target, or if `probability` is 1 and some do not.

    Raises
    ------
    InputError
        If `probability` is outside 0 to 1, `target` is NaN, or errors or weights are refused.

    See Also
    --------
    time_to_target : In hours in place of models.
    random_search : The best error of m models.

    Notes
    -----
    The smallest m with 1 - (1 - F)^m >= probability, F the weighted EDF at the target. It is
    log(1 - probability) / log(1 - F) rounded up; both logarithms are taken so that F = 1e-9 keeps its digits,
    and a quotient that only rounding lifted above a whole number is not rounded up.

    Examples
    --------
    >>> models_needed([5.0, 6.0, 7.0, 8.0], target=5.5)
    11.0
    """
    target = number(target, "target", "give the error to reach, in percent")
    probability = number(probability, "probability", "give a value from 0 to 1", accept=lambda x: 0 <= x <= 1)
    found = _population(error, weights)
    reached = int(np.searchsorted(found.support, target, side="right"))
    if reached == found.support.size or probability == 0:
        return 1.0
    if reached == 0 or probability == 1:
        return math.inf
    return float(draws_needed(found.probabilities[reached - 1], found.tail[reached - 1], probability))


def draws_needed(hit: Floats, miss: Floats, probability: float) -> Floats:
    """Smallest m >= 1 with 1 - miss^m >= probability, inf where hit is 0.

    hit + miss = 1, each accurate relative to itself where it is small; 0 < probability < 1.
    """
    goal = math.log1p(-probability)
    with np.errstate(divide="ignore", over="ignore"):
        draws = np.divide(goal, np.where(hit < 0.5, np.log1p(-hit), np.log(miss)))
    needed = np.full(draws.shape, np.inf)
    some = np.isfinite(draws)
    draws = draws[some]
    # Rounding can lift the quotient just above a whole number; so can a probability half a unit in the last
    # place above the decimal that was meant, which tells most close to 1.
    slack = kernels.SLACK * np.maximum(1.0, draws)
    meant = math.ulp(probability) / 2 / ((1 - probability) * -goal) * draws
    # If that amounts to half a draw or more, nothing tells what was meant: the probability is taken as it stands.
    needed[some] = np.maximum(1.0, np.ceil(draws - slack - np.where(meant < 0.5, meant, 0.0)))
    return needed


def best_of(
    error_a: ArrayLike | EDF,
    n_a: int,
    error_b: ArrayLike | EDF | None = None,
    n_b: int | None = None,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
    replace: bool = True,
) -> Odds:
    """Chance that the best of n_a models of one population beats the best of n_b of another.

    Within one population it measures how much a comparison of minima rewards nothing but the larger sample.

    Parameters
    ----------
    error_a, error_b : array_like, DataArray or EDF
        Errors of the two populations, in percent; +inf for a model that failed. Without `error_b` both
        samples are drawn, independently, from the first population.
    n_a, n_b : int
        Models drawn from each; `n_b` is `n_a` if not given.
    weights_a, weights_b : array_like or DataArray, optional
        Share of its population each model stands for, normalised here. Default: equal.
    replace : bool, default True
        Whether each sample is drawn with replacement. Without takes equal weights.

    Returns
    -------
    Odds
        Named tuple (win, tie, lose): chances that the best of `n_a` is lower than, equal to, higher than the
        best of `n_b`. Two samples of nothing but failed models tie.

    Raises
    ------
    InputError
        If errors, weights or sizes are refused, or weights are given with ``replace=False``.

    See Also
    --------
    random_search : The best error of one population.
    search_crossings : The numbers of models at which the better one changes.

    Notes
    -----
    win = sum over atoms v of P(best of a = v) P(best of b > v). For one continuous population it is
    n_a / (n_a + n_b): of 100 against 1000 models the smaller sample wins 1 time in 11, which the paper
    finds by simulation [1]_.

    References
    ----------
    .. [1] Radosavovic et al., ICCV 2019, section 3.1. arXiv:1905.13214.

    Examples
    --------
    >>> odds = best_of([1.0, 2.0], 1, [1.5, 2.0], 1)
    >>> odds.win, odds.tie, odds.lose
    (0.5, 0.25, 0.25)
    """
    replace = flag(replace, "replace")
    if error_b is None and weights_b is not None:
        raise InputError("weights_b are given without error_b; give both, or leave both out for one population")
    a = _population(error_a, weights_a, "error_a", "weights_a", replace)
    b = a if error_b is None else _population(error_b, weights_b, "error_b", "weights_b", replace)
    drawn_a = _one_size(n_a, "n_a", None if replace else a.n)
    drawn_b = _one_size(n_a if n_b is None else n_b, "n_b", None if replace else b.n)
    above_a, at_a = minima.best_law(a, drawn_a, replace=replace)
    above_b, at_b = minima.best_law(b, drawn_b, replace=replace)
    values_a, values_b = a.support[: at_a.size], b.support[: at_b.size]
    win = float(at_a @ minima.survival_at(b, above_b, values_a))
    lose = float(at_b @ minima.survival_at(a, above_a, values_b))
    _, shared_a, shared_b = np.intersect1d(values_a, values_b, assume_unique=True, return_indices=True)
    return Odds(win, float(at_a[shared_a] @ at_b[shared_b]), lose)


def _population(
    error: Any, weights: Any, name: str = "error", weights_name: str = "weights", replace: bool = True
) -> EDF:
    """EDF of a population; refuses weights where models are drawn without replacement."""
    found = edf_of(error, weights, name, weights_name)
    if not replace and (weights is not None or not found.equal_weights):
        raise InputError(
            f"{weights_name} are given with replace=False, for which no exact law exists; "
            "draw with replace=True, or leave the weights out"
        )
    return found


def whole_sizes(m: Any, name: str, n: int | None = None) -> NDArray[np.int64]:
    """Numbers of models drawn, each whole, at least 1 and (without replacement) at most `n`."""
    sizes = np.atleast_1d(points(m, name, "give a number of models drawn, or a list of them"))
    if sizes.ndim != 1 or sizes.size == 0:
        raise InputError(f"{name} is {shown(m)}; give a number of models drawn, or a list of them")
    whole = np.isfinite(sizes) & (sizes >= 1) & (sizes == np.floor(sizes)) & (sizes < 2.0**63)
    if not whole.all():
        raise InputError(f"{name} holds {sizes[~whole][0]:.15g}; numbers of models drawn are whole and at least 1")
    if n is not None and sizes.max() > n:
        raise InputError(
            f"{name} holds {sizes.max():.15g}, more than the {n} models there are; "
            "draw fewer, or draw with replacement (replace=True)"
        )
    return sizes.astype(np.int64)


def _one_size(m: Any, name: str, n: int | None) -> int:
    sizes = whole_sizes(m, name, n)
    if sizes.size != 1:
        raise InputError(f"{name} is {shown(m)}; give one number of models")
    return int(sizes[0])
