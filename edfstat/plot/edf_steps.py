"""Error EDFs of every group, as the step lines they are, with simultaneous bands and a zoom on the good models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from edfstat.plot.inputs import comparison_of, group_names, words_of
from edfstat.plot.style import Look, axes_for, finish, legend_below, looks, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["edf", "nearly_done"]


def edf(
    data: xr.Dataset,
    ax: Axes | None = None,
    *,
    measure: str = "none",
    by: str = "space",
    groups: Sequence[str] | None = None,
    band: bool = True,
    zoom: bool = True,
    max_error: float | None = None,
) -> Axes:
    """Draw the error EDF of every group.

    Parameters
    ----------
    data : Dataset
        A population or a comparison.
    ax : Axes, optional
        Where to draw. Default: new ones.
    measure : str, default "none"
        Complexity that is taken out, such as ``"params"``; ``"none"`` draws the models as they are.
    by : str, default "space"
        Variable whose values are the groups, where `data` is a population.
    groups : sequence of str, optional
        Groups to draw, in this order. Default: all.
    band : bool, default True
        Whether to shade the simultaneous band of the comparison's level.
    zoom : bool, default True
        Whether to repeat the best tenth, where random search ends up, enlarged: in an inset where neither curves nor
        bands lie at the lower right, else in Axes beside the first. Given Axes without that room stay without it.
    max_error : float, optional
        Right end of the axis, in percent. Default: where every EDF has reached 0.97.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `data` is neither a population nor a comparison, or has not that measure or group.

    See Also
    --------
    edfstat.edf : The numbers.

    Examples
    --------
    >>> from edfstat import build_population
    >>> from matplotlib.figure import Figure
    >>> models = build_population({"error": [5.0, 6, 7, 8, 6, 7, 8, 9], "space": ["A"] * 4 + ["B"] * 4})
    >>> edf(models, Figure().subplots()).get_xlabel()
    'error (%)'
    """
    found = comparison_of(data, measure, by=by, groups=groups)
    right = max_error
    if right is None:
        right = nearly_done(found["support"].values.astype(float), found["edf"].values)
    left = _left_end(found, right)
    inside = _free_corner(ax, found, left, right, band=band) if zoom else None
    own = ax is None
    beside = zoom and inside is None and own
    ax, corner = _beside_each_other() if beside else (axes_for(ax), None)
    styles = looks(group_names(found))
    _draw(ax, found, styles, band=band)
    ax.set_xlim(left, right)
    ax.set_ylim(0, 1)
    level = f", {100 * float(data.attrs.get('level', 0.95)):g} % bands" if band else ""
    words = words_of(found)
    finish(
        ax,
        xlabel="error (%)",
        ylabel="share of models with at most this error",
        title=words[0].upper() + words[1:] + level,
    )
    # Curves begin at the lower left, end at the upper right, and bands fill much of the rest.
    legend_below(ax, own=own)
    if inside is not None:
        corner = ax.inset_axes(inside)
    if corner is not None:
        _enlarge(ax, corner, found, styles, band=band)
    return ax


def _draw(ax: Axes, found: xr.Dataset, styles: dict[str, Look], *, band: bool) -> None:
    errors = found["support"].values.astype(float)
    short = short_names(styles)
    for index, (name, look) in enumerate(styles.items()):
        group = found.isel(group=index)
        if band:
            lower, upper = group["edf_lower"].values, group["edf_upper"].values
            ax.fill_between(errors, lower, upper, step="post", color=look.color, alpha=0.15, linewidth=0)
        # From zero, so that the first step shows.
        x = np.concatenate((errors[:1], errors))
        y = np.concatenate(([0.0], group["edf"].values))
        label = f"{short[name]} (n = {_count(group)})"
        ax.step(x, y, where="post", color=look.color, linestyle=look.linestyle, linewidth=1.5, label=label)


def _count(group: xr.Dataset) -> str:
    used, effective = int(group["used"]), float(group["effective_n"])
    return f"{used:,}" if effective > 0.995 * used else f"{used:,}, effective {effective:,.0f}"


def nearly_done(errors: np.ndarray, shares: np.ndarray) -> float:
    """Error at which every EDF is nearly done: a few diverged models must not squeeze the rest.

    Parameters
    ----------
    errors : ndarray, shape (support,)
    shares : ndarray, shape (group, support)
        Each group's EDF at them.
    """
    lowest = shares.min(axis=0)
    finite = np.isfinite(errors)
    return float(errors[finite & (lowest >= 0.97 * lowest[finite].max())][0])


def _left_end(found: xr.Dataset, right: float) -> float:
    best = float(np.nanmin(found["best"].values))
    left = best - 0.03 * max(right - best, 1e-9)
    return max(left, 0.0) if best > 0 else left


#: Where the enlarged corner may stand inside the Axes, as left, bottom, width, height: in new ones, and in given ones.
_Place = tuple[float, float, float, float]
_NEW: tuple[_Place, ...] = ((0.56, 0.12, 0.42, 0.42),)
_GIVEN: tuple[_Place, ...] = (*_NEW, (0.66, 0.12, 0.32, 0.32))
#: What its tick labels take at its left and its title above it, in points; and the size of new Axes.
_LABELS, _TITLE = 28, 14
_USUAL = (400.0, 230.0)


def _free_corner(ax: Axes | None, found: xr.Dataset, left: float, right: float, *, band: bool) -> _Place | None:
    """A place where the enlarged corner and its labels hide nothing: every EDF and band has risen above it before."""
    width, height = _USUAL if ax is None else 72 / ax.figure.dpi * np.array([ax.bbox.width, ax.bbox.height])
    errors, lowest = found["support"].values.astype(float), found["edf_lower" if band else "edf"].values
    for place in _NEW if ax is None else _GIVEN:
        begin = left + (place[0] - _LABELS / width) * (right - left)
        top = place[1] + place[3] + _TITLE / height
        step = int(np.searchsorted(errors, begin, side="right")) - 1
        if step >= 0 and (lowest[:, step] > top).all():
            return place
    return None


def _beside_each_other() -> tuple[Axes, Axes]:
    """New Axes, and narrower ones to their right."""
    import matplotlib.pyplot as plt

    both = plt.subplots(1, 2, width_ratios=(1.9, 1), figsize=(9.4, 4.2), layout="constrained")[1]
    return both[0], both[1]


def _enlarge(ax: Axes, corner: Axes, found: xr.Dataset, styles: dict[str, Look], *, band: bool) -> None:
    """The lower left of `ax`, where the best models are, enlarged into `corner`, which is an inset of it or beside."""
    errors, shares = found["support"].values.astype(float), found["edf"].values
    right = ax.get_xlim()[1]
    left, top = float(np.nanmin(found["best"].values)), 0.1
    ends = [errors[np.searchsorted(row, top)] for row in shares if row[-1] >= top]
    end = min(max(ends, default=right), left + 0.45 * (right - left))
    if not left < end < right:
        corner.remove()
        return
    _draw(corner, found, styles, band=band)
    height = max(float(row[np.searchsorted(errors, end, side="right") - 1]) for row in shares)
    corner.set_xlim(left - 0.03 * (end - left), end)
    corner.set_ylim(0, min(1.0, 1.1 * max(height, 1e-3)))
    if corner not in ax.child_axes:
        finish(corner, xlabel="error (%)", ylabel="", title="The best models, enlarged")
        return
    corner.tick_params(labelsize="x-small")
    corner.set_title("best models", fontsize="x-small", pad=2)
    ax.indicate_inset_zoom(corner, edgecolor="#777777")
