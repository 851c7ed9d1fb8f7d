"""Error against complexity: every model, and average and spread per bin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.arguments import choice
from edfstat.errors import InputError
from edfstat.plot.inputs import check_groups, is_comparison, models_of, population_of, refuse_all_failed, under
from edfstat.plot.style import Look, axes_for, finish, legend_below, looks, plain_log_ticks, scale_of, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["error_vs_complexity"]

Floats = NDArray[np.float64]
_BINS = 20
#: An error in percent that no axis shows.
_BEYOND = 1e3


class _Bins(NamedTuple):
    """Centres of the bins, median or mean error in each, and the quantiles that the shade lies between."""

    centre: Floats
    average: Floats
    low: Floats
    high: Floats


def error_vs_complexity(
    data: xr.Dataset,
    ax: Axes | None = None,
    *,
    measure: str = "params",
    by: str = "space",
    groups: Sequence[str] | None = None,
    kind: str = "auto",
    average: str = "median",
    max_error: float | None = None,
) -> Axes:
    """Draw the error of every model against its complexity, with average and spread per bin.

    A population is drawn with its models; failed ones, which have no error, are counted in the legend. A
    comparison no longer holds models: average and spread alone are drawn, in its own bins.

    Parameters
    ----------
    data : Dataset
        A population or a comparison.
    ax : Axes, optional
        Where to draw. Default: new ones.
    measure : str, default "params"
        Complexity on the x axis.
    by : str, default "space"
        Variable whose values are the groups, where `data` is a population.
    groups : sequence of str, optional
        Groups to draw. Default: all.
    kind : {"auto", "scatter", "density"}
        One point per model, the fainter the more there are, or the number of models per hexagon (one group
        only). ``"auto"`` takes hexagons for a single group of more than 3,000 models.
    average : {"median", "mean"}
        What the line shows of each bin. A few diverged models move a mean far, and a median hardly.
    max_error : float, optional
        Upper end of the axis, in percent. Default: past all but 1 % of the models, and less where diverged
        models would leave the others no room. The title says how many lie above.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `data` has not that measure or group, or density is asked of several groups.

    See Also
    --------
    pareto : The best models of each complexity alone.

    Examples
    --------
    >>> from edfstat import build_population
    >>> from matplotlib.figure import Figure
    >>> models = build_population({"error": [5.0, 6, 7, 8], "params": [10, 20, 30, 40], "space": ["A"] * 2 + ["B"] * 2})
    >>> error_vs_complexity(models, Figure().subplots()).get_ylabel()
    'error (%)'
    """
    choice(kind, "kind", ("auto", "scatter", "density"))
    choice(average, "average", ("median", "mean"))
    if is_comparison(data):
        check_groups(data, groups)
        return _draw_bins_of(under(data, measure), ax, measure, groups, average, max_error)
    models = models_of(population_of(data, "error_vs_complexity", [measure]), by, groups)
    refuse_all_failed(models, "error_vs_complexity")
    if kind == "density" and len(models) > 1:
        raise InputError(f"density draws one group and there are {list(models)}; give groups=[one of them]")
    own, ax = ax is None, axes_for(ax)
    _draw_models(ax, models, measure, kind, average, max_error)
    legend_below(ax, own=own)
    return ax


def _draw_models(
    ax: Axes, models: dict[str, xr.Dataset], measure: str, kind: str, average: str, max_error: float | None
) -> None:
    cost = np.concatenate([group[measure].values for group in models.values()]).astype(float)
    error = np.concatenate([group["error"].values for group in models.values()])
    divisor, label = scale_of(measure, cost)
    logarithmic = bool(cost.min() > 0 and cost.max() > 10 * cost.min())
    finite = np.isfinite(error)
    if max_error is None:
        max_error = _top(error[finite])
    if logarithmic:
        ax.set_xscale("log")
        plain_log_ticks(ax.xaxis)
    edges = _edges(cost / divisor, logarithmic)
    short = short_names(models)
    density = kind == "density" or (kind == "auto" and len(models) == 1 and cost.size > 3000)
    if not density:
        _points(ax, cost / divisor, error, [group.sizes["model"] for group in models.values()])
    for (name, group), look in zip(models.items(), looks(models).values(), strict=True):
        x, y = group[measure].values / divisor, group["error"].values
        if density:
            _hexagons(ax, x, y, max_error, logarithmic)
        failed = int(np.isinf(y).sum())
        said = short[name] + (f" ({failed} failed)" if failed else "")
        _draw_bins(ax, _per_bin(x, y, edges, average), look, said, dark=density)
    bottom = float(error[finite].min())
    ax.set_ylim(bottom - 0.03 * max(max_error - bottom, 1e-9), max_error)
    above = int((error[finite] > max_error).sum())
    note = f"; {above:,} above the axis" if above else ""
    title = f"{cost.size:,} models{note}; {average} and middle half per bin"
    finish(ax, xlabel=label, ylabel="error (%)", title=title)


def _top(error: Floats) -> float:
    """Upper end of the error axis: a few diverged models must not squeeze the rest."""
    low, quarter, three, high = np.quantile(error, [0, 0.25, 0.75, 0.99])
    return float(min(high + 0.05 * (high - low), three + 4 * max(three - quarter, 1e-9)))


def _points(ax: Axes, x: Floats, y: Floats, sizes: list[int]) -> None:
    # In random order, so that no group lies on top of the others; fainter the more there are, so that 25,000 still
    # show where they lie dense; rasterised, since a vector file of so many points would be huge.
    colours = [look.color for look in looks(map(str, range(len(sizes)))).values()]
    group = np.repeat(np.arange(len(sizes)), sizes)
    order = np.random.default_rng(0).permutation(x.size)
    ax.scatter(
        x[order],
        y[order],
        s=5 if x.size > 2000 else 12,
        c=np.array(colours)[group[order]],
        alpha=float(np.clip(2500 / x.size, 0.08, 0.7)),
        linewidths=0,
        rasterized=True,
        zorder=1,
    )


def _hexagons(ax: Axes, x: Floats, y: Floats, top: float, logarithmic: bool) -> None:
    shown = y <= top
    image = ax.hexbin(
        x[shown],
        y[shown],
        gridsize=55,
        bins="log",
        mincnt=1,
        xscale="log" if logarithmic else "linear",
        cmap="Blues",
        linewidths=0.1,
        rasterized=True,
        zorder=1,
    )
    figure = ax.figure
    figure.colorbar(image, ax=ax, label="models per cell", pad=0.02)


def _edges(cost: Floats, logarithmic: bool) -> Floats:
    low, high = float(cost.min()), float(cost.max())
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    edges: Floats = np.geomspace(low, high, _BINS + 1) if logarithmic else np.linspace(low, high, _BINS + 1)
    edges[0], edges[-1] = low, high
    return edges


def _per_bin(x: Floats, y: Floats, edges: Floats, average: str) -> _Bins:
    """Median or mean, and middle half of the finite errors in every bin of at least 3 models; NaN elsewhere."""
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, edges.size - 2)
    finite = np.isfinite(y)
    rows = []
    for index in range(edges.size - 1):
        inside = y[finite & (place == index)]
        if inside.size < 3:
            rows.append((np.nan,) * 3)
            continue
        low, middle, high = np.quantile(inside, [0.25, 0.5, 0.75])
        rows.append((middle if average == "median" else inside.mean(), low, high))
    line, low, high = np.array(rows).T
    centre = np.sqrt(edges[1:] * edges[:-1]) if edges[0] > 0 else (edges[1:] + edges[:-1]) / 2
    return _Bins(centre, line, low, high)


def _ends(shown: list[_Bins], most: float) -> tuple[float, float]:
    """Ends of the error axis that hold every average and shade, up to `most`: a few diverged models reach far."""
    values = np.concatenate([part for bins in shown for part in (bins.average, bins.low, bins.high)])
    values = values[np.isfinite(values)]
    low = float(values.min(initial=most))
    top = min(float(values.max(initial=low)), most)
    room = 0.05 * (top - low) or 0.5
    return low - room, top + room * (top < most)


def _draw_bins(ax: Axes, bins: _Bins, look: Look, label: str, *, dark: bool = False) -> None:
    color = "#D55E00" if dark else look.color
    ax.fill_between(bins.centre, bins.low, bins.high, color=color, alpha=0.2, linewidth=0, zorder=2)
    # A shade needs two bins in a row; the spread of one that stands alone is a bar.
    known = np.concatenate(([False], np.isfinite(bins.low + bins.high), [False]))
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    ax.vlines(bins.centre[alone], bins.low[alone], bins.high[alone], color=color, alpha=0.4, linewidth=4, zorder=2)
    ax.plot(
        bins.centre,
        bins.average,
        color=color,
        linestyle=look.linestyle,
        marker=look.marker,
        markersize=4.5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        linewidth=1.6,
        label=label,
        zorder=3,
    )


def _draw_bins_of(
    found: xr.Dataset,
    ax: Axes | None,
    measure: str,
    groups: Sequence[str] | None,
    average: str,
    max_error: float | None,
) -> Axes:
    lower, upper = found["bin_lower"].values.astype(float), found["bin_upper"].values.astype(float)
    kept = np.isfinite(lower) & np.isfinite(upper)
    if not kept.any():
        raise InputError(f"measure is {measure!r}, under which the comparison has no bins; give a complexity")
    own, ax = ax is None, axes_for(ax)
    divisor, label = scale_of(measure, upper[kept])
    centre = (lower[kept] + upper[kept]) / 2 / divisor
    names = [str(name) for name in found["group"].values]
    short, shown = short_names(names), list[_Bins]()
    for index, (name, look) in enumerate(looks(names).items()):
        if groups is not None and name not in groups:
            continue
        one = found.isel(group=index)
        spread = one["bin_quantile"].values[kept]
        line = spread[:, spread.shape[1] // 2] if average == "median" else one["bin_error"].values[kept]
        # Where too many models failed for a bound, it lies beyond the axis.
        high = np.where(np.isposinf(spread[:, -1]), _BEYOND, spread[:, -1])
        bins = _Bins(centre, line, spread[:, 0], high)
        _draw_bins(ax, bins, look, short[name])
        shown.append(bins)
    ax.set_ylim(*_ends(shown, 1.2 * float(found.attrs["eps"]) if max_error is None else max_error))
    finish(
        ax, xlabel=label, ylabel="error (%)", title=f"{average.capitalize()} error per bin; 90 % of its models shaded"
    )
    legend_below(ax, own=own)
    return ax
