"""Error against complexity: which models are on the front, and how probably a random search finds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.arguments import models_drawn, points, shares
from edfstat.errors import InputError
from edfstat.labels import ArrayLike, as_errors, as_weights, each_weight, finite_vector, relabel, same_models

__all__ = ["attainment", "dominating_mass", "pareto_front", "pareto_inclusion"]

Floats = NDArray[np.float64]


def pareto_inclusion(error: ArrayLike, complexity: ArrayLike, m: int, weights: ArrayLike | None = None) -> Any:
    """Chance of each model to be on the Pareto front of `m` models drawn at random, exactly.

    Parameters
    ----------
    error : array_like or DataArray, shape (n,)
        Error of each model, in percent; a failed model (+inf) is on no front.
    complexity : array_like or DataArray, shape (n,)
        Cost of each model, such as params or flops; finite.
    m : int
        Models drawn, with replacement; at least 1.
    weights : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: 1/n each.

    Returns
    -------
    ndarray or DataArray, shape (n,)
        Chance that the model is drawn and no drawn model dominates it; labels of `error` are kept.

    Raises
    ------
    InputError
        If errors, complexities or weights are refused, or `m` is not whole or below 1.

    See Also
    --------
    plot.pareto : Fronts drawn.

    Notes
    -----
    One model dominates another if it is no worse in both error and complexity and better in one; equals do
    not dominate each other. With D the mass dominating a model and p its own, the chance is
    (1 - D)^m - (1 - D - p)^m. D takes one sort and a merge, O(n log n).

    Examples
    --------
    >>> pareto_inclusion([5.0, 4.0, 6.0, 3.0], [1.0, 2.0, 2.0, 4.0], m=4).tolist()
    [0.68359375, 0.68359375, 0.05859375, 0.68359375]
    """
    errors, costs, mass = _checked(error, complexity, weights)
    draws = models_drawn(m, "m")
    dominating = _dominating(errors, costs, mass)
    undominated = np.maximum(1 - dominating, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = -np.expm1(draws * np.log1p(-np.minimum(mass / undominated, 1.0)))
        chance = np.exp(draws * np.log1p(-dominating)) * drawn
    chance[(undominated <= 0) | (mass == 0) | (errors == np.inf)] = 0.0
    return relabel(chance, error, "pareto_inclusion")


def dominating_mass(error: ArrayLike, complexity: ArrayLike, weights: ArrayLike | None = None) -> Any:
    """Share of the population that dominates each model: no worse in error and complexity, better in one.

    Parameters
    ----------
    error, complexity, weights : array_like or DataArray, shape (n,)
        As in `pareto_inclusion`.

    Returns
    -------
    ndarray or DataArray, shape (n,)

    Raises
    ------
    InputError
        If errors, complexities or weights are refused.

    Examples
    --------
    >>> dominating_mass([5.0, 4.0, 6.0, 3.0], [1.0, 2.0, 2.0, 4.0]).tolist()
    [0.0, 0.0, 0.5, 0.0]
    """
    return relabel(_dominating(*_checked(error, complexity, weights)), error, "dominating_mass")


def pareto_front(error: ArrayLike, complexity: ArrayLike) -> NDArray[np.intp]:
    """Indices of the models on the Pareto front, by rising complexity; of equals all, failed models never.

    Parameters
    ----------
    error, complexity : array_like or DataArray, shape (n,)
        As in `pareto_inclusion`.

    Returns
    -------
    ndarray of int

    Raises
    ------
    InputError
        If errors or complexities are refused.

    Examples
    --------
    >>> pareto_front([5.0, 4.0, 6.0, 3.0], [1.0, 2.0, 2.0, 4.0]).tolist()
    [0, 1, 3]
    """
    errors, costs, _ = _checked(error, complexity, None)
    order = np.lexsort((errors, costs))
    lowest = np.minimum.accumulate(errors[order])
    before = np.append(np.inf, lowest[:-1])
    new = errors[order] < before
    # Equals of a front model, next to it in this order, are on the front too.
    repeat = np.append(False, ~_changes(errors[order], costs[order]))
    leader = np.maximum.accumulate(np.where(repeat, 0, np.arange(order.size)))
    return order[new[leader]]


def attainment(
    error: ArrayLike,
    complexity: ArrayLike,
    m: int,
    weights: ArrayLike | None = None,
    *,
    at_complexity: ArrayLike | None = None,
    levels: Any = (0.1, 0.5, 0.9),
) -> xr.Dataset:
    """Error that the front of `m` random models reaches within a complexity budget, at given chances.

    Parameters
    ----------
    error, complexity, m, weights
        As in `pareto_inclusion`.
    at_complexity : array_like, shape (c,), optional
        Complexity budgets. Default: up to 200 complexities of the models, evenly ranked.
    levels : sequence of float, default (0.1, 0.5, 0.9)
        Chances, inside (0, 1).

    Returns
    -------
    Dataset
        Over ``level`` and ``complexity``: ``error``, the lowest error e with
        P(some drawn model has complexity <= c and error <= e) >= level; NaN where no error has.

    Raises
    ------
    InputError
        If errors, complexities, weights, `m` or levels are refused.

    Notes
    -----
    P(front reaches (c, e)) = 1 - (1 - F(c, e))^m, F the joint distribution function. Each level is a share
    t = 1 - (1 - level)^(1/m) of the population that must lie at or below (c, e).

    Examples
    --------
    >>> found = attainment([5.0, 4.0, 3.0], [1.0, 2.0, 4.0], m=1, at_complexity=[1.0, 4.0], levels=[0.3, 0.9])
    >>> found["error"].values.tolist()
    [[5.0, 3.0], [nan, 5.0]]
    """
    errors, costs, mass = _checked(error, complexity, weights)
    draws = models_drawn(m, "m")
    wanted = shares(levels, "levels", "give chances inside 0 to 1", inside=True)
    if at_complexity is None:
        ranked = np.unique(costs[mass > 0])
        budgets = ranked[np.unique(np.linspace(0, ranked.size - 1, min(200, ranked.size)).round().astype(int))]
    else:
        budgets = np.atleast_1d(points(at_complexity, "at_complexity", "give complexities, numbers"))
        if budgets.ndim != 1:
            raise InputError(f"at_complexity has shape {budgets.shape}; give a list of complexities")
    share = -np.expm1(np.log1p(-wanted) / draws) * (1 - 1e-12)
    order = np.argsort(errors, kind="stable")
    reached = np.full((wanted.size, budgets.size), np.nan)
    for column, budget in enumerate(budgets):
        cumulated = np.cumsum(np.where(costs[order] <= budget, mass[order], 0.0))
        place = np.searchsorted(cumulated, share)
        inside = place < order.size
        reached[inside, column] = errors[order[place[inside]]]
    reached[np.isinf(reached)] = np.nan
    return xr.Dataset(
        {"error": (("level", "complexity"), reached, {"units": "percent"})},
        coords={"level": wanted, "complexity": budgets},
        attrs={"m": draws},
    )


def _checked(error: Any, complexity: Any, weights: Any) -> tuple[Floats, Floats, Floats]:
    same_models(error=error, complexity=complexity, weights=weights)
    errors = as_errors(error)
    costs = finite_vector(complexity, "complexity", errors.size)
    return errors, costs, each_weight(as_weights(weights, errors.size), errors.size)


def _dominating(errors: Floats, costs: Floats, mass: Floats) -> Floats:
    """Mass at or below each model in both coordinates, less that of its equals."""
    order = np.lexsort((errors, costs))
    e, c, w = errors[order], costs[order], mass[order]
    rank = np.unique(e, return_inverse=True)[1]
    new = np.append(True, _changes(c, e))
    label = np.cumsum(new) - 1
    equals = np.bincount(label, w)
    # In this order all that are no worse in both come before a model or among its equals.
    first = np.flatnonzero(new)
    below = _mass_before(rank, w)[first]
    result = np.empty(errors.size)
    result[order] = below[label]
    return np.clip(result, 0.0, 1.0 - equals[label][np.argsort(order, kind="stable")])


def _changes(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Whether a pair differs from the one before it; two failed models (inf) do not differ in error."""
    changed: NDArray[np.bool_] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return changed


