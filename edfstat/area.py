"""Area under an EDF up to an error eps, with standard errors and intervals."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat import kernels
from edfstat.area_bands import influence, path_length, simultaneous_critical
from edfstat.area_spreads import area_spreads, scores
from edfstat.arguments import area_ends, choice, confidence_level, flag
from edfstat.distributions import edf
from edfstat.errors import InputError
from edfstat.labels import (
    ArrayLike,
    WeightKind,
    as_errors,
    as_strata,
    as_weights,
    coded,
    each_weight,
    frequencies,
    same_models,
)
from edfstat.welch import Estimates, welch_difference

__all__ = ["auc", "auc_difference"]

Floats = NDArray[np.float64]

#: The band of a difference is given where at least so many effective models of each population lie below eps.
_FEWEST = 5
_TOO_FEW = f"fewer than {_FEWEST} effective models of a population lie below eps"


def auc(
    error: ArrayLike,
    eps: ArrayLike | float,
    weights: ArrayLike | None = None,
    *,
    strata: ArrayLike | None = None,
    level: float | None = None,
    kind: WeightKind = "design",
) -> Any:
    """Area under the EDF of errors up to eps, as a share of eps: higher is better.

    Parameters
    ----------
    error : array_like or DataArray, shape (n,)
        Error of each model, percent; +inf for a model that failed.
    eps : float or array_like, shape (m,)
        Error up to which to integrate, above 0, in the unit of `error`.
    weights : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: 1/n each.
    strata : array_like or DataArray, shape (n,), optional
        Label of the complexity bin of each model: variances are then taken within bins.
    level : float, optional
        Confidence level; with it the result is a Dataset with standard errors and bounds.
    kind : {"design", "frequency"}
        What weights are: shares of the population, or whole numbers of equal models that one row stands for.

    Returns
    -------
    float, ndarray, DataArray or Dataset
        A float for scalar `eps`, an array for an array; with `level` a Dataset over ``eps`` with `auc`,
        `se`, `lower`, `upper`, `df`, and `reason` where an interval is not defined (its bounds are NaN).

    Raises
    ------
    InputError
        If `eps` is not above 0 and finite, `level` is not between 0 and 1, or errors or weights are not valid.

    See Also
    --------
    auc_difference : Of two populations.
    plot.auc_vs_eps : How it depends on eps.

    Notes
    -----
    AUC = (1/eps) int_0^eps F = 1 - sum_i w_i min(1, e_i / eps), eq. 5 [1]_, is the weighted mean of
    g_i = 1 - min(1, e_i / eps). Its variance is n/(n-1) sum_i w_i^2 (g_i - gbar)^2, n counting every model
    given; with strata it is the same sum within each, sum_j W_j^2 s_j^2 / m_j for equal weights in a stratum.
    Bounds are of logit(AUC) by Student's t with n - 1 degrees of freedom, with strata Satterthwaite's.

    References
    ----------
    .. [1] Radosavovic et al., On Network Design Spaces for Visual Recognition, ICCV 2019, arXiv:1905.13214.

    Examples
    --------
    >>> auc([5.0, 7.0, 9.0, 12.0], eps=10.0)
    0.225
    """
    choice(kind, "kind", ("design", "frequency"), "give 'design' or 'frequency'")
    same_models(error=error, weights=weights, strata=strata)
    errors = as_errors(error)
    if level is None:
        return edf(errors, weights, kind=kind).auc(eps)
    sample = _checked(errors, weights, strata) if kind == "design" else _counted(errors, weights, strata)
    return _table(sample, eps, confidence_level(level))


class _Sample(NamedTuple):
    """Errors with weights that sum to 1, and the stratum of each model."""

    errors: Floats
    weights: Floats
    codes: NDArray[np.intp]
    labels: NDArray[Any]
    effective_n: float
    times: Floats | None = None

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Models of each stratum."""
        return np.bincount(self.codes, self.times, minlength=self.labels.size).astype(np.intp)


def _checked(error: Any, weights: Any, strata: Any, suffix: str = "") -> _Sample:
    """A sample; messages name arguments that end in `suffix`."""
    same_models(**{"error" + suffix: error, "weights" + suffix: weights, "strata" + suffix: strata})
    errors = as_errors(error, "error" + suffix)
    size = errors.size
    normalised = as_weights(weights, size, "weights" + suffix)
    effective = kernels.effective_size(normalised, size)
    w = each_weight(normalised, size)
    if strata is None:
        return _Sample(errors, w, np.zeros(size, dtype=np.intp), np.array([""]), effective)
    name = "strata" + suffix
    labels, codes = coded(as_strata(strata, name, length=size, weights=normalised), name)
    return _Sample(errors, w, codes, labels, effective)


