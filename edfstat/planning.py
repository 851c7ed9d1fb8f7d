"""How many models: how far an EDF of n models is from the truth, and how many tell two spaces apart."""

from __future__ import annotations

import math
from typing import Any

from edfstat.arguments import number
from edfstat.errors import InputError
from edfstat.gap_laws import one_sample_moments, two_sample_moments

__all__ = ["expected_ks", "sample_size", "sample_size_auc"]


def expected_ks(n: float, *, population: float | None = None, other: float | None = None) -> tuple[float, float]:
    """Mean and standard deviation of the KS statistic of n models, in place of repeated subsampling.

    Parameters
    ----------
    n : int or float
        Models drawn, at least 1; with weights, the effective number.
    population : int, optional
        Size N of a finite population without ties, from which the n are drawn without replacement; D is
        then between sample and population. Default: an unlimited population.
    other : int or float, optional
        Size M of a second sample; D is then between the two samples.

    Returns
    -------
    mean, std : float

    Raises
    ------
    InputError
        If a size is below 1 or a sample is larger than the population.

    See Also
    --------
    sample_size : Models needed to find a difference.
    plot.ks_vs_sample_size : Drawn.

    Notes
    -----
    Unlimited population: the exact law of D for n draws, integrated; near .8687/sqrt(n), as sqrt(n) D tends
    to Kolmogorov's law, of mean sqrt(pi/2) ln 2 and standard deviation .2603. Finite population: D(sample,
    population) = (1 - n/N) D(sample, complement), whose law is the exact two-sample one. Two samples: the
    exact two-sample law. Exact two-sample laws of large samples give way to Kolmogorov's with Hodges'
    correction where they would take a second or more; the mean is then within 0.1 % and the std within 1 %.
    Two samples that are drawn from one finite population independently of each other have no simple law. The result
    is then that of two samples from an unlimited one, times sqrt((1/n + 1/M - 2/N) / (1/n + 1/M)), which is right in
    the limit: the mean is 4 % too high for 3 and 4 of 8 models and 1 % for 50 and 100 of 150, and the std of single
    models is a sixth too low. Ties only lower D.

    Examples
    --------
    >>> mean, std = expected_ks(100)
    >>> round(mean, 4), round(std, 4)
    (0.0852, 0.026)
    >>> round(expected_ks(100, population=25_000)[0], 3)
    0.085
    """
    n = _size(n, "n")
    other = None if other is None else _size(other, "other")
    if population is None:
        return one_sample_moments(n) if other is None else two_sample_moments(n, other)
    population = _size(population, "population")
    for name, size in (("n", n), ("other", other)):
        if size is not None and size > population:
            raise InputError(f"{name} is {size:.15g} of a population of {population:.15g}; draw at most that many")
    if math.isinf(population):
        return expected_ks(n, other=other)
    if other is None or population in (n, other):
        return _against_the_whole(n if other in (None, population) else other, population)
    return _two_of_one_population(n, other, population)


def _against_the_whole(n: float, population: float) -> tuple[float, float]:
    """A sample without replacement against all: as against its complement, nearer by 1 - n/N."""
    if n == population:
        return 0.0, 0.0
    mean, std = two_sample_moments(n, population - n)
    return (1 - n / population) * mean, (1 - n / population) * std


def _two_of_one_population(n: float, other: float, population: float) -> tuple[float, float]:
    """Two samples that may share models."""
    if n == other == 1:
        # The gap is 1 but where both drew the same model, which the law of two samples knows nothing of.
        return 1 - 1 / population, math.sqrt((1 - 1 / population) / population)
    mean, std = two_sample_moments(n, other)
    apart = 1 / n + 1 / other
    nearer = math.sqrt((apart - 2 / population) / apart)
    return nearer * mean, nearer * std


def _size(value: Any, name: str) -> float:
    return number(value, name, "give a number of models of at least 1", accept=lambda x: x >= 1)


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

    See Also
    --------
    sample_size_auc : By the difference of two areas.
    expected_ks : The gap that chance alone makes.

    Notes
    -----
    n = ((c sqrt 2 + z_power sqrt((1 - D^2)/2)) / D)^2 with c = sqrt(-ln(level/2)/2): the critical value of
    the statistic, plus the largest standard error that the gap at one error can have. Sufficient for any
    shape of the EDFs, so conservative: the real power is higher. It rests on the normal approximation, which can
    promise too much below about 20 models: for a gap of 0.85 it names 7, whose power is 0.77 to 0.78 instead of 0.8.

    Examples
    --------
    >>> sample_size(0.1)
    632
    """
    from scipy.special import ndtri

    remedy = "give a gap between EDFs above 0 and at most 1"
    difference = number(difference, "difference", remedy, accept=lambda x: 0 < x <= 1)
    power, level = _chance(power, "power"), _chance(level, "level")
    critical = math.sqrt(-math.log(level / 2) / 2) * math.sqrt(2)
    spread = float(ndtri(power)) * math.sqrt((1 - difference**2) / 2)
    return _whole_models(max(critical + spread, 0.0) / difference)


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

    See Also
    --------
    sample_size : By the largest gap between two EDFs.
    auc_difference : The difference itself.

    Notes
    -----
    n = (z_{1 - level/2} + z_power)^2 (s_a^2 + s_b^2) / d^2, as for any two means.

    Examples
    --------
    >>> sample_size_auc(0.02, 0.1, 0.1)
    393
    """
    from scipy.special import ndtri

    remedy = "give a difference of areas other than 0"
    difference = number(difference, "difference", remedy, accept=lambda x: x != 0 and math.isfinite(x))
    std_a, std_b = _deviation(std_a, "std_a"), _deviation(std_b, "std_b")
    power, level = _chance(power, "power"), _chance(level, "level")
    reach = max(float(ndtri(1 - level / 2) + ndtri(power)), 0.0)
    return _whole_models(reach * math.hypot(std_a, std_b) / abs(difference))


def _whole_models(root: float) -> int:
    """The square of `root`, rounded up to a number of models."""
    if root > 1e150:
        raise InputError("difference is so small that no number of models finds it; give a larger one")
    return max(1, math.ceil(root**2))


def _deviation(value: Any, name: str) -> float:
    return number(value, name, "give a standard deviation of at least 0", accept=lambda x: 0 <= x < math.inf)


def _chance(value: Any, name: str) -> float:
    return number(value, name, "give a chance above 0 and below 1", accept=lambda x: 0 < x < 1)
