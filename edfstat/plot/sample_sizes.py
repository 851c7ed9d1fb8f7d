"""How far a sample's EDF lies from that of its space, as the sample grows: have enough models been trained?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from edfstat.planning import expected_ks
from edfstat.plot.inputs import comparison_of, group_names
from edfstat.plot.style import GREY, axes_for, finish, legend_below, looks, plain_numbers, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ks_vs_sample_size"]


def ks_vs_sample_size(
    data: xr.Dataset,
    ax: Axes | None = None,
    *,
    measure: str = "none",
    by: str = "space",
    groups: Sequence[str] | None = None,
) -> Axes:
    """Draw the expected KS distance between n models and their design space, against n.

    The black line is exact for any space without ties (ties lower it), and shaded by one standard deviation. Each
    group is marked at its effective number of models, and its thin line is the distance of n of its models from all
    of them, which falls to zero there. Differences between groups that were observed are marked at the right.

    Parameters
    ----------
    data : Dataset
        A population or a comparison.
    ax : Axes, optional
        Where to draw. Default: new ones.
    measure : str, default "none"
        Complexity that is taken out; weights lower the effective number of models.
    by : str, default "space"
        Variable whose values are the groups, where `data` is a population.
    groups : sequence of str, optional
        Groups to draw. Default: all.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `data` is neither a population nor a comparison, or has not that measure or group.

    See Also
    --------
    edfstat.expected_ks : The numbers.

    Examples
    --------
    >>> from edfstat import build_population
    >>> from matplotlib.figure import Figure
    >>> models = build_population({"error": [5.0, 6, 7, 8, 6, 7, 8, 9], "space": ["A"] * 4 + ["B"] * 4})
    >>> ks_vs_sample_size(models, Figure().subplots()).get_xlabel()
    'models, n'
    """
    found = comparison_of(data, measure, by=by, groups=groups)
    own, ax = ax is None, axes_for(ax)
    # A sum of squared weights may leave 64 equal models a hair below 64.
    counts = np.maximum(1, np.floor(found["effective_n"].values * (1 + 1e-9))).astype(int)
    top = max(10_000, int(10 ** np.ceil(np.log10(counts.max()))))
    sizes = _sizes(top)
    law = np.array([expected_ks(int(n)) for n in sizes])
    ax.fill_between(sizes, law[:, 0] - law[:, 1], law[:, 0] + law[:, 1], color=GREY, alpha=0.2, linewidth=0)
    ax.plot(sizes, law[:, 0], color="black", linewidth=1.6, label="n models against their space")
    marks = _mark_sizes(counts)
    short = short_names(group_names(found))
    for (name, look), count, mark in zip(looks(group_names(found)).items(), counts, marks, strict=True):
        at = float(expected_ks(int(count))[0])
        label = f"{short[name]} (n = {count:,})"
        ax.plot(count, at, look.marker, color=look.color, markersize=mark, label=label, zorder=3)
        # The line of the space times the finite-population factor, to which the exact law tends quickly.
        inside = np.append(sizes[sizes < count], max(count - 1, 1))
        means = np.interp(inside, sizes, law[:, 0]) * np.sqrt(1 - inside / count)
        ax.plot(inside, np.where(means > 0, means, np.nan), color=look.color, linestyle=look.linestyle, linewidth=1)
    ax.plot([], [], color=GREY, linewidth=1, label="thin: n of a group against all of it")
    _observed(ax, found, short)
    ax.set_xscale("log")
    ax.set_yscale("log")
    plain_numbers(ax.xaxis)
    ax.set_xlim(sizes[0], top)
    ax.set_ylim(bottom=min(0.005, float(law[-1, 0])), top=1)
    ax.yaxis.set_major_formatter("{x:g}")
    effective = "effective models" if measure != "none" else "models"
    finish(
        ax, xlabel=f"{effective}, n", ylabel="expected KS distance D", title="How far n models stray from their space"
    )
    # Below: the thin lines run into one lower corner, the black one into the other.
    legend_below(ax, own=own)
    return ax


def _mark_sizes(counts: np.ndarray) -> list[float]:
    """Sizes of markers, larger where later ones lie on them: groups of about as many models are marked at one place.

    However many these are, no marker is so large that it hides more of the figure than its group.
    """
    near = np.abs(np.log(counts[:, None] / counts)) < 0.1
    later = np.triu(near, 1).sum(axis=1)
    step = min(4.0, 14.0 / max(int(later.max()), 1))
    return [8.0 + step * int(count) for count in later]


def _sizes(top: int) -> np.ndarray:
    start = min(5, top)
    return np.unique(np.geomspace(start, top, 25).round().astype(int))


def _observed(ax: Axes, found: xr.Dataset, short: dict[str, str]) -> None:
    """The differences between groups, as dotted lines: the distance expected by chance must lie well below them."""
    drawn = set(group_names(found))
    if not 2 <= len(drawn) <= 4:
        return
    transform = ax.get_yaxis_transform()
    pairs = []
    for place in range(found.sizes["pair"]):
        one = found.isel(pair=place)
        a, b, distance = str(one["a"].item()), str(one["b"].item()), float(one["ks"])
        if {a, b} <= drawn and distance > 0:
            pairs.append((distance, f"{short[a]} / {short[b]}"))
    # Lines closer than their text is high share it.
    shared: list[tuple[float, list[str]]] = []
    for distance, pair in sorted(pairs):
        ax.axhline(distance, color=GREY, linewidth=0.9, linestyle=":")
        if shared and distance < 1.25 * shared[-1][0]:
            shared[-1] = (distance, [*shared[-1][1], pair])
        else:
            shared.append((distance, [pair]))
    for distance, names in shared:
        text = "observed: " + ", ".join(names)
        ax.text(0.995, distance, text, transform=transform, ha="right", va="bottom", fontsize="x-small")
