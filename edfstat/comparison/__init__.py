"""Every group and every pair of a population compared at once: `compare`, and the steps it is made of."""

from __future__ import annotations

from edfstat.comparison.assembly import compare as compare

__all__ = ["compare"]
