"""Where the axes of figures and reports have ticks, and what stands at them."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["log_ticks", "nice_ticks", "tick_text"]

#: Fewest ticks that show a scale, and the most that fit beside each other on a logarithmic axis.
_FEWEST, _MOST = 3, 7


def nice_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers inside a range, about `about` of them; at least three, as fewer do not show a scale."""
    found = _even_ticks(low, high, about)
    while len(found) < _FEWEST:
        about += 1
        found = _even_ticks(low, high, about)
    return found


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, or 1, 2 and 5 times them, or even steps: the first of which a range above 0 has three.

    Examples
    --------
    >>> log_ticks(0.03, 0.4), log_ticks(3.0, 4.0), log_ticks(1.0, 2000.0)
    ([0.05, 0.1, 0.2], [3.0, 3.5, 4.0], [1.0, 10.0, 100.0, 1000.0])
    """
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    found = np.array([])
    for multiples in ([1.0], [1.0, 2.0, 5.0]):
        ticks = np.outer(powers, multiples).ravel()
        found = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
        if found.size >= _FEWEST or low == high:
            return [float(tick) for tick in found[:: max(1, -(-found.size // _MOST))]]
    return nice_ticks(low, high, about=4)


def _even_ticks(low: float, high: float, about: int) -> list[float]:
    step = 10.0 ** math.floor(math.log10((high - low) / about))
    while (high - low) / step > about:
        step *= 2 if str(step).lstrip("0.")[0] in "15" else 2.5
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_text(value: float) -> str:
    """A tick label without needless digits.

    Examples
    --------
    >>> tick_text(0.25), tick_text(25000.0), tick_text(1000.2)
    ('0.25', '25,000', '1,000.2')
    """
    return f"{value:,.6f}".rstrip("0").rstrip(".") if abs(value) >= 1000 else f"{value:g}"
