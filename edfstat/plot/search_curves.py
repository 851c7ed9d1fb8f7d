"""Random search efficiency: the best error of m models, as m grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from edfstat.plot.inputs import comparison_of, group_names, words_of
from edfstat.plot.style import GREY, axes_for, finish, legend_below, looks, plain_numbers, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FEW", "random_search"]

#: Below this effective number of models a curve shows the few best models and no longer the space.
FEW = 5


def random_search(
    data: xr.Dataset,
    ax: Axes | None = None,
    *,
    measure: str = "none",
    by: str = "space",
    groups: Sequence[str] | None = None,
    band: bool = True,
) -> Axes:
    """Draw the expected best error of m random models of every group, against m.

    Lines are exact means, or medians where models failed (a mean is infinite then); the shade holds the best
    error of 90 % of searches. Where fewer than 5 models decide, the line is faint and its marks are hollow.

    Parameters
    ----------
    data : Dataset
        A population or a comparison.
    ax : Axes, optional
        Where to draw. Default: new ones.
    measure : str, default "none"
        Complexity that is taken out; ``"none"`` draws models from the groups as they are.
    by : str, default "space"
        Variable whose values are the groups, where `data` is a population.
    groups : sequence of str, optional
        Groups to draw. Default: all.
    band : bool, default True
        Whether to shade the range from the 5 % to the 95 % quantile.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `data` is neither a population nor a comparison, or has not that measure or group.

    See Also
    --------
    edfstat.random_search : The numbers.

    Examples
    --------
    >>> from edfstat import build_population
    >>> from matplotlib.figure import Figure
    >>> models = build_population({"error": [5.0, 6, 7, 8, 6, 7, 8, 9], "space": ["A"] * 4 + ["B"] * 4})
    >>> random_search(models, Figure().subplots()).get_xlabel()
    'models trained, m'
    """
    found = comparison_of(data, measure, by=by, groups=groups)
    own, ax = ax is None, axes_for(ax)
    sizes = found["m"].values.astype(float)
    failed = bool(np.isinf(found["search_mean"].values).any())
    ever_thin = False
    short = short_names(group_names(found))
    for index, (name, look) in enumerate(looks(group_names(found)).items()):
        group = found.isel(group=index)
        line = group["search_quantile"].sel(q=0.5).values if failed else group["search_mean"].values
        thin = group["search_support"].values < FEW
        start = int(np.argmax(thin)) if thin.any() else sizes.size
        if band:
            low, high = (group["search_quantile"].isel(q=place).values for place in (0, -1))
            shown = np.isfinite(high)
            ax.fill_between(sizes[shown], low[shown], high[shown], color=look.color, alpha=0.13, linewidth=0)
        style = {"color": look.color, "linestyle": look.linestyle, "marker": look.marker, "markersize": 4}
        ax.plot(sizes[:start], line[:start], linewidth=1.6, label=short[name], **style)
        if start < sizes.size:
            # From the last point with support, so that the line has no gap; hollow marks only from the next one.
            joined = slice(max(start - 1, 0), None)
            every = np.arange(0 if start == 0 else 1, sizes.size - max(start - 1, 0)).tolist()
            faint = style | {"markerfacecolor": "white", "markevery": every, "alpha": 0.55}
            ax.plot(sizes[joined], line[joined], linewidth=1, zorder=1.9, **faint)
            ever_thin = True
    if ever_thin:
        label = f"hollow: fewer than {FEW} models decide"
        ax.plot([], [], "o", color=GREY, markerfacecolor="white", markersize=4, linestyle="none", label=label)
    ax.set_xscale("log", base=2)
    plain_numbers(ax.xaxis)
    curve = "median" if failed else "mean"
    shade = ", 90 % of searches shaded" if band else ""
    title = f"Best of m, {words_of(found)}: {curve}{shade}"
    finish(ax, xlabel="models trained, m", ylabel="best error (%)", title=title)
    # Below: the shade of a space that is hard to search may reach into any corner.
    legend_below(ax, own=own)
    return ax
