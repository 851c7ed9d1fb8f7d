"""Exact law of the unweighted two-sample KS statistic, ties included, by counting lattice paths.

An assignment of labels to the pooled, sorted errors is a path: each error steps for sample a or for sample b.
Walking all paths at once, the chance to stand at each point is known after every error. Where a tie ends, the
paths whose gap has reached the observed statistic leave, and their chance is added to the p-value. All terms
are positive, so small p-values keep their relative accuracy.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Alternative", "exact_pvalue", "integer_gap"]

Alternative = Literal["two-sided", "greater", "less"]
Ints = NDArray[np.int64]


def integer_gap(counts_a: Ints, counts_b: Ints, ends: int, alternative: Alternative) -> int:
    """Largest gap of the two EDFs over the first `ends` distinct errors, times n_a n_b: a whole number.

    `counts_a`, `counts_b`: models of each sample at each distinct error of the pooled sample.
    """
    above = np.cumsum(counts_a) * int(counts_b.sum()) - np.cumsum(counts_b) * int(counts_a.sum())
    above = above[:ends]
    greatest, least = int(above.max(initial=0)), int(above.min(initial=0))
    return {"two-sided": max(greatest, -least), "greater": greatest, "less": -least}[alternative]


def exact_pvalue(sizes: tuple[int, int], ends: Ints, gap: int, alternative: Alternative) -> float:
    """Share of all assignments whose gap reaches `gap` at one of `ends`.

    Parameters
    ----------
    sizes : (int, int)
        Models of a and of b.
    ends : ndarray of int
        How many models of the pooled sample lie at or below each distinct error that counts, ascending.
    gap : int
        Observed statistic times n_a n_b.
    alternative : {"two-sided", "greater", "less"}

    Returns
    -------
    float

    References
    ----------
    .. [1] Schroeer & Trenkler, Exact and randomization distributions of Kolmogorov-Smirnov tests two or
       three samples, Computational Statistics & Data Analysis 20, 1995.
    """
    if gap <= 0:
        return 1.0
    upper, lower = alternative != "less", alternative != "greater"
    if sizes[0] > sizes[1]:
        # Mirrored: the walk keeps one entry per model of its first sample, so the smaller goes first.
        sizes, upper, lower = sizes[::-1], lower, upper
    return _walk(sizes, ends, gap, upper=upper, lower=lower)


def _walk(sizes: tuple[int, int], ends: Ints, gap: int, *, upper: bool, lower: bool) -> float:
    """Chance to reach the gap above, where `upper`, or below, where `lower`."""
    n, m = sizes
    total = n + m
    chance = np.zeros(n + 2)
    chance[0] = 1.0
    # Numbers of a's that some path still inside can have, and chances left to step for a or for b.
    low, high, left = 0, 0, 0.0
    remaining_a = np.arange(n, -2.0, -1.0)
    done = 0
    for end in ends.tolist():
        for seen in range(done, end):
            here = chance[low : high + 1]
            up = here * (remaining_a[low : high + 1] / (total - seen))
            here *= (m - seen + np.arange(low, high + 1)) / (total - seen)
            chance[low + 1 : high + 2] += up
            high = min(high + 1, n)
        done = end
        # a's and b's at `end`: the gap i m - (end - i) n = i total - end n stays below `gap` inside.
        top = (end * n + gap - 1) // total if upper else high
        bottom = (end * n - gap) // total + 1 if lower else low
        if top < high:
            left += chance[max(top + 1, low) : high + 1].sum()
            chance[max(top + 1, low) : high + 1] = 0.0
            high = top
        if bottom > low:
            left += chance[low : min(bottom, high + 1)].sum()
            chance[low : min(bottom, high + 1)] = 0.0
            low = bottom
        if low > high:
            break
    return min(float(left), 1.0)
