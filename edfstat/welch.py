"""Difference of two independent estimates with standard errors: Student's t with Welch and Satterthwaite's freedom."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimates", "welch_difference"]

Floats = NDArray[np.float64]


class Estimates(NamedTuple):
    """Estimates of one side, their standard errors and degrees of freedom, of one shape."""

    value: Floats
    se: Floats
    df: Floats


class Difference(NamedTuple):
    """First less second: value, standard error, degrees of freedom and bounds, NaN where no spread was seen."""

    value: Floats
    se: Floats
    df: Floats
    lower: Floats
    upper: Floats


def welch_difference(first: Estimates, second: Estimates, level: float) -> Difference:
    """Interval of the difference of two areas, which lies between -1 and 1.

    Without any spread there is no interval: that none was seen does not make the difference exact. A side without
    spread has no degrees of freedom, and no variance to weigh them by.

    Examples
    --------
    >>> two = (Estimates(np.array(value), np.array(0.1), np.array(9.0)) for value in (0.5, 0.25))
    >>> found = welch_difference(*two, level=0.95)
    >>> float(found.value), float(found.df), float(found.lower.round(3))
    (0.25, 18.0, -0.047)
    """
    from scipy.special import stdtrit

    value = first.value - second.value
    variances = first.se**2, second.se**2
    total = variances[0] + variances[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(part != 0, part**2 / side.df, 0.0) for part, side in zip(variances, (first, second))]
        df = total**2 / (parts[0] + parts[1])
    se = np.sqrt(total)
    reach = stdtrit(df, (1 + level) / 2) * se
    return Difference(value, se, df, np.maximum(value - reach, -1.0), np.minimum(value + reach, 1.0))
