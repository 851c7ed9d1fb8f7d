"""Where in learning rate and weight decay the good models lie, as a map of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from edfstat.errors import InputError
from edfstat.plot.inputs import models_of, population_of
from edfstat.plot.style import axes_for, plain_log_ticks, short_names
from edfstat.ranks import rank_map, relative_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["lr_wd_map"]

_NAMES = {"lr": "learning rate", "weight_decay": "weight decay"}


def lr_wd_map(
    data: xr.Dataset,
    ax: Axes | None = None,
    *,
    by: str = "space",
    groups: list[str] | None = None,
    x: str = "lr",
    y: str = "weight_decay",
    bins: int | tuple[int, int] = 12,
) -> Axes:
    """Draw the mean relative rank of models over learning rate and weight decay.

    Ranks are taken within each group, so groups can share a map. Cells without a model are blank; the cell with the
    best mean rank of at least 3 models is ringed.

    Parameters
    ----------
    data : Dataset
        A population with the variables `x` and `y`, positive where known.
    ax : Axes, optional
        Where to draw. Default: new ones.
    by : str, default "space"
        Variable whose values are the groups.
    groups : list of str, optional
        Groups to draw. Default: all.
    x, y : str, default "lr" and "weight_decay"
        Settings on the axes, both logarithmic.
    bins : int or (int, int), default 12
        Cells along x and y.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `data` is a comparison, lacks a setting, or no model has both.

    Examples
    --------
    >>> from edfstat import build_population
    >>> from matplotlib.figure import Figure
    >>> models = build_population({
    ...     "error": [5.0, 6, 7, 8], "lr": [0.01, 0.1, 0.5, 1.0], "weight_decay": [1e-5, 1e-4, 1e-3, 1e-2],
    ...     "space": ["A"] * 4,
    ... })
    >>> lr_wd_map(models, Figure().subplots(), bins=2).get_xlabel()
    'learning rate'
    """
    models = models_of(population_of(data, "lr_wd_map", [x, y]), by, groups)
    ranks, settings = [], []
    for group in models.values():
        both = np.stack([group[x].values, group[y].values]).astype(float)
        known = (np.isfinite(both) & (both > 0)).all(axis=0)
        ranks.append(np.asarray(relative_rank(group["error"].values))[known])
        settings.append(both[:, known])
    rank, (lr, decay) = np.concatenate(ranks), np.concatenate(settings, axis=1)
    if rank.size == 0:
        raise InputError(f"no model has both {x} and {y} above 0; a map needs them")
    cells = rank_map(rank, lr, decay, bins=bins)
    ax = axes_for(ax, width=5.6)
    mean = np.ma.masked_invalid(cells["mean"].values)
    x_edges, y_edges = cells["x_edges"].values, cells["y_edges"].values
    # Even around 0.5, the mean rank of a setting that does not matter.
    reach = max(0.05, float(np.abs(mean - 0.5).max()))
    low, high = 0.5 - reach, 0.5 + reach
    mesh = ax.pcolormesh(x_edges, y_edges, mean, cmap="viridis", vmin=low, vmax=high, rasterized=True)
    _ring_best(ax, cells)
    ax.set_xscale("log")
    ax.set_yscale("log")
    plain_log_ticks(ax.xaxis)
    plain_log_ticks(ax.yaxis)
    ax.set(xlabel=_NAMES.get(x, x), ylabel=_NAMES.get(y, y))
    ax.set_title(f"{_title_names(list(models))}: {rank.size:,} models", fontsize="medium", loc="left")
    ax.figure.colorbar(mesh, ax=ax, label="mean relative rank (0 best, 1 worst)", pad=0.02)
    return ax


def _title_names(names: list[str]) -> str:
    """The groups, as far as a line has room for their names."""
    said = ", ".join(short_names(names).values())
    return said if len(said) <= 45 else f"{len(names)} groups"


def _ring_best(ax: Axes, cells: xr.Dataset) -> None:
    """Ring the cell of the best mean rank, if enough models stand behind it."""
    mean = np.where(cells["count"].values >= 3, cells["mean"].values, np.nan)
    if np.isnan(mean).all():
        return
    row, column = np.unravel_index(np.nanargmin(mean), mean.shape)
    x = np.sqrt(np.prod(cells["x_edges"].values[column : column + 2]))
    y = np.sqrt(np.prod(cells["y_edges"].values[row : row + 2]))
    se = float(cells["se"].values[row, column])
    label = f"best cell: rank {mean[row, column]:.2f} ± {se:.2f}, {int(cells['count'].values[row, column])} models"
    ax.plot(x, y, "o", markersize=11, markerfacecolor="none", markeredgecolor="#D55E00", markeredgewidth=2, label=label)
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.14), fontsize="small", frameon=False, borderaxespad=0)
