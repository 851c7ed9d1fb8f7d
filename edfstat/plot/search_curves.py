"""Random search efficiency: the best error of m models, as m grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from edfstat.plot.inputs import comparison_of, group_names
from edfstat.plot.style import GREY, axes_for, finish, legend, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["random_search"]

#: Below this effective number of models a curve shows the few best models and no longer the space.
_THIN = 5


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
    error of 90 % of searches. Where fewer than 5 models decide, a line goes grey.

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
    """
    found = comparison_of(data, measure, by=by, groups=groups)
    ax = axes_for(ax)
    sizes = found["m"].values.astype(float)
    failed = bool(np.isinf(found["search_mean"].values).any())
    thin_label: str | None = f"fewer than {_THIN} models decide"
    for index, (name, look) in enumerate(looks(group_names(found)).items()):
        group = found.isel(group=index)
        line = group["search_quantile"].sel(q=0.5).values if failed else group["search_mean"].values
        thin = group["search_support"].values < _THIN
        # The last point with support also starts the grey part, so the line has no gap.
        start = int(np.argmax(thin)) if thin.any() else sizes.size
        if band:
            low, high = (group["search_quantile"].isel(q=place).values for place in (0, -1))
            shown = np.isfinite(high)
            ax.fill_between(sizes[shown], low[shown], high[shown], color=look.color, alpha=0.13, linewidth=0)
        solid, grey = slice(0, max(start, 1)), slice(max(start - 1, 0), None)
        style = {"linestyle": look.linestyle, "marker": look.marker, "markersize": 3.5, "linewidth": 1.5}
        ax.plot(sizes[solid], line[solid], color=look.color, label=name, **style)
        if start < sizes.size:
            ax.plot(sizes[grey], line[grey], color=GREY, alpha=0.8, zorder=1.5, label=thin_label, **style)
            thin_label = None
    ax.set_xscale("log", base=2)
    curve = "median" if failed else "mean"
    shade = ", 90 % of searches shaded" if band else ""
    what = "models as they are" if measure == "none" else f"normalized by {measure}"
    finish(ax, xlabel="models trained, m", ylabel="best error (%)", title=f"Best of m, {what}: {curve}{shade}")
    legend(ax, loc="upper right")
    return ax
