"""How many models: how far an EDF of n models is from the truth, and how many tell two spaces apart."""

from __future__ import annotations

import math

import numpy as np

from edfstat.errors import InputError

__all__ = ["expected_ks", "sample_size", "sample_size_auc"]


def sample_size(difference: float, *, power: float = 0.8, level: float = 0.05) -> int:
    """Models per space that suffice to find a difference D between two EDFs by a KS test.

    Parameters
    ----------
    difference : float
        Largest gap between the two true EDFs, above 0 up to 1.
    power : float, default 0.8
        Wanted chance that the test finds it.
    level : float, default 0.05
        Size of the two-sided test.

    Returns
    -------
    int
        Models of each space; with weights, effective ones: divide by effective_n / n of a pilot sample.

    Raises
    ------
    InputError
        If a value is out of its range.

    Notes
    -----
    n = ((c sqrt 2 + z_power sqrt((1 - D^2)/2)) / D)^2 with c = sqrt(-ln(level/2)/2): the critical value of
    the statistic, plus the largest standard error that the gap at one error can have. Sufficient for any
    shape of the EDFs, so conservative: the real power is higher.

    Examples
    --------
    >>> sample_size(0.1)
    632
    """
    from scipy.special import ndtri

    if not 0 < difference <= 1:
        raise InputError(f"difference is {difference}; give a gap between EDFs above 0 and at most 1")
    _check_design(power, level)
    critical = math.sqrt(-math.log(level / 2) / 2) * math.sqrt(2)
    spread = float(ndtri(power)) * math.sqrt((1 - difference**2) / 2)
    return max(1, math.ceil((max(critical + spread, 0.0) / difference) ** 2))


def sample_size_auc(difference: float, std_a: float, std_b: float, *, power: float = 0.8, level: float = 0.05) -> int:
    """Models per space that suffice to find a difference between two areas under the EDF.

    Parameters
    ----------
    difference : float
        Difference of the two areas (`edfstat.auc`), not 0.
    std_a, std_b : float
        Standard deviation of 1 - min(1, error/eps) over the models of each space, from a pilot sample.
    power : float, default 0.8
        Wanted chance that the test finds it.
    level : float, default 0.05
        Size of the two-sided test.

    Returns
    -------
    int
        Models of each space; with weights, effective ones.

    Raises
    ------
    InputError
        If a value is out of its range.

    Notes
    -----
    n = (z_{1 - level/2} + z_power)^2 (s_a^2 + s_b^2) / d^2, as for any two means.

    Examples
    --------
    >>> sample_size_auc(0.02, 0.1, 0.1)
    393
    """
    from scipy.special import ndtri

    if not (math.isfinite(difference) and difference != 0):
        raise InputError(f"difference is {difference}; give a difference of areas other than 0")
    for name, std in (("std_a", std_a), ("std_b", std_b)):
        if not (math.isfinite(std) and std >= 0):
            raise InputError(f"{name} is {std}; give a standard deviation of at least 0")
    _check_design(power, level)
    reach = max(float(ndtri(1 - level / 2) + ndtri(power)), 0.0)
    return max(1, math.ceil(reach**2 * (std_a**2 + std_b**2) / difference**2))


def _check_design(power: float, level: float) -> None:
    for name, value in (("power", power), ("level", level)):
        if not 0 < value < 1:
            raise InputError(f"{name} is {value}; give a chance above 0 and below 1")
