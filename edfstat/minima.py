"""The law of the best of m draws, from the stored atoms of a population: arrays in, arrays out.

The best of m draws lies above atom k with chance S_k^m, where S_k is the mass above the atom. S_k is near 1 where it
matters, so its power goes through log1p(-F_k), and masses of the best are products, not differences: 1 - cumsum
raised to the millionth power loses five digits. A size m needs only the atoms with F below about 41/m, so a whole
curve of sizes 1, 2, 4, .. costs a few passes over the atoms, and the squaring of one size serves the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edfstat.distributions import EDF
from edfstat.kernels import SLACK, step_values

__all__ = [
    "Moments",
    "best_law",
    "best_moments",
    "best_quantiles",
    "left_out_survival",
    "log_survival",
    "moments_without_replacement",
    "reach",
    "survival_at",
]

Floats = NDArray[np.float64]

#: exp(-NEGLIGIBLE) is about 1e-18: survival below it adds nothing to a sum of doubles.
NEGLIGIBLE = 41.5
#: Every squaring doubles the relative error of a power: when the size has grown so many times, powers are taken from
#: logarithms again.
_FRESH = 256
#: Atoms per block: the arrays of one block stay in the processor's cache while all sizes are done.
_BLOCK = 1 << 14


class Moments(NamedTuple):
    """Mean and standard deviation of the best error, and 1 / sum of squared masses, for each size."""

    mean: Floats
    std: Floats
    support: Floats


def log_survival(edf: EDF, first: int = 0, last: int | None = None) -> Floats:
    """Logarithm of the mass above each atom, relatively accurate at both ends."""
    below, above = edf.probabilities[first:last], edf.tail[first:last]
    middle = int(np.searchsorted(below, 0.5))
    with np.errstate(divide="ignore"):
        return np.concatenate((np.log1p(-below[:middle]), np.log(above[middle:])))


def reach(edf: EDF, m: float) -> int:
    """Number of atoms that can matter to the best of m draws; small populations are taken whole."""
    size = edf.support.size
    if m <= 1 or size <= 4096:
        return size
    limit = -np.expm1(-NEGLIGIBLE / m)
    return min(max(int(np.searchsorted(edf.probabilities, limit)) + 1, 4096), size)


def best_moments(edf: EDF, sizes: Floats) -> Moments:
    """Moments of the best of m draws with replacement for each m of `sizes`, ascending and distinct.

    Masses at +inf make the mean infinite and the standard deviation undefined, however small they are.
    """
    reached = np.array([reach(edf, m) for m in sizes])
    sums = _BlockSums(sizes.size)
    for first in range(0, edf.support.size, _BLOCK):
        # Atoms that no size reaches are never looked at; larger sizes stop first.
        active = int(np.searchsorted(-reached, -first))
        if active == 0:
            break
        _add_block(sums, edf, first, sizes[:active])
    mean = sums.mean
    std = np.sqrt(sums.square)
    support = 1 / np.maximum(sums.squared_masses, np.finfo(float).tiny)
    if edf.support[-1] == np.inf:
        mean, std = np.full(sizes.size, np.inf), np.full(sizes.size, np.nan)
    return Moments(mean, std, support)


class _BlockSums:
    """Running mass, mean and centred square of each size's law, merged block by block (Chan et al.)."""

    def __init__(self, count: int) -> None:
        self.mass, self.mean, self.square = np.zeros(count), np.zeros(count), np.zeros(count)
        self.squared_masses = np.zeros(count)
        self.survival = np.ones(count)

    def add(self, row: int, values: Floats, masses: Floats) -> None:
        """Join one block of atoms, their values and masses, to the sums of one size."""
        weight = float(masses.sum())
        if weight <= 0:
            return
        origin = float(values[0])
        offset = values - origin
        inner = float(masses @ offset) / weight
        offset -= inner
        offset *= offset
        total = self.mass[row] + weight
        gap = origin + inner - self.mean[row] if self.mass[row] else 0.0
        self.mean[row] = self.mean[row] + gap * (weight / total) if self.mass[row] else origin + inner
        self.square[row] += float(masses @ offset) + gap * gap * (self.mass[row] * weight / total)
        self.squared_masses[row] += float(masses @ masses)
        self.mass[row] = total


