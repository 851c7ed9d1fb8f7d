"""Sums over sorted arrays: no labels, no checks of input, no I/O.

Everything about a weighted sample that does not depend on its order is in its **atoms**: the distinct
errors and what lies at, up to and beyond each. They are found by one sort (or one count, where errors lie on
a grid of 0.01) and serve every statistic, so none sorts a second time:

- `Atoms.support`: distinct errors of positive weight, ascending; +inf may be the last.
- `Atoms.mass`: share of the weight at each, sum 1.
- `Atoms.forward`: F, share at or below each; the last is exactly 1.
- `Atoms.tail`: S = 1 - F, share above each; the last is exactly 0.

F is exact to rounding relative to itself where it is small, and S where S is small: each is summed from its
own end. An `edfstat.EDF` has the same four arrays as `support`, `mass`, `probabilities` and `tail`, and
``edf(F)`` of an EDF returns it unchanged, so whoever has an EDF needs no second sort.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edfstat.counting import count_on_grid
from edfstat.ordering import sorted_order

__all__ = [
    "SLACK",
    "Atoms",
    "area_below",
    "atoms",
    "atoms_of_counts",
    "atoms_of_masses",
    "cumulate",
    "effective_size",
    "merge_ties",
    "step_values",
]

Floats = NDArray[np.float64]

#: Shares and statistics this close are equal: only rounding keeps them apart, as 0.1 + 0.2 and 0.3.
SLACK = 1e-12


class Atoms(NamedTuple):
    """A discrete distribution: distinct values, and the mass at, up to and beyond each."""

    support: Floats
    mass: Floats
    forward: Floats
    tail: Floats


def atoms(errors: Floats, weights: Floats | None) -> Atoms:
    """Atoms of a sample; `weights` with sum 1, or None for equal weights (then F is a rounded fraction)."""
    if weights is None:
        return atoms_of_counts(*_count_ties(errors))
    return atoms_of_masses(*merge_ties(errors, weights))


def atoms_of_counts(support: Floats, counts: NDArray[np.int64]) -> Atoms:
    """Atoms of distinct ascending values with the whole number of models at each."""
    reached = np.cumsum(counts)
    n = reached[-1]
    return Atoms(support, counts / n, reached / n, (n - reached) / n)


def atoms_of_masses(support: Floats, mass: Floats) -> Atoms:
    """Atoms of distinct ascending values with their masses (sum 1)."""
    return Atoms(support, mass, *cumulate(mass))


def merge_ties(errors: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Distinct values ascending, and the weight at each; values of weight zero are left out."""
    if weights.min() == 0:
        positive = weights > 0
        errors, weights = errors[positive], weights[positive]
    counted = count_on_grid(errors, weights)
    if counted is not None:
        return counted
    order, values = sorted_order(errors)
    mass = weights[order]
    del order
    first = _first_of_ties(values)
    if first.all():
        return values, mass
    starts = np.flatnonzero(first)
    return values[starts], np.add.reduceat(mass, starts)


def _count_ties(errors: Floats) -> tuple[Floats, NDArray[np.int64]]:
    counted = count_on_grid(errors, None)
    if counted is not None:
        return counted[0], counted[1].astype(np.int64)
    values = np.sort(errors)
    starts = np.flatnonzero(_first_of_ties(values))
    return values[starts], np.diff(starts, append=values.size)


def _first_of_ties(values: Floats) -> NDArray[np.bool_]:
    first = np.empty(values.size, dtype=bool)
    first[0] = True
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return first


def cumulate(mass: Floats) -> tuple[Floats, Floats]:
    """Forward sums F and what is left beyond, S = 1 - F, each accurate relative to itself where small."""
    forward = np.cumsum(mass)
    tail = np.empty_like(forward)
    half = int(np.searchsorted(forward, 0.5 * forward[-1]))
    # From the median on, sum S from the far end and take F = 1 - S; below it the other way round.
    tail[-1] = 0.0
    np.cumsum(mass[:half:-1], out=tail[half:-1][::-1])
    np.subtract(1.0, tail[half:], out=forward[half:])
    np.subtract(1.0, forward[:half], out=tail[:half])
    if half:
        # The two ends can disagree by rounding where they meet.
        np.maximum(forward[half:], forward[half - 1], out=forward[half:])
        np.maximum(tail[:half], tail[half], out=tail[:half])
    return forward, tail


def effective_size(weights: Floats | None, n: int) -> float:
    """Kish's effective sample size (sum w)^2 / sum w^2 of weights with sum 1, n for equal weights."""
    return float(n) if weights is None else float(min(1.0 / np.dot(weights, weights), n))


def step_values(support: Floats, levels: Floats, at: Floats, side: str, before: float = 0.0) -> Floats:
    """Values of the step function that takes `levels` from each of `support` on, and `before` below all.

    `side` is "right" where a step counts at its own value, "left" where it counts only beyond.
    """
    place = np.searchsorted(support, at, side="right" if side == "right" else "left")
    values: Floats = np.where(place > 0, levels[np.maximum(place - 1, 0)], before)
    return values


def area_below(support: Floats, forward: Floats) -> Floats:
    """Area under F from the first atom up to each atom: a sum of terms that are not negative."""
    area = np.empty_like(support)
    area[0] = 0.0
    np.subtract(support[1:], support[:-1], out=area[1:])
    area[1:] *= forward[:-1]
    return np.cumsum(area, out=area)