def _counted(errors: Floats, weights: Any, strata: Any) -> _Sample:
    """A sample of which each row stands for as many equal models as its weight says."""
    times = frequencies(weights, errors.size)
    kept = times > 0
    labels, codes = np.array([""]), np.zeros(int(kept.sum()), dtype=np.intp)
    if strata is not None:
        given = as_strata(strata, "strata", length=errors.size, weights=times.astype(np.float64))
        labels, codes = coded(given[kept], "strata")
    counts = times[kept].astype(np.float64)
    return _Sample(errors[kept], counts / counts.sum(), codes, labels, float(counts.sum()), counts)


def _table(sample: _Sample, eps: Any, level: float) -> xr.Dataset:
    at = _eps(eps, sample.errors)
    value, se, df, reason = _moments(sample, at.ravel())
    lower, upper = _logit_bounds(value, se, df, level)
    dims, coords = _over_eps(eps, at)
    columns = {"auc": value, "se": se, "lower": lower, "upper": upper, "df": df, "reason": reason}
    return xr.Dataset(
        {name: (dims, np.reshape(column, at.shape)) for name, column in columns.items()},
        coords=coords,
        attrs={"level": level, "method": "logit-t", "n": int(sample.sizes.sum()), "effective_n": sample.effective_n},
    )


def auc_difference(
    error_a: ArrayLike,
    error_b: ArrayLike,
    eps: ArrayLike | float,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
    strata_a: ArrayLike | None = None,
    strata_b: ArrayLike | None = None,
    level: float = 0.95,
    simultaneous: bool = False,
) -> xr.Dataset:
    """Difference of the AUCs of two independent populations, a minus b, with bounds.

    Parameters
    ----------
    error_a, error_b : array_like or DataArray, shapes (n_a,), (n_b,)
        Errors of each population.
    eps : float or array_like
        Error up to which to integrate, the same for both.
    weights_a, weights_b, strata_a, strata_b : array_like, optional
        As in `auc`.
    level : float, default 0.95
        Chance that the bounds at one eps hold, and that the band does at all of them.
    simultaneous : bool, default False
        Whether to add a band that holds at every `eps` given at once, for reading the difference as a curve.

    Returns
    -------
    Dataset
        Over ``eps``: `difference`, `se`, `lower`, `upper`, `df`, `reason`; with `simultaneous` also `band_lower` and
        `band_upper`, NaN where the bounds are or fewer than 5 models of a population, by their effective number, lie
        below eps, `band_reason`, and the attribute `critical`, their distance in standard errors.

    Raises
    ------
    InputError
        As `auc`.

    See Also
    --------
    auc : Of one population.
    sample_size_auc : Models needed to find a difference.
    wasserstein : The area between two EDFs, whichever is higher.

    Notes
    -----
    The variances of independent samples add; the degrees of freedom are Welch and Satterthwaite's.

    The band is difference +- c se with one c for all eps, so that the chance that a studentised Gaussian curve with
    the estimated correlations leaves it anywhere is at most 1 - level. c follows from the length of the curve's path
    on the sphere [1]_ (or from Bonferroni's inequality where that asks for less), without any draws, with the
    fewest degrees of freedom among the eps. Where hardly any model of a population lies below eps, its variance is
    estimated from these few and mostly too small, so the band leaves such eps out.

    References
    ----------
    .. [1] Naiman, Conservative confidence bands in curvilinear regression, Annals of Statistics 14, 1986.

    Examples
    --------
    >>> round(float(auc_difference([5.0, 6.0, 7.0], [6.0, 7.0, 8.0], eps=10.0).difference), 3)
    0.1
    """
    level, simultaneous = confidence_level(level), flag(simultaneous, "simultaneous")
    samples = _checked(error_a, weights_a, strata_a, "_a"), _checked(error_b, weights_b, strata_b, "_b")
    a, b = (_table(sample, eps, level) for sample in samples)
    first, second = (Estimates(side["auc"].values, side["se"].values, side["df"].values) for side in (a, b))
    found = welch_difference(first, second, level)
    reasons = zip(a["reason"].values.flat, b["reason"].values.flat, found.df.flat, strict=True)
    why = ["" if np.isfinite(known) else str(a_why or b_why) for a_why, b_why, known in reasons]
    columns = {
        "difference": found.value, "se": found.se, "lower": found.lower, "upper": found.upper, "df": found.df,
        "reason": np.array(why, dtype=object).reshape(found.value.shape),
    }  # fmt: skip
    attrs = {"level": level, "method": "Welch t", "n": tuple(side.errors.size for side in samples)}
    attrs["effective_n"] = tuple(side.effective_n for side in samples)
    if simultaneous:
        at = _eps(eps, samples[0].errors)
        enough = _enough(samples, at)
        critical = _critical(samples, at.ravel(), np.where(enough, found.df, np.nan).ravel(), level)
        reach = critical * np.where(np.isfinite(found.df) & enough, found.se, np.nan)
        columns["band_reason"] = np.where(enough, columns["reason"], _TOO_FEW)
        columns["band_lower"] = np.maximum(found.value - reach, -1.0)
        columns["band_upper"] = np.minimum(found.value + reach, 1.0)
        attrs["critical"] = critical
    dims = a["auc"].dims
    return xr.Dataset({name: (dims, column) for name, column in columns.items()}, coords=a.coords, attrs=attrs)


