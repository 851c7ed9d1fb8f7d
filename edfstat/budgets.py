"""Random search with a budget: what a number of GPU hours buys, when models differ in cost."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.arguments import number, points, shown, whole
from edfstat.errors import InputError
from edfstat.labels import ArrayLike, as_errors, as_weights, each_weight, finite_vector, same_models
from edfstat.search_odds import models_needed, random_search

__all__ = ["hit_probability", "search_budget", "time_to_target"]

Floats = NDArray[np.float64]


def search_budget(
    error: ArrayLike,
    cost: ArrayLike,
    budget: Any,
    weights: ArrayLike | None = None,
    *,
    quantiles: Any = (0.05, 0.5, 0.95),
) -> xr.Dataset:
    """Best error that a random search finds within a budget.

    Parameters
    ----------
    error : array_like or DataArray, shape (n,)
        Error of each model, in percent; +inf for a model that failed.
    cost : array_like or DataArray, shape (n,)
        Cost of training each model, such as GPU hours; positive.
    budget : float or sequence of float, shape (b,)
        Budgets, in the unit of `cost`.
    weights : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: 1/n each.
    quantiles : sequence of float, default (0.05, 0.5, 0.95)
        Levels of the quantiles of the best error.

    Returns
    -------
    Dataset
        Over ``budget``: ``models``, the whole number of models it pays for on average; ``mean``, ``std``,
        ``support`` and (with ``q``) ``quantile`` as of `random_search`, NaN where it pays for none.

    Raises
    ------
    InputError
        If errors or weights are refused, or a cost or budget is not finite and positive.

    See Also
    --------
    time_to_target : The budget that a target takes.
    random_search : By numbers of models.

    Notes
    -----
    A budget B pays for m = B / mean cost models on average (Wald). If cheap models are worse, the models that
    fit a budget are not a random sample: `hit_probability` takes that into account.

    Examples
    --------
    >>> found = search_budget([3.0, 4.0, 4.0, 9.0], [1.0, 1.0, 3.0, 3.0], [4.0, 6.0])
    >>> found["models"].values.tolist(), found["mean"].values.tolist()
    ([2, 3], [3.875, 3.5])
    """
    mean_cost = _mean_cost(error, cost, weights)
    budgets = np.atleast_1d(points(budget, "budget", "give positive numbers in the unit of the cost"))
    if budgets.ndim != 1 or not (np.isfinite(budgets) & (budgets > 0)).all():
        raise InputError(f"budget is {shown(budget)}; give positive numbers in the unit of the cost")
    paid = np.floor(budgets / mean_cost * (1 + 1e-12))
    if (paid >= 2.0**62).any():
        raise InputError(f"budget is {shown(budget)}; it pays for more models than can be counted, give a smaller one")
    models = paid.astype(np.int64)
    found = random_search(error, np.maximum(models, 1), weights, quantiles=quantiles).rename({"m": "budget"})
    found = found.assign_coords(budget=budgets).where(xr.DataArray(models >= 1, dims="budget"))
    return found.assign(models=("budget", models)).assign_attrs(mean_cost=mean_cost)


def time_to_target(
    error: ArrayLike,
    cost: ArrayLike,
    target: float,
    probability: float = 0.95,
    weights: ArrayLike | None = None,
) -> float:
    """Expected cost of the random draws after which the best model has probably reached a target error.

    Parameters
    ----------
    error, cost, weights
        As in `search_budget`.
    target : float
        Error to reach, in percent.
    probability : float, default 0.95
        Wanted chance that at least one draw reaches it.

    Returns
    -------
    float
        `models_needed` times the mean cost, in the unit of `cost`; inf where no model reaches the target.

    Raises
    ------
    InputError
        As in `search_budget` and `models_needed`.

    See Also
    --------
    hit_probability : The chance to reach it within a budget.
    models_needed : In models.

    Examples
    --------
    >>> time_to_target([5.0, 6.0, 7.0, 8.0], [0.5, 0.5, 0.5, 0.5], target=5.5)
    5.5
    """
    return models_needed(error, target, probability, weights) * _mean_cost(error, cost, weights)


def hit_probability(
    error: ArrayLike,
    cost: ArrayLike,
    target: float,
    budget: float,
    weights: ArrayLike | None = None,
    *,
    steps: int = 2000,
) -> xr.Dataset:
    """Chance that a random search has finished a model of at most the target error when its budget is spent.

    Parameters
    ----------
    error, cost, weights
        As in `search_budget`.
    target : float
        Error to reach, in percent.
    budget : float
        Cost after which the search stops, in the unit of `cost`; a model that would not finish does not count.
    steps : int, default 2000
        Grid of costs; the bounds close in as it grows.

    Returns
    -------
    Dataset
        Over ``spent`` (`steps` + 1 costs up to the budget): ``lower`` and ``upper``, between which the exact
        chance lies.

    Raises
    ------
    InputError
        If errors or weights are refused, a cost or the budget is not finite and positive, `target` is NaN, or
        `steps` is below 1.

    See Also
    --------
    time_to_target : The budget that makes it probable.
    search_budget : The best error within a budget.

    Notes
    -----
    Models are drawn and trained one after the other until the first hit. With H and M the laws of the cost of
    models that hit and that miss (together of mass 1), the chance h solves the defective renewal equation
    h(B) = H(B) + sum over c of M{c} h(B - c). Rounding every cost up to the grid gives the lower bound,
    rounding it down the upper one. Unlike `time_to_target` it keeps what cost and error have to do with each other.

    Examples
    --------
    >>> found = hit_probability([5.0, 9.0], [1.0, 1.0], target=5.0, budget=3.0, steps=3)
    >>> found["lower"].values.tolist(), found["upper"].values.tolist()
    ([0.0, 0.5, 0.75, 0.875], [0.0, 0.5, 0.75, 0.875])
    """
    errors, costs, mass = _checked(error, cost, weights)
    target = number(target, "target", "give the error to reach, in percent")
    remedy = "give a positive number in the unit of the cost"
    budget = number(budget, "budget", remedy, accept=lambda x: 0 < x < math.inf)
    steps = whole(steps, "steps", "give a whole number from 1")
    place = costs / (budget / steps)
    hit = errors <= target
    # Costs that lie on the grid up to rounding are there.
    lower = _renewal(np.ceil(place * (1 - 1e-12)), hit, mass, steps)
    upper = _renewal(np.floor(place * (1 + 1e-12)), hit, mass, steps)
    return xr.Dataset(
        {"lower": ("spent", lower), "upper": ("spent", np.minimum(upper, 1.0))},
        coords={"spent": np.linspace(0, budget, steps + 1)},
    )


def _renewal(place: Floats, hit: NDArray[np.bool_], mass: Floats, steps: int) -> Floats:
    """Chance of a hit by each grid cost, for costs at whole grid places."""
    inside = place <= steps
    at = place[inside].astype(np.intp)
    hits = np.cumsum(np.bincount(at, np.where(hit, mass, 0.0)[inside], minlength=steps + 1))
    misses = np.bincount(at, np.where(hit, 0.0, mass)[inside], minlength=steps + 1)
    # Misses that round to no cost at all are drawn again for free.
    again = 1 - misses[0]
    chance = np.zeros(steps + 1)
    if again <= 0:
        return chance
    for spent in range(steps + 1):
        chance[spent] = (hits[spent] + misses[1 : spent + 1] @ chance[:spent][::-1]) / again
    return chance


def _mean_cost(error: Any, cost: Any, weights: Any) -> float:
    _, costs, mass = _checked(error, cost, weights)
    return float(mass @ costs)


def _checked(error: Any, cost: Any, weights: Any) -> tuple[Floats, Floats, Floats]:
    same_models(error=error, cost=cost, weights=weights)
    errors = as_errors(error)
    costs = finite_vector(cost, "cost", errors.size)
    if costs.min() <= 0:
        raise InputError(f"cost[{int(costs.argmin())}] is {costs.min()}; give a positive cost for every model")
    return errors, costs, each_weight(as_weights(weights, errors.size), errors.size)
