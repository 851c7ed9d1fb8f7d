"""How complex the models of every group are: the confounder, and the bins that take it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from edfstat.errors import InputError
from edfstat.plot.inputs import comparison_of, group_names
from edfstat.plot.style import GREY, axes_for, finish, legend_below, looks, plain_log_ticks, scale_of, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["complexity_histogram"]

#: Groups whose areas are shaded; the shades of more add up to one dark grey.
_FILLED = 3


def complexity_histogram(
    data: xr.Dataset,
    ax: Axes | None = None,
    *,
    measure: str = "params",
    by: str = "space",
    groups: Sequence[str] | None = None,
    weighted: bool = False,
) -> Axes:
    """Draw how the complexity of every group is distributed, with the bins of the comparison.

    Parameters
    ----------
    data : Dataset
        A population or a comparison.
    ax : Axes, optional
        Where to draw. Default: new ones.
    measure : str, default "params"
        Complexity to draw.
    by : str, default "space"
        Variable whose values are the groups, where `data` is a population.
    groups : sequence of str, optional
        Groups to draw. Default: all.
    weighted : bool, default False
        Whether to draw shares of the weight, after normalization, in place of shares of the models.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `data` is neither a population nor a comparison, has not that measure or group, or the measure is "none".

    See Also
    --------
    edfstat.complexity_bins : The numbers.

    Examples
    --------
    >>> from edfstat import build_population
    >>> from matplotlib.figure import Figure
    >>> models = build_population({"error": [5.0, 6, 7, 8], "params": [10, 30, 20, 40], "space": ["A"] * 2 + ["B"] * 2})
    >>> complexity_histogram(models, Figure().subplots()).get_xlabel()
    'parameters'
    """
    if measure == "none":
        raise InputError("measure is 'none'; a histogram of complexity needs one, such as 'params'")
    found = comparison_of(data, measure, by=by, groups=groups)
    own, ax = ax is None, axes_for(ax)
    lower, upper = found["slot_lower"].values.astype(float), found["slot_upper"].values.astype(float)
    slots = np.isfinite(lower) & np.isfinite(upper)
    edges = np.append(lower[slots], upper[slots][-1])
    divisor, label = scale_of(measure, edges)
    _bins(ax, found, divisor)
    shares = found["share_after" if weighted else "share_before"].values[:, slots]
    names = group_names(found)
    short = short_names(names)
    for row, (name, look) in zip(shares, looks(names).items(), strict=True):
        if len(names) <= _FILLED:
            ax.stairs(row, edges / divisor, color=look.color, alpha=0.12, fill=True)
        ax.stairs(row, edges / divisor, color=look.color, linestyle=look.linestyle, linewidth=1.5, label=short[name])
    if edges[0] > 0 and edges[-1] > 30 * edges[0] and _spaced_by_ratio(edges):
        ax.set_xscale("log")
        plain_log_ticks(ax.xaxis)
    ylabel = "share of the weight" if weighted else "share of models"
    when = "after" if weighted else "before"
    finish(ax, xlabel=label, ylabel=ylabel, title=f"Complexity {when} normalization; compared range shaded")
    ax.set_ylim(bottom=0)
    # Below: any bin may hold the most models.
    legend_below(ax, own=own)
    return ax


def _bins(ax: Axes, found: xr.Dataset, divisor: float) -> None:
    """Shade the compared range and mark where its bins end."""
    low, high = float(found["lower"]), float(found["upper"])
    if not np.isfinite([low, high]).all():
        return
    ax.axvspan(low / divisor, high / divisor, color=GREY, alpha=0.1, linewidth=0)
    ends = np.unique(np.concatenate((found["bin_lower"].values, found["bin_upper"].values)))
    ends = ends[np.isfinite(ends)] / divisor
    transform = ax.get_xaxis_transform()
    bins = int(found["bins"])
    label = f"{bins} bin{'s' * (bins != 1)}"
    ax.vlines(ends, 0, 1, color=GREY, linewidth=0.7, alpha=0.7, transform=transform, label=label, zorder=0.9)


def _spaced_by_ratio(edges: np.ndarray) -> bool:
    steps = np.diff(edges)
    return bool(steps[-1] > 3 * steps[0])