def _add_block(sums: _BlockSums, edf: EDF, first: int, sizes: Floats) -> None:
    """Add one block of atoms to the sums of each of `sizes`, in ascending order."""
    last = min(first + _BLOCK, edf.support.size)
    values = edf.support[first:last]
    if values[-1] == np.inf:
        values = np.append(values[:-1], values[-2] if values.size > 1 else 0.0)
    before = edf.tail[first - 1] if first else 1.0
    above = np.append(before, edf.tail[first:last])
    logs = step = None
    power, masses, base, size = above, edf.mass[first:last], 1.0, 1.0
    for row, m in enumerate(sizes):
        if m == 2 * size and m < _FRESH * base:
            masses = masses * (power[:-1] + power[1:])
            power = power * power
        elif m != 1:
            if logs is None:
                logs = _logs_from(edf, first, last)
                step = _log_steps(edf.mass[first:last], above[:-1])
            fresh = np.exp(m * logs)
            masses = masses * (power[:-1] + power[1:]) if m == 2 * size else fresh[:-1] * -np.expm1(m * step)
            power, base = fresh, m
        size = m
        sums.add(row, values, masses)


def _logs_from(edf: EDF, first: int, last: int) -> Floats:
    """Logarithms of the survival at the atom before the block and at each of its own."""
    if first:
        return log_survival(edf, first - 1, last)
    return np.append(0.0, log_survival(edf, 0, last))


def _log_steps(mass: Floats, before: Floats) -> Floats:
    """Logarithm of S_k / S_{k-1} without the cancellation of a difference of logarithms."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps: Floats = np.log1p(-np.minimum(mass / before, 1.0))
    return np.nan_to_num(steps, nan=-np.inf, neginf=-np.inf)


def best_law(edf: EDF, m: float, *, replace: bool = True) -> tuple[Floats, Floats]:
    """Chance that the best of m draws lies above each atom that matters, and at it."""
    if not replace:
        survival = left_out_survival(_counts(edf), edf.n, int(m))
        return survival, -np.diff(survival, prepend=1.0)
    size = reach(edf, m)
    logs = _logs_from(edf, 0, size)
    power = np.exp(m * logs)
    before = np.append(1.0, edf.tail[: size - 1])
    return power[1:], power[:-1] * -np.expm1(m * _log_steps(edf.mass[:size], before))


def moments_without_replacement(edf: EDF, m: int) -> tuple[float, float, float]:
    """Mean, standard deviation and support of the best of m models drawn without replacement."""
    survival, masses = best_law(edf, m, replace=False)
    values, support = edf.support, 1 / float(masses @ masses)
    if values[-1] == np.inf:
        failed = edf.n - int(_counts(edf)[-2]) if values.size > 1 else edf.n
        if failed >= m:
            return np.inf, np.nan, support
        values, survival, masses = values[:-1], survival[:-1], masses[:-1]
    centre = float(np.diff(values) @ survival[:-1])
    square = float(masses @ (values - values[0] - centre) ** 2)
    return float(values[0]) + centre, float(np.sqrt(square)), support


def _counts(edf: EDF) -> NDArray[np.int64]:
    """Models at or below each atom, for equal weights."""
    return np.rint(edf.probabilities * edf.n).astype(np.int64)


def left_out_survival(counts: NDArray[np.int64], n: int, m: int) -> Floats:
    """C(n - count, m) / C(n, m): chance that m of n models, drawn without replacement, leave out the best `count`.

    Of the two products that the ratio equals, the one with fewer factors is taken.
    """
    if m <= 64:
        survival = np.ones(counts.size)
        for drawn in range(m):
            survival *= np.maximum(n - counts - drawn, 0) / (n - drawn)
        return survival
    # Model by model, best first: each is left out with chance 1 - m / (models not yet passed).
    last = min(int(NEGLIGIBLE * n / m) + 4096, n - m, int(counts[-1]))
    logs = np.zeros(last + 1)
    np.cumsum(np.log1p(-m / (n - np.arange(last, dtype=np.float64))), out=logs[1:])
    survival = np.zeros(counts.size)
    kept = int(np.searchsorted(counts, last, side="right"))
    survival[:kept] = np.exp(logs[counts[:kept]])
    return survival


def best_quantiles(edf: EDF, m: float, q: Floats, *, replace: bool = True) -> Floats:
    """First atom v with P(best of m <= v) >= q, with slack `SLACK` except at q = 1, which is the worst possible."""
    limit = np.where(q == 1, 1.0, q - SLACK)
    if replace:
        with np.errstate(divide="ignore"):
            place = np.searchsorted(edf.probabilities, -np.expm1(np.log1p(-limit) / m))
        place[q == 1] = edf.support.size - 1
    else:
        survival = left_out_survival(_counts(edf), edf.n, int(m))
        place = np.searchsorted(-survival, -(1 - limit))
    found: Floats = edf.support[np.minimum(place, edf.support.size - 1)]
    return found


def survival_at(edf: EDF, survival: Floats, points: Floats) -> Floats:
    """Chance that the best lies above each point, from its survival at the first atoms of an EDF."""
    return step_values(edf.support[: survival.size], survival, points, "right", before=1.0)
