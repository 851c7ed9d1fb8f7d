"""Areas under one EDF and what each stratum adds to their variance, at one eps or, by running sums, at many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edfstat.area_bands import influence
from edfstat.kernels import SLACK

__all__ = ["Spread", "area_spreads", "scores"]

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


class Spread(NamedTuple):
    """An area, and what each stratum adds to its variance."""

    area: float
    variances: Floats


def scores(errors: Floats, upto: float) -> Floats:
    """1 - min(1, error / upto) of each model; the minimum comes first, so that no tiny `upto` overflows."""
    return 1 - np.minimum(errors, upto) / upto


def area_spreads(
    errors: Floats, weights: Floats, codes: Codes, size: Codes, eps: Floats, times: Floats | None = None
) -> Iterable[Spread]:
    """The spread at each eps.

    Parameters
    ----------
    errors, weights, codes : ndarray, shape (n,)
        Of each model; weights sum to 1, strata are numbered from 0.
    size : ndarray, shape (k,)
        Models of each stratum.
    eps : ndarray, shape (m,)
        In any order.
    times : ndarray, shape (n,), optional
        How many equal models each row stands for; then these alone are its weight.
    """
    if times is not None:
        return _of_equals(errors, codes, size, eps, np.full(size.size, 1 / times.sum()), times)
    # One pass over the models for all eps pays where there are several, and more models than sums to keep.
    if 3 < eps.size < errors.size / size.size:
        shared = np.zeros(size.size)
        shared[codes] = weights
        if (shared[codes] == weights).all():
            return _of_equals(errors, codes, size, eps, shared)
        if size.size == 1:
            return _of_unequals(errors, weights, eps)
    return _one_by_one(errors, weights, codes, size, eps)


def _one_by_one(errors: Floats, weights: Floats, codes: Codes, size: Codes, eps: Floats) -> Iterable[Spread]:
    used = weights > 0
    low, high = _extremes(errors[used], codes[used], size.size)
    lightest, heaviest = _extremes(weights, codes, size.size)
    alike = heaviest - lightest <= SLACK * heaviest
    for upto in eps.tolist():
        g = scores(errors, upto)
        area = float(weights @ g)
        if area > 0.5:  # what is left to 1 keeps the digits that 1 less it would lose
            g = -np.minimum(errors, upto) / upto
        squares = influence(g, float(weights @ g), weights, codes, size) ** 2
        variances = np.bincount(codes, squares, minlength=size.size).astype(np.float64)
        # What rounding leaves is no spread, where models of a stratum weigh the same, or all models have one value.
        worst, best = scores(high, upto), scores(low, upto)
        variances[(worst >= best) & (alike | (np.abs(worst - area) < SLACK))] = 0.0
        yield Spread(area, variances)


def _of_equals(
    errors: Floats, codes: Codes, size: Floats | Codes, eps: Floats, shared: Floats, times: Floats | None = None
) -> list[Spread]:
    """The same where models of a stratum weigh the same, `shared` each, by sums over the errors between successive eps.

    With `times` each row stands for so many models.

    Errors are taken from the lowest of their stratum, as shares of the current eps, and sums of squares about the mean
    of what they add: no difference of large numbers costs digits, and no square leaves the range of floats.
    """
    order = np.argsort(eps)
    low, high = _extremes(errors, codes, size.size)
    base = np.where(np.isfinite(low), low, 0.0)
    number, mean, square = _cells(errors, times, codes, eps[order], base)
    found = [Spread(0.0, low)] * eps.size
    n, center, spread = np.zeros((3, size.size))
    before = 0.0
    for place, i in enumerate(order):
        upto = float(eps[i])
        center, spread = center * (before / upto), spread * (before / upto) ** 2
        more, step = number[:, place], mean[:, place] - center
        total = np.maximum(n + more, 1)
        spread = spread + square[:, place] + step**2 * n * more / total
        center = center + step * more / total
        n, before = n + more, upto
        gap = (upto - np.minimum(base, upto)) / upto - center
        squares = spread + n * (size - n) / size * gap**2
        squares[np.minimum(low, upto) == np.minimum(high, upto)] = 0.0  # as in `_one_by_one`
        found[i] = Spread(float(shared @ (n * gap)), shared**2 * size / np.maximum(size - 1, 1) * squares)
    return found


def _of_unequals(errors: Floats, weights: Floats, eps: Floats) -> list[Spread]:
    """The same for one stratum of unequal weights: sum of w^2 (g - area)^2, from sums weighted by w and by w^2.

    With G1 and G2 the means of g, below eps, by w and by w^2, it is Q2 + P2 (G2 - area)^2 below, Q2 being the sum of
    w^2 (g - G2)^2, and area^2 times the sum of w^2 above: terms that are not negative. G2 - area is taken as
    (G2 - G1) + (weight above) G1.
    """
    n, order = errors.size, np.argsort(eps)
    used = weights > 0
    errors, weights = errors[used], weights[used]
    low, high = float(errors.min()), float(errors.max())
    base = np.array([low if np.isfinite(low) else 0.0])
    one = np.zeros(errors.size, dtype=np.intp)
    mass, mean, _ = (part[0] for part in _cells(errors, weights, one, eps[order], base))
    heft, middle, square = (part[0] for part in _cells(errors, weights**2, one, eps[order], base))
    mass_above, heft_above = (_above(errors, part, eps[order]) for part in (weights, weights**2))
    found = [Spread(0.0, base)] * eps.size
    held = center = held_square = middle_square = spread = before = 0.0
    for place, i in enumerate(order):
        upto = float(eps[i])
        ratio, before = before / upto, upto
        held, center, _ = _merged(held, center * ratio, mass[place], mean[place])
        held_square, middle_square, more = _merged(held_square, middle_square * ratio, heft[place], middle[place])
        spread = spread * ratio**2 + (square[place] + more)
        gap = (upto - min(base[0], upto)) / upto - center
        area = held * gap
        off = (center - middle_square) + mass_above[place] * gap
        squares = spread + held_square * off**2 + heft_above[place] * area**2
        if min(low, upto) == min(high, upto):  # as in `_one_by_one`
            squares = 0.0
        found[i] = Spread(float(area), np.array([n / max(n - 1, 1) * squares]))
    return found


def _merged(held: float, center: float, more: float, at: float) -> tuple[float, float, float]:
    """Weight and mean of `held` at `center` with `more` at `at`, and what their distance adds to the squares."""
    total, step = held + more, at - center
    share = more / total if total > 0 else 0.0
    return total, center + step * share, step**2 * held * share


def _cells(
    errors: Floats, weights: Floats | None, codes: Codes, eps: Floats, base: Floats
) -> tuple[Floats, Floats, Floats]:
    """Weight, mean above `base` and sum of squares of the errors from one eps up to the next, by stratum and eps.

    Errors and their squares are in units of the eps that they lie below; without weights each error counts 1.
    """
    step = np.searchsorted(eps, errors, side="right")
    below = step < eps.size
    codes, step = codes[below], step[below]
    cell, above = codes * eps.size + step, (errors[below] - base[codes]) / eps[step]
    w = np.ones(above.size) if weights is None else weights[below]
    count = base.size * eps.size
    total = np.bincount(cell, w, minlength=count).astype(np.float64)
    mean = _means(cell, w, above, total)
    rest = above - mean[cell]
    shift = _means(cell, w, rest, total)
    square = np.bincount(cell, w * (rest - shift[cell]) ** 2, minlength=count).astype(np.float64)
    shape = base.size, eps.size
    return total.reshape(shape), (mean + shift).reshape(shape), square.reshape(shape)


def _means(cell: Codes, w: Floats, values: Floats, total: Floats) -> Floats:
    sums = np.bincount(cell, w * values, minlength=total.size)
    found: Floats = np.divide(sums, total, out=np.zeros(total.size), where=total > 0)
    return found


def _above(errors: Floats, weights: Floats, eps: Floats) -> Floats:
    """Weight at or above each eps, summed from the far end."""
    step = np.searchsorted(eps, errors, side="right")
    held = np.bincount(step, weights, minlength=eps.size + 1).astype(np.float64)
    return np.cumsum(held[::-1])[::-1][1:]


def _extremes(values: Floats, codes: Codes, k: int) -> tuple[Floats, Floats]:
    """Lowest and highest value in each of k strata."""
    low, high = np.full(k, np.inf), np.full(k, -np.inf)
    np.minimum.at(low, codes, values)
    np.maximum.at(high, codes, values)
    return low, high