def _enough(samples: tuple[_Sample, _Sample], eps: Floats) -> NDArray[np.bool_]:
    """At which eps both samples have `_FEWEST` models below it, by their effective number."""
    enough = np.ones(eps.shape, dtype=bool)
    for errors, w, *_ in samples:
        order = np.argsort(errors)
        held, squares = (np.append(0.0, np.cumsum(part[order])) for part in (w, w**2))
        place = np.searchsorted(errors[order], eps)
        with np.errstate(invalid="ignore"):
            enough &= held[place] ** 2 / squares[place] >= _FEWEST * (1 - kernels.SLACK)
    return enough


def _critical(samples: tuple[_Sample, _Sample], eps: Floats, df: Floats, level: float) -> float:
    """Standard errors that hold at every eps at which the difference has a variance; NaN if there is none."""
    used = np.unique(eps[np.isfinite(df)])
    if used.size == 0:
        return math.nan
    sizes = [side.sizes for side in samples]

    def influences(upto: float) -> list[Floats]:
        found = []
        for (errors, w, codes, *_), size in zip(samples, sizes, strict=True):
            g = scores(errors, upto)
            found.append(influence(g, float(w @ g), w, codes, size))
        return found

    length = path_length(influences(upto) for upto in used.tolist())
    return simultaneous_critical(length, used.size, float(df[np.isfinite(df)].min()), level)


def _eps(eps: Any, errors: Floats) -> Floats:
    at = area_ends(eps, float(errors.min()))
    if at.ndim > 1:
        raise InputError(f"eps has shape {at.shape}; give a number or a list of numbers")
    return at


def _over_eps(eps: Any, at: Floats) -> tuple[tuple[Any, ...], dict[Any, Any]]:
    if isinstance(eps, xr.DataArray):
        return eps.dims, dict(eps.coords)
    return (("eps",), {"eps": at}) if at.ndim else ((), {"eps": float(at)})


def _moments(sample: _Sample, eps: Floats) -> tuple[Floats, Floats, Floats, NDArray[Any]]:
    """AUC, standard error, degrees of freedom and why one of them is undefined, for each eps."""
    errors, w, codes, labels, _, times = sample
    size = sample.sizes
    weighted = np.bincount(codes, w, minlength=labels.size) > 0
    lonely = np.flatnonzero(weighted & (size < 2))
    value, se, df = np.empty(eps.size), np.full(eps.size, np.nan), np.full(eps.size, np.nan)
    reason = np.full(eps.size, "", dtype=object)
    for i, (value[i], variances) in enumerate(area_spreads(errors, w, codes, size, eps, times)):
        if lonely.size:
            reason[i] = _why_lonely(lonely, labels, int(size.sum()))
            continue
        se[i] = np.sqrt(variances.sum())
        if se[i] == 0 and value[i] < 1:
            reason[i] = "no spread: every model of a stratum has the same min(error, eps)"
        elif not 0 < value[i] < 1:
            reason[i] = "the area is not between 0 and 1, so it has no logit"
        else:
            parts = variances / variances.max()
            df[i] = parts.sum() ** 2 / (parts**2 / np.maximum(size - 1, 1)).sum()
    return value, se, df, reason


def _why_lonely(lonely: NDArray[np.intp], labels: NDArray[Any], n: int) -> str:
    if labels.size == 1:
        return f"a variance needs at least 2 models; there is {n}"
    return f"stratum {labels[lonely[0]]} has one model, so no variance"


def _logit_bounds(value: Floats, se: Floats, df: Floats, level: float) -> tuple[Floats, Floats]:
    from scipy.special import expit, logit, stdtrit

    defined = ~np.isnan(df)
    inner = np.where(defined, value, 0.5)
    center = logit(inner)
    quantile = stdtrit(np.where(defined, df, 1.0), 0.5 + level / 2)
    reach = np.where(defined, quantile * se / (inner * (1 - inner)), np.nan)
    return expit(center - reach), expit(center + reach)
