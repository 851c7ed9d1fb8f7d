"""Errors of architectures that were trained several times: how much of a difference is the seed's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from edfstat.arguments import choice
from edfstat.errors import InputError
from edfstat.plot.inputs import models_of, population_of
from edfstat.plot.style import axes_for, finish, legend_below, looks, short_names
from edfstat.rerun_variance import known_nets, trained_models

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["reruns"]

#: Height of a group's row of means below the axis, in points.
_ROW = 9


def reruns(
    data: xr.Dataset, ax: Axes | None = None, *, by: str = "group", kind: str = "histogram", bins: int = 30
) -> Axes:
    """Draw the errors of runs that repeat architectures.

    Parameters
    ----------
    data : Dataset
        A population with ``net``, of which several runs share a value. Runs are of one model as in
        `edfstat.reruns`; those whose net is not known are left out.
    ax : Axes, optional
        Where to draw. Default: new ones.
    by : str, default "group"
        Variable whose values are drawn apart, such as the lists ``"top"`` and ``"mid"`` of the published files.
    kind : {"histogram", "runs"}
        Number of runs by error, with the mean of every architecture as a tick below; or one row per
        architecture, best first, with each run as a dot and the mean as a bar.
    bins : int, default 30
        Intervals of the histogram.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `data` is a comparison, has no ``net``, no architecture has two finite runs, or `kind` is unknown.

    See Also
    --------
    edfstat.reruns : The numbers.

    Examples
    --------
    >>> from edfstat import build_population
    >>> from matplotlib.figure import Figure
    >>> models = build_population({
    ...     "error": [5.0, 5.1, 6.0, 6.2], "net": ['{"ds": 1}'] * 2 + ['{"ds": 2}'] * 2, "space": ["A"] * 4,
    ... })
    >>> reruns(models, Figure().subplots()).get_xlabel()
    'error (%)'
    """
    choice(kind, "kind", ("histogram", "runs"))
    ds = population_of(data, "reruns", ["net"])
    parts = models_of(ds, by if by in ds.variables else "space")
    runs = {name: _runs(part) for name, part in parts.items()}
    if not any(len(errors) > 1 for nets in runs.values() for errors in nets):
        raise InputError("no architecture has two runs with a finite error; reruns need some")
    short = short_names(runs)
    runs = {short[name]: nets for name, nets in runs.items() if nets}
    own, ax = ax is None, axes_for(ax)
    if kind == "runs":
        _rows(ax, runs)
    else:
        _histogram(ax, runs, bins)
    legend_below(ax, own=own, lower=0 if kind == "runs" else _ROW * len(runs))
    return ax


def _runs(part: xr.Dataset) -> list[np.ndarray]:
    """Finite errors of every model that was trained, the best mean first."""
    errors = part["error"].values
    kept = np.isfinite(errors) & known_nets(part)
    names, codes, _ = trained_models(part, kept)
    ends = np.cumsum(np.bincount(codes, minlength=names.size))
    runs = np.split(errors[kept][np.argsort(codes, kind="stable")], ends[:-1]) if names.size else []
    return sorted(runs, key=lambda errors: float(errors.mean()))


def _label(name: str, nets: list[np.ndarray]) -> str:
    """Group, sizes, and the standard deviation between runs of one architecture."""
    freedom = sum(net.size - 1 for net in nets)
    noise = np.sqrt(sum(float(((net - net.mean()) ** 2).sum()) for net in nets) / freedom) if freedom else np.nan
    title = f"{name}: " if name else ""
    total = sum(net.size for net in nets)
    spread = f", seed sd {noise:.2g}" if np.isfinite(noise) else ""
    return f"{title}{len(nets)} architectures, {total} runs{spread}"


def _histogram(ax: Axes, runs: dict[str, list[np.ndarray]], bins: int) -> None:
    from matplotlib.ticker import MaxNLocator

    every = np.concatenate([net for nets in runs.values() for net in nets])
    edges = np.histogram_bin_edges(every, bins)
    transform = ax.get_xaxis_transform()
    for row, ((name, nets), look) in enumerate(zip(runs.items(), looks(runs).values(), strict=True)):
        counts = np.histogram(np.concatenate(nets), edges)[0]
        ax.stairs(counts, edges, color=look.color, fill=True, alpha=0.2)
        ax.stairs(counts, edges, color=look.color, linestyle=look.linestyle, linewidth=1.5, label=_label(name, nets))
        means = [net.mean() for net in nets]
        low = -0.035 * (row + 1)
        ax.vlines(means, low, low + 0.025, color=look.color, linewidth=1, transform=transform, clip_on=False)
    # Room for the ticks of the means below the axis.
    ax.tick_params(axis="x", pad=4 + _ROW * len(runs))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    finish(ax, xlabel="error (%)", ylabel="runs", title="Reruns; means of the architectures below the axis")


def _rows(ax: Axes, runs: dict[str, list[np.ndarray]]) -> None:
    row = 0
    for (name, nets), look in zip(runs.items(), looks(runs).values(), strict=True):
        rows = np.arange(row, row + len(nets))
        low, high = [net.min() for net in nets], [net.max() for net in nets]
        ax.hlines(rows, low, high, color=look.color, alpha=0.4, linewidth=1)
        at = np.repeat(rows, [net.size for net in nets])
        ax.plot(np.concatenate(nets), at, look.marker, color=look.color, markersize=3.5, alpha=0.7)
        ax.plot([net.mean() for net in nets], rows, "|", color="black", markersize=8)
        ax.plot([], [], look.marker, color=look.color, markersize=5, label=_label(name, nets))
        row += len(nets) + 1
    ax.invert_yaxis()
    ax.set_yticks([])
    finish(
        ax, xlabel="error (%)", ylabel="architectures, best first", title="Runs of each architecture; bars are means"
    )
