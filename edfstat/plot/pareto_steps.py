"""Pareto fronts of error against complexity, and where a random search of m models puts its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from edfstat.fronts import attainment, pareto_front
from edfstat.plot.inputs import models_of, population_of, refuse_all_failed
from edfstat.plot.style import Look, axes_for, finish, legend_below, looks, plain_log_ticks, scale_of, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["pareto"]


def pareto(
    data: xr.Dataset,
    ax: Axes | None = None,
    *,
    measure: str = "params",
    by: str = "space",
    groups: Sequence[str] | None = None,
    m: int | None = 100,
) -> Axes:
    """Draw the Pareto front of every group, and the fronts that a random search of `m` models reaches.

    Parameters
    ----------
    data : Dataset
        A population.
    ax : Axes, optional
        Where to draw. Default: new ones.
    measure : str, default "params"
        Complexity on the x axis.
    by : str, default "space"
        Variable whose values are the groups.
    groups : sequence of str, optional
        Groups to draw. Default: all.
    m : int or None, default 100
        Models of a random search: its front lies in the shade 80 % of the time, at each complexity. None
        leaves it out.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `data` is a comparison, or lacks the measure or a group.

    See Also
    --------
    edfstat.pareto_inclusion : The chance of each model to be on a front.

    Examples
    --------
    >>> from edfstat import build_population
    >>> from matplotlib.figure import Figure
    >>> models = build_population({"error": [5.0, 6, 7, 8], "params": [40, 30, 20, 10], "space": ["A"] * 4})
    >>> pareto(models, Figure().subplots(), m=2).get_ylabel()
    'error (%)'
    """
    models = models_of(population_of(data, "pareto", [measure]), by, groups)
    refuse_all_failed(models, "pareto")
    own, ax = ax is None, axes_for(ax)
    cost = np.concatenate([group[measure].values for group in models.values()]).astype(float)
    divisor, label = scale_of(measure, cost)
    tops, short = [], short_names(models)
    for (name, group), look in zip(models.items(), looks(models).values(), strict=True):
        tops.append(_group(ax, group["error"].values, group[measure].values / divisor, look, short[name], m, cost))
    if cost.min() > 0 and cost.max() > 10 * cost.min():
        ax.set_xscale("log")
        plain_log_ticks(ax.xaxis)
    _limit(ax, models, tops)
    search = f"; searches of {m:,} models: median thin, 80 % shaded" if m else ""
    finish(ax, xlabel=label, ylabel="error (%)", title=f"Pareto fronts{search}")
    # Below: most models lie above the fronts.
    legend_below(ax, own=own)
    return ax


def _group(
    ax: Axes, error: np.ndarray, cost: np.ndarray, look: Look, name: str, m: int | None, every: np.ndarray
) -> float:
    """Draw one group; returns the highest error worth showing."""
    alpha = float(np.clip(800 / every.size, 0.08, 0.35))
    points: dict[str, Any] = {"linestyle": "none", "marker": look.marker, "markersize": 2, "markeredgewidth": 0}
    ax.plot(cost, error, color=look.color, alpha=alpha, rasterized=True, zorder=1, **points)
    front = pareto_front(error, cost)
    x, y = cost[front], error[front]
    if front.size == 0:
        return float("nan")
    # A front reaches as far right as the group does: nothing dearer is better.
    x, y = np.append(x, cost.max()), np.append(y, y[-1])
    ax.step(x, y, where="post", color=look.color, linestyle=look.linestyle, linewidth=1.6, label=name, zorder=3)
    ax.plot(x[:-1], y[:-1], look.marker, color=look.color, markersize=4, zorder=3)
    high = float(y[0])
    if m:
        reached = attainment(error, cost, m, levels=(0.1, 0.5, 0.9))
        low, middle, upper = reached["error"].values
        budget = reached["complexity"].values
        both = np.isfinite(low)
        # Before the less lucky searches reach anything, their bound is off the figure.
        top = np.where(np.isfinite(upper), upper, 1e3)
        ax.fill_between(budget[both], low[both], top[both], step="post", color=look.color, alpha=0.15, linewidth=0)
        ax.step(budget, middle, where="post", color=look.color, linewidth=0.9, alpha=0.9, zorder=2)
        high = float(np.nanquantile(middle, 0.9)) if np.isfinite(middle).any() else high
    return high


def _limit(ax: Axes, models: dict[str, xr.Dataset], tops: list[float]) -> None:
    """The fronts fill the axes; most models lie above."""
    finite = [group["error"].values[np.isfinite(group["error"].values)] for group in models.values()]
    lowest = min((float(errors.min()) for errors in finite if errors.size), default=0.0)
    middle = max((float(np.median(errors)) for errors in finite if errors.size), default=1.0)
    top = max(middle, float(np.nanmax([*tops, lowest])))
    ax.set_ylim(lowest - 0.05 * max(top - lowest, 1e-9), top + 0.05 * max(top - lowest, 1e-9))
