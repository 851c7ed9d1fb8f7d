"""Ticks of logarithmic axes at plain numbers: matplotlib's own, such as 3 x 10^-2 and 4 x 10^-2, overlap."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import Locator, MaxNLocator

__all__ = ["PlainLocator"]

#: Ticks that an axis needs so that its scale can be read, and those that have room beside each other.
_FEWEST, _MOST = 3, 7


class PlainLocator(Locator):
    """Powers of ten, or 1, 2 and 5 times them, or even steps: the first of which the shown range has three.

    Examples
    --------
    >>> PlainLocator().tick_values(0.03, 0.4)
    [0.05, 0.1, 0.2]
    >>> PlainLocator().tick_values(3.0, 4.0)
    [3.0, 3.25, 3.5, 3.75, 4.0]
    """

    def __call__(self) -> list[float]:
        """Ticks of the range that the axis shows now."""
        if self.axis is None:
            return []
        low, high = sorted(self.axis.get_view_interval())
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Ticks between two ends above 0."""
        powers = 10.0 ** np.arange(np.floor(np.log10(vmin)), np.ceil(np.log10(vmax)) + 1)
        for multiples in ([1.0], [1.0, 2.0, 5.0]):
            ticks = np.outer(powers, multiples).ravel()
            ticks = ticks[(ticks >= vmin * (1 - 1e-9)) & (ticks <= vmax * (1 + 1e-9))]
            if ticks.size >= _FEWEST:
                return [float(tick) for tick in ticks[:: -(-ticks.size // _MOST)]]
        even = np.asarray(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(vmin, vmax))
        return [float(tick) for tick in even if vmin <= tick <= vmax]
