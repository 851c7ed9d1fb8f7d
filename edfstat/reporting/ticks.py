"""Where the axes of charts have ticks, and what stands at them."""

from __future__ import annotations

import math

__all__ = ["nice_ticks", "tick_text"]


def nice_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers inside a range, about so many and at least three, without which no scale is read."""
    found = _even_ticks(low, high, about)
    while len(found) < 3:
        about += 1
        found = _even_ticks(low, high, about)
    return found


def _even_ticks(low: float, high: float, about: int) -> list[float]:
    step = 10.0 ** math.floor(math.log10((high - low) / about))
    while (high - low) / step > about:
        step *= 2 if str(step).lstrip("0.")[0] in "15" else 2.5
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_text(value: float) -> str:
    """A tick label without needless digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
