"""Area under the EDF as its end eps moves: a ranking should not depend on eps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from edfstat.errors import InputError
from edfstat.plot.inputs import comparison_of, group_names, words_of
from edfstat.plot.style import GREY, axes_for, finish, legend_below, looks, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["auc_vs_eps"]


def auc_vs_eps(
    data: xr.Dataset,
    ax: Axes | None = None,
    *,
    measure: str = "none",
    by: str = "space",
    groups: Sequence[str] | None = None,
    difference: bool = False,
) -> Axes:
    """Draw the area under every group's EDF up to eps, against eps.

    Parameters
    ----------
    data : Dataset
        A population or a comparison.
    ax : Axes, optional
        Where to draw. Default: new ones.
    measure : str, default "none"
        Complexity that is taken out; ``"none"`` takes the models as they are.
    by : str, default "space"
        Variable whose values are the groups, where `data` is a population.
    groups : sequence of str, optional
        Groups to draw; with `difference`, pairs among them. Default: all.
    difference : bool, default False
        Whether to draw, for each pair, the difference of the areas with its pointwise interval instead.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `data` is neither a population nor a comparison, or has not that measure or group; if `difference` is asked
        of one group.

    See Also
    --------
    edfstat.auc : The numbers.

    Examples
    --------
    >>> from edfstat import build_population
    >>> from matplotlib.figure import Figure
    >>> models = build_population({"error": [5.0, 6, 7, 8, 6, 7, 8, 9], "space": ["A"] * 4 + ["B"] * 4})
    >>> auc_vs_eps(models, Figure().subplots()).get_xlabel()
    'eps, error (%)'
    """
    found = comparison_of(data, measure, by=by, groups=groups)
    if difference and found.sizes["group"] < 2:
        raise InputError(f"difference draws pairs, and the only group is {group_names(found)}; name or load another")
    own, ax = ax is None, axes_for(ax)
    eps = found["eps_value"].values.astype(float)
    words = words_of(found)
    short = short_names(group_names(found))
    chosen = float(found.attrs["eps"])
    ax.axvline(chosen, color=GREY, linewidth=1, label=f"eps of the comparison, {chosen:g} %")
    if difference:
        _differences(ax, found, eps, short)
        shade = f"{100 * float(found.attrs['level']):g} % interval at each eps shaded"
        ylabel = "difference of areas / eps (above 0: first is better)"
        finish(ax, xlabel="eps, error (%)", ylabel=ylabel, title=f"AUC difference, {words}; {shade}")
    else:
        for index, (name, look) in enumerate(looks(group_names(found)).items()):
            line = found["auc_curve"].isel(group=index).values
            ax.plot(eps, line, color=look.color, linestyle=look.linestyle, linewidth=1.5, label=short[name])
        ax.set_ylim(bottom=0)
        finish(ax, xlabel="eps, error (%)", ylabel="area under the EDF up to eps / eps", title=f"AUC, {words}")
    # Below: the intervals of the differences may fill the Axes.
    legend_below(ax, own=own)
    return ax


def _differences(ax: Axes, found: xr.Dataset, eps: np.ndarray, short: dict[str, str]) -> None:
    ax.axhline(0, color="#000000", linewidth=0.8)
    drawn = set(group_names(found))
    pairs = [(str(a), str(b)) for a, b in zip(found["a"].values, found["b"].values, strict=True)]
    kept = [i for i, pair in enumerate(pairs) if drawn.issuperset(pair)]
    for place, look in zip(kept, looks(kept).values(), strict=True):
        one = found.isel(pair=place)
        low, high = one["auc_difference_curve_lower"].values, one["auc_difference_curve_upper"].values
        ax.fill_between(eps, low, high, color=look.color, alpha=0.15, linewidth=0)
        label = " - ".join(short[name] for name in pairs[place])
        line = one["auc_difference_curve"].values
        ax.plot(eps, line, color=look.color, linestyle=look.linestyle, linewidth=1.5, label=label)
