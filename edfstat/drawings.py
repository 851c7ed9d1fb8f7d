"""Drawings of architectures by an installed package that can draw them; without one, reports show them as text."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from edfstat.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["drawing"]

GROUP = "edfstat.drawings"
#: Characters of the longest description that is drawn: the published cell networks take about a third of it.
LONGEST = 3000


def drawing(net: str) -> Figure | None:
    """Draw an architecture.

    Packages register how under the entry-point group ``edfstat.drawings``: a function that takes a `net` dictionary
    and gives a matplotlib figure, or raises `InputError` for one it does not know.

    Parameters
    ----------
    net : str
        JSON of the architecture, as populations hold it.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where no installed package draws it.

    Examples
    --------
    >>> drawing("a network in words") is None
    True
    """
    try:
        described = json.loads(net) if len(net) <= LONGEST else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(described, dict):
        return None
    for point in entry_points(group=GROUP):
        try:
            figure: Figure = point.load()(described)
        except (ImportError, InputError):
            continue
        return figure
    return None
