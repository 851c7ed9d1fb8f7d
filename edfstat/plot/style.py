"""What every figure shares: Axes, a palette that colour-blind readers can tell apart, units, legends, files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "GREY", "Look", "axes_for", "finish", "legend_below", "looks", "plain_log_ticks", "plain_numbers",
    "save_svg", "scale_of", "short_names",
]  # fmt: skip

# Okabe and Ito's palette, darkest hues first; each comes with a line style and a marker of its own, so that figures
# also work in grey and for readers who see no hue at all.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (1.2, 1.2)), (0, (8, 2, 1, 2, 1, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

#: Height of the tick labels and the label of an x axis, in points.
_X_LABEL = 36
#: Characters of a name in a legend, those kept of its beginning, and the largest mark there, in points.
_LONGEST, _HEAD, _MARK = 30, 14, 7.0

#: For what is context and not data.
GREY = "#777777"


class Look(NamedTuple):
    """Colour, line style and marker of one group."""

    color: str
    linestyle: Any
    marker: str


def looks(names: Iterable[Any]) -> dict[str, Look]:
    """A look for each group, the same for the same position; none repeats below 35 groups."""
    return {
        str(name): Look(_COLOURS[i % len(_COLOURS)], _LINES[i % len(_LINES)], _MARKERS[i % len(_MARKERS)])
        for i, name in enumerate(names)
    }


def axes_for(ax: Axes | None, *, width: float = 6.4, height: float = 4.2) -> Axes:
    """The given Axes, or new ones that pyplot knows of."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def finish(ax: Axes, *, xlabel: str, ylabel: str, title: str | None = None) -> None:
    """Labels with units, a light grid behind the data, no frame where nothing is read off."""
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if title:
        ax.set_title(title, fontsize="medium", loc="left")
    ax.grid(visible=True, color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def short_names(names: Iterable[Any]) -> dict[str, str]:
    """Names as legends have room for: the middle of a long one gives way, as far as all stay different.

    Examples
    --------
    >>> short_names(["ResNet", "a_very_long_design_space_name_10_variant"])["a_very_long_design_space_name_10_variant"]
    'a_very_long_de…name_10_variant'
    """
    full = dict.fromkeys(map(str, names))
    short = {name: name for name in full}
    for name in full:
        if len(name) > _LONGEST:
            short[name] = f"{name[:_HEAD]}…{name[_HEAD + 1 - _LONGEST :]}"
    taken = list(short.values())
    return {name: less if taken.count(less) == 1 else name for name, less in short.items()}


def _legend(ax: Axes, **options: Any) -> None:
    """Legend of what has a label, with small marks however large they are drawn; none if nothing has a label."""
    if not ax.get_legend_handles_labels()[0]:
        return
    from matplotlib.lines import Line2D

    made = ax.legend(**{"fontsize": "small", "framealpha": 0.9, "edgecolor": "none", "handlelength": 2.8} | options)
    for handle in made.legend_handles:
        if isinstance(handle, Line2D):
            handle.set_markersize(min(handle.get_markersize(), _MARK))


def legend_below(ax: Axes, *, own: bool = False, lower: float = 0) -> None:
    """Legend under the label of the x axis, where no data can lie, in as many columns as are no wider than the Axes.

    A figure of our own grows by the height of the legend, so that many groups leave the Axes their room. `lower` is
    what the figure has below its axis besides, in points.
    """
    from matplotlib.figure import Figure
    from matplotlib.transforms import ScaledTranslation

    # In points, as the text above it is, whatever the height of the Axes.
    under = ax.transAxes + ScaledTranslation(0, -(_X_LABEL + lower) / 72, ax.figure.dpi_scale_trans)
    for columns in range(min(len(ax.get_legend_handles_labels()[0]), 4), 0, -1):
        _legend(
            ax, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=under, borderaxespad=0, ncols=columns,
            frameon=False,
        )  # fmt: skip
        made = ax.get_legend()
        if made is None or made.get_window_extent().width <= ax.bbox.width:
            break
    made, figure = ax.get_legend(), ax.figure
    if own and made is not None and isinstance(figure, Figure):
        figure.set_figheight(figure.get_figheight() + made.get_window_extent().height / figure.dpi)


def save_svg(figure: Figure, target: Path | IO[str], *, text: bool = False) -> None:
    """Write a figure as SVG, equal figures as equal bytes: without a date, and with the same names inside.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    target : path or text file
    text : bool, default False
        Whether text stays text, which can be searched, in place of outlines, which look the same everywhere.
    """
    import matplotlib as mpl

    with mpl.rc_context({"svg.fonttype": "none" if text else "path", "svg.hashsalt": "edfstat"}):
        figure.savefig(target, format="svg", metadata={"Date": None})


def plain_numbers(axis: Axis) -> None:
    """Label a logarithmic axis of counts with the counts themselves."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(NullFormatter())


def plain_log_ticks(axis: Axis) -> None:
    """Label an axis whose scale is logarithmic with few plain numbers; what lies between has ticks only."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    from edfstat.plot.log_ticks import PlainLocator

    axis.set_major_locator(PlainLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def scale_of(measure: str, values: Any) -> tuple[float, str]:
    """Divisor and axis label for a complexity, in the unit in which its values are short."""
    name = {"params": "parameters", "flops": "flops", "acts": "activations"}.get(measure, measure)
    finite = np.abs(np.asarray(values, dtype=np.float64))
    largest = float(np.nanmax(finite, initial=0.0))
    for divisor, unit in ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands")):
        if largest >= 0.3 * divisor:
            return divisor, f"{name} ({unit})"
    return 1.0, name