def _mass_before(rank: NDArray[np.intp], mass: Floats) -> Floats:
    """For each position, the mass at earlier positions of rank at most its own.

    Two positions part at the highest bit in which they differ: there, the earlier is in the left half of a
    range and the later in the right half. So for each bit, models are held sorted by range, then rank, and what
    precedes a right one among the left ones of its range is added to it. Halving a range keeps the order by
    rank, so one sort serves all bits, and each bit costs a few sums.
    """
    count = rank.size
    total = np.zeros(count)
    at = np.argsort(rank, kind="stable")
    for bit in range(int(count - 1).bit_length() - 1, -1, -1):
        right = (at >> bit) & 1 == 1
        start = (at >> (bit + 1)) << (bit + 1)
        lefts = np.cumsum(~right)
        # Left ones of a range are the positions of its first half, so how many there are before it is known.
        before = lefts - start // 2 if bit == 0 else lefts - ((start >> (bit + 1)) << bit)
        run = np.append(0.0, np.cumsum(np.where(right, 0.0, mass[at])))[:-1]
        total[at[right]] += (run - run[start])[right]
        place = np.where(right, start + (1 << bit) + np.arange(count) - start - before, start + before - 1)
        moved = np.empty_like(at)
        moved[place] = at
        at = moved
    return total
