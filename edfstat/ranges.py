"""Which parameter values good models have."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.arguments import generator, models_drawn, shares, whole
from edfstat.distributions import edf
from edfstat.errors import InputError
from edfstat.kernels import SLACK
from edfstat.labels import ArrayLike, as_errors, as_weights, each_weight, finite_vector, relabel, same_models
from edfstat.minima import best_law

__all__ = ["best_shares", "parameter_range", "range_pvalue"]

Floats = NDArray[np.float64]
#: Models drawn at a time, which bounds the memory.
_DRAWN = 2_000_000


def parameter_range(
    error: ArrayLike,
    parameter: ArrayLike,
    n_draw: int,
    *,
    weights: ArrayLike | None = None,
    levels: Any = (0.025, 0.5, 0.975),
) -> xr.DataArray:
    """Range of a parameter among the best of `n_draw` random models, exactly.

    Parameters
    ----------
    error : array_like or DataArray, shape (n,)
        Error of each model, in percent; +inf for a model that failed, which is never the best.
    parameter : array_like or DataArray, shape (n,)
        Value of each model's parameter, such as its width; finite.
    n_draw : int
        Models drawn with replacement, of which the best is taken. It sets how good "good" is; keep it the
        same when populations of different size are compared.
    weights : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: 1/n each.
    levels : sequence of float, default (0.025, 0.5, 0.975)
        Levels of the percentiles, from 0 to 1.

    Returns
    -------
    DataArray, shape (levels,)
        Percentiles of the parameter among the best models, over ``level``. Attributes:
        ``effective_models``, how many models the range rests on; ``failed``, the chance that all models
        drawn failed, which the range leaves out; ``n`` and ``n_draw``.

    Raises
    ------
    InputError
        If errors, weights or levels are refused, a parameter is not finite, lengths differ, `n_draw` is not
        whole or below 1, or every model failed.

    See Also
    --------
    random_search : The best error of as many models.
    relative_rank : Where each model stands in its group.

    Notes
    -----
    The published filters draw n/4 of n models 2500 times, take the best model's parameter and read off
    percentiles [1]_. The chance of each model to be the best is known exactly, so nothing needs drawing. With
    n_draw = n/4 it falls geometrically with rate 0.22: about 8 effective models, and the top 15 hold 97.5 %
    of it, however large n is. The range is a smoothed range of the best few models, *not* a confidence
    interval: it does not narrow as n grows, and inherits the noise of training. Compare
    `edfstat.ranges.range_pvalue`, and validate on fresh models.

    References
    ----------
    .. [1] Radosavovic et al., Designing Network Design Spaces, CVPR 2020, arXiv:2003.13678.

    Examples
    --------
    >>> found = parameter_range([3.0, 4.0, 5.0, 6.0], [64, 32, 16, 8], n_draw=2)
    >>> found.values.tolist(), round(found.attrs["effective_models"], 2)
    ([8.0, 32.0, 64.0], 3.05)
    """
    same_models(error=error, parameter=parameter, weights=weights)
    share, failed = _shares_without_failures(error, n_draw, weights)
    values = finite_vector(parameter, "parameter", share.size)
    at = shares(levels, "levels", "give values from 0 to 1")
    order = np.argsort(values, kind="stable")
    return xr.DataArray(
        _percentiles(values[order], share[order], at),
        dims="level",
        coords={"level": at},
        name=str(parameter.name) if isinstance(parameter, xr.DataArray) and parameter.name else "parameter",
        attrs={
            "n": share.size,
            "n_draw": int(n_draw),
            "effective_models": 1 / float(share @ share),
            "failed": failed,
        },
    )


def best_shares(error: ArrayLike, m: int, weights: ArrayLike | None = None) -> Any:
    """Chance of each model to be the best of `m` models drawn with replacement.

    Parameters
    ----------
    error : array_like or DataArray, shape (n,)
        Error of each model, in percent; +inf for a model that failed.
    m : int
        Models drawn; at least 1.
    weights : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: 1/n each.

    Returns
    -------
    ndarray or DataArray, shape (n,)
        Sums to 1; labels of `error` are kept.

    Raises
    ------
    InputError
        If errors or weights are refused, or `m` is not whole or below 1.

    Notes
    -----
    With S the share of the weight above an error and p the share at it, (S + p)^m - S^m, which models of the
    same error divide by weight. For distinct errors and equal weights the r-th best has
    ((n - r + 1)/n)^m - ((n - r)/n)^m.

    Examples
    --------
    >>> best_shares([3.0, 4.0, 4.0, 9.0], m=2).round(4).tolist()
    [0.4375, 0.25, 0.25, 0.0625]
    """
    same_models(error=error, weights=weights)
    errors = as_errors(error)
    mass = as_weights(weights, errors.size)
    return relabel(_best_shares(errors, mass, models_drawn(m, "m")), error, "best_shares")


def range_pvalue(
    error: ArrayLike,
    parameter: ArrayLike,
    n_draw: int,
    *,
    weights: ArrayLike | None = None,
    n_resamples: int = 999,
    rng: np.random.Generator | int | None = None,
) -> float:
    """Chance that the best models' parameters lie as close together as they do, if the parameter did not matter.

    Parameters
    ----------
    error, parameter, n_draw, weights
        As in `parameter_range`.
    n_resamples : int, default 999
        Random assignments of parameters to ranks.
    rng : Generator, int or None
        Source of randomness.

    Returns
    -------
    float
        p = (1 + b) / (1 + n_resamples), b of the assignments having a spread as small.

    Raises
    ------
    InputError
        As in `parameter_range`.

    Notes
    -----
    The spread is the mean absolute difference from the weighted median under `best_shares`. The shares are
    kept and given to models drawn from the population.

    Examples
    --------
    >>> width = [64.0] * 20 + [8.0, 16.0, 128.0, 256.0] * 20
    >>> range_pvalue(range(100), width, n_draw=20, rng=0) < 0.01
    True
    """
    same_models(error=error, parameter=parameter, weights=weights)
    share, _ = _shares_without_failures(error, n_draw, weights)
    values = finite_vector(parameter, "parameter", share.size)
    n_resamples = whole(n_resamples, "n_resamples", "give a whole number of at least 1")
    source = generator(rng)
    # The few models that hold all but 1e-9 of the share decide.
    kept = np.argsort(-share, kind="stable")
    kept = kept[: int(np.searchsorted(np.cumsum(share[kept]), 1 - 1e-9)) + 1]
    held = share[kept] / share[kept].sum()
    mass = as_weights(weights, share.size)
    least = _spread(values[kept][None, :], held)[0] * (1 + SLACK)
    at_once = max(1, _DRAWN // kept.size)
    found = 0
    for done in range(0, n_resamples, at_once):
        draws = source.choice(share.size, (min(at_once, n_resamples - done), kept.size), p=mass)
        found += int((_spread(values[draws], held) <= least).sum())
    return (1 + found) / (1 + n_resamples)


def _shares_without_failures(error: Any, n_draw: int, weights: Any) -> tuple[Floats, float]:
    """Chance of each model to be the best given that not all drawn failed, and the chance that they all did."""
    errors = as_errors(error)
    share = _best_shares(errors, as_weights(weights, errors.size), models_drawn(n_draw, "n_draw"))
    failures = errors == np.inf
    failed = float(share[failures].sum())
    share[failures] = 0.0
    total = share.sum()
    if total == 0:
        raise InputError("every model of positive weight failed (error is inf); a range needs one that did not")
    return share / total, failed


def _best_shares(errors: Floats, mass: Floats | None, m: int) -> Floats:
    """Chance of each model to be the best of m draws; tied models share theirs by weight."""
    found = edf(errors, mass)
    _, chances = best_law(found, m)
    place = np.searchsorted(found.support, errors)
    # Atoms beyond those the law reaches, and values of weight zero between atoms, have no chance.
    reached = np.minimum(place, chances.size - 1)
    hit = found.support[reached] == errors
    weight = each_weight(mass, errors.size)
    shares: Floats = np.where(hit, chances[reached] * (weight / found.mass[reached]), 0.0)
    return shares


def _percentiles(ordered: Floats, mass: Floats, levels: Floats) -> Floats:
    """Smallest value with at least each share of the mass at or below it, models of no mass left out."""
    kept = mass > 0
    reached = np.cumsum(mass[kept])
    place = np.searchsorted(reached, levels * reached[-1] - SLACK)
    found: Floats = ordered[kept][np.minimum(place, int(kept.sum()) - 1)]
    return found


def _spread(values: Floats, shares: Floats) -> Floats:
    order = np.argsort(values, axis=1)
    sorted_values, weight = np.take_along_axis(values, order, 1), shares[order]
    middle = (np.cumsum(weight, axis=1) < 0.5).sum(axis=1)
    centre = sorted_values[np.arange(values.shape[0]), np.minimum(middle, values.shape[1] - 1)]
    spread: Floats = (np.abs(values - centre[:, None]) * shares).sum(axis=1)
    return spread
