"""Distance between two populations in error points: the area between their EDFs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edfstat.distributions import EDF, edf
from edfstat.errors import InputError
from edfstat.kernels import step_values
from edfstat.labels import ArrayLike

__all__ = ["wasserstein"]

Floats = NDArray[np.float64]


def wasserstein(
    a: ArrayLike | EDF,
    b: ArrayLike | EDF,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
) -> float:
    """Wasserstein-1 distance: the area between two EDFs.

    Parameters
    ----------
    a, b : array_like, DataArray or EDF, shape (n,)
        Error of each model of a population, in percent, or its stored `EDF`; +inf for a failed model.
    weights_a, weights_b : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: equal.

    Returns
    -------
    float
        In error points. Infinite if the populations differ in their share of failed models.

    Raises
    ------
    InputError
        If an error is NaN or -inf, or weights are negative, not finite, all zero or not one per model.

    Notes
    -----
    W = int |F_a(e) - F_b(e)| de: how far, on average, errors must move to turn one population into the
    other. An `EDF` is not sorted again.

    Examples
    --------
    >>> wasserstein([5.0, 7.0], [6.0, 9.0])
    1.5
    """
    f, g = as_edf(a, weights_a, "a"), as_edf(b, weights_b, "b")
    support = np.union1d(f.support, g.support)
    gap = np.abs(
        step_values(f.support, f.probabilities, support, "right")
        - step_values(g.support, g.probabilities, support, "right")
    )
    if np.isinf(support[-1]):
        if support.size == 1:
            return 0.0
        if gap[-2] > 1e-12:
            return math.inf
        support, gap = support[:-1], gap[:-1]
    return float(np.dot(gap[:-1], np.diff(support)))


def as_edf(sample: ArrayLike | EDF, weights: ArrayLike | None, name: str) -> EDF:
    """The EDF of a sample; its errors are about argument `name`."""
    try:
        return edf(sample, weights)
    except InputError as error:
        text = str(error)
        for argument in ("weights", "error"):
            if text.startswith(argument):
                named = f"weights_{name}" if argument == "weights" else name
                raise type(error)(named + text.removeprefix(argument)) from None
        raise
