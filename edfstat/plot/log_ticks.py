"""Ticks of logarithmic axes at plain numbers: matplotlib's own, such as 3 x 10^-2 and 4 x 10^-2, overlap."""

from __future__ import annotations

from matplotlib.ticker import Locator

from edfstat.ticks import log_ticks

__all__ = ["PlainLocator"]


class PlainLocator(Locator):
    """Few plain numbers, at least three, wherever the axis is moved to."""

    def __call__(self) -> list[float]:
        """Ticks of the range that the axis shows now."""
        if self.axis is None:
            return []
        low, high = sorted(self.axis.get_view_interval())
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Ticks between two ends above 0."""
        return log_ticks(vmin, vmax)
