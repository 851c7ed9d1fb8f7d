"""The best model of each group as a picture."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import xarray as xr

from edfstat.drawings import drawing
from edfstat.plot.style import save_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Best", "best_drawings", "svg_uri"]

#: Groups that are drawn; more would make a long page of pictures.
MOST = 8


class Best(NamedTuple):
    """A group, its best model's error in percent, its architecture as text, and the drawing."""

    group: str
    error: float
    net: str
    figure: Figure


def best_drawings(comparison: xr.Dataset) -> Iterator[Best]:
    """The best model of each group, as far as an installed package draws its architecture."""
    first = comparison.isel(rank=0) if comparison.sizes["rank"] else None
    for place, name in enumerate(map(str, comparison["group"].values[:MOST])):
        if first is None:
            return
        error, net = float(first["top_error"].values[place]), str(first["top_net"].values[place])
        figure = drawing(net) if math.isfinite(error) else None
        if figure is not None:
            yield Best(name, error, net, figure)


def svg_uri(figure: Figure) -> str:
    """The drawing as an address that holds it: an image of its own, which neither style nor script of a page reach."""
    target = io.StringIO()
    save_svg(figure, target, text=True)
    return "data:image/svg+xml;base64," + base64.b64encode(target.getvalue().encode()).decode()
