"""Where the curves of a comparison are stored, under every measure alike: errors, sizes, targets, values of eps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edfstat.comparison.groups import Groups
from edfstat.distributions import EDF, edf

__all__ = ["QUANTILES", "default_eps", "eps_grid", "search_sizes", "search_targets", "support_points"]

Floats = NDArray[np.float64]

QUANTILES = (0.05, 0.5, 0.95)
#: EDFs are stored at every distinct error up to this many, else at as many evenly spaced ranks.
MAX_SUPPORT = 10_000
EPS_POINTS = 25


def default_eps(groups: Groups) -> float:
    """The error that 95 % of all models that reached one stay below, every group counting the same.

    Rounded up to two digits, so that the same eps serves data that hardly differ.
    """
    found = float(_pooled(groups).quantile(0.95))
    return _round_up(found) if found > 0 else 1.0


def _pooled(groups: Groups) -> EDF:
    """EDF of all models that reached an error, every group counting the same."""
    finite = np.isfinite(groups.error)
    size = np.bincount(groups.code[finite], minlength=len(groups.names)).astype(np.float64)
    return edf(groups.error[finite], 1.0 / size[groups.code[finite]])


def _round_up(value: float) -> float:
    step = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(np.ceil(round(value / step, 9)) * step)


def support_points(groups: Groups) -> Floats:
    """Errors at which the EDFs are stored."""
    values: Floats = np.unique(groups.error[np.isfinite(groups.error)])
    if values.size > MAX_SUPPORT:
        even = np.linspace(0, values.size - 1, MAX_SUPPORT - 200).round().astype(np.intp)
        # The lowest errors are what the comparison is about: none of them is left out.
        values = values[np.unique(np.concatenate([np.arange(200), even]))]
    return values


def search_sizes(groups: Groups) -> NDArray[np.int64]:
    """Powers of two up to the number of models of the largest group."""
    largest = int(np.bincount(groups.code).max())
    sizes: NDArray[np.int64] = 2 ** np.arange(largest.bit_length(), dtype=np.int64)
    return sizes


def search_targets(groups: Groups) -> Floats:
    """Errors worth asking for: near the pooled median, best 10 %, best 1 % and the best that every group has."""
    pooled, finite = _pooled(groups), np.isfinite(groups.error)
    best = [groups.error[finite & (groups.code == code)] for code in range(len(groups.names))]
    shared = max(part.min() for part in best if part.size)
    wanted = np.array([*pooled.quantile(np.array([0.5, 0.1, 0.01])), shared])
    spread = float(np.subtract(*pooled.quantile(np.array([0.75, 0.01]))))
    step = 10.0 ** np.floor(np.log10(spread)) / 10 if spread > 0 else 0.0
    rounded = np.round(np.ceil(np.round(wanted / step, 9)) * step, 12) if step else wanted
    return np.unique(rounded)[::-1].copy()


def eps_grid(groups: Groups, eps: float) -> Floats:
    """Values of eps, the one that is used among them, from just above the best error to at most twice that one.

    They end just beyond the largest error, where every EDF is complete, and at 100 %, which no error exceeds.
    """
    best = float(groups.error.min())
    low = best + 0.02 * (eps - best) if best < eps else eps / 2
    largest = float(groups.error[np.isfinite(groups.error)].max(initial=0.0))
    end = max(eps, min(max(2 * eps - low, 1.5 * eps), 1.02 * largest, 100.0))
    grid = np.linspace(max(low, eps * 1e-3), end, EPS_POINTS)
    grid[np.abs(grid - eps).argmin()] = eps
    return grid
