"""Weighted empirical distribution functions of errors, stored once as atoms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat import kernels
from edfstat.arguments import choice, points
from edfstat.errors import InputError
from edfstat.labels import (
    ArrayLike,
    NanPolicy,
    WeightKind,
    as_errors,
    as_numbers,
    as_strata,
    as_weights,
    coded,
    repeated,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["EDF", "Interval", "Strata", "edf", "edf_of"]

Floats = NDArray[np.float64]
_SLACK = 1e-12
_RELATIVE_SLACK = 1e-9


class Interval(NamedTuple):
    """Lower and upper bounds, of the shape of what they bound."""

    lower: Any
    upper: Any


class Strata(NamedTuple):
    """The sample behind an EDF, by stratum: what uncertainty within strata needs."""

    codes: NDArray[np.intp]
    labels: NDArray[Any]
    errors: Floats
    weights: Floats | None


@dataclass(frozen=True, eq=False, repr=False)
class EDF:
    """Weighted empirical distribution function; call it to evaluate. Made by `edf`.

    Attributes
    ----------
    support : ndarray, shape (K,)
        Distinct errors of positive weight, ascending; failed models are at +inf.
    mass : ndarray, shape (K,)
        Share of the weight at each, sum 1.
    probabilities : ndarray, shape (K,)
        F at each of `support`, share at or below it; the last is 1.
    tail : ndarray, shape (K,)
        1 - F at each of `support`, summed from the far end, so accurate where it is small.
    n : float
        Models given, those of weight zero included (they bear on no value).
    effective_n : float
        Kish's (sum w)^2 / sum w^2.
    equal_weights : bool
        Whether every model counts the same.
    dropped : int
        Models left out because their error was NaN (``nan="drop"``).
    weight_sum : float
        Sum of the weights as given, n without weights.
    covered : float
        Share of the weight as given that is in: below 1 where models were dropped.
    """

    support: Floats
    mass: Floats
    probabilities: Floats
    tail: Floats
    n: int
    effective_n: float
    equal_weights: bool = True
    dropped: int = 0
    strata: Strata | None = None
    weight_sum: float = 1.0
    covered: float = 1.0

    def __call__(self, x: ArrayLike | float, side: Literal["left", "right"] = "right") -> Any:
        """Share of the weight at errors <= x (``side="right"``) or < x (``"left"``, the paper's eq. 1)."""
        choice(side, "side", ("left", "right"), "give 'right' (errors <= x) or 'left' (errors < x)")
        at = points(x, "x")
        return _shaped(kernels.step_values(self.support, self.probabilities, at, side), x, "edf")

    def quantile(self, q: ArrayLike | float) -> Any:
        """Smallest error v of the support with F(v) >= q; the lowest error for q = 0."""
        level = points(q, "q")
        if not ((level >= 0) & (level <= 1)).all():
            bad = level[~((level >= 0) & (level <= 1))].flat[0]
            raise InputError(f"q is {bad}; give shares from 0 to 1")
        # Rounding of q and F must not push a share like 0.9 to the next error; a rare end keeps its own share.
        slack = np.minimum(_SLACK, _RELATIVE_SLACK * np.minimum(level, 1 - level))
        low = np.searchsorted(self.probabilities, np.where(level < 0.5, level - slack, level))
        beyond = np.where(level < 0.5, -1.0, 1 - level + slack)
        high = self.tail.size - np.searchsorted(self.tail[::-1], beyond, side="right")
        place = np.minimum(np.minimum(low, high), self.support.size - 1)
        return _shaped(self.support[place], q, "quantile")

    def auc(self, eps: ArrayLike | float) -> Any:
        """Area under the EDF up to eps, as a share of eps (the paper's eq. 5)."""
        at = points(eps, "eps")
        if not ((at > 0) & np.isfinite(at)).all():
            bad = at[~((at > 0) & np.isfinite(at))].flat[0]
            raise InputError(f"eps is {bad}; give an error above 0")
        place = np.searchsorted(self.support, at, side="right") - 1
        inside = np.maximum(place, 0)
        area = self._area[inside] + self.probabilities[inside] * (at - self.support[inside])
        return _shaped(np.where(place >= 0, area / at, 0.0), eps, "auc")

    @property
    def areas(self) -> Floats:
        """AUC up to each error of `support`, all in one pass; NaN at errors that are not above 0 and finite."""
        usable = (self.support[0] > 0) and np.isfinite(self.support[-1])
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self._area / self.support
        if not usable:
            found[~((self.support > 0) & np.isfinite(self.support))] = np.nan
        return found

    @cached_property
    def _area(self) -> Floats:
        return kernels.area_below(self.support, self.probabilities)

    def band(
        self, level: float = 0.95, method: Literal["dkw", "exact", "stratified"] = "dkw", **options: Any
    ) -> Interval:
        """Band that holds the whole true distribution function with chance `level`, at `support`."""
        from edfstat.bands import simultaneous_band

        return simultaneous_band(self, level, method, **options)

    def interval(self, x: ArrayLike | float, level: float = 0.95, method: Literal["n*", "guarded"] = "n*") -> Interval:
        """Interval for the true F(x) at each x alone.

        ``"guarded"`` also holds where low errors come from strata of few, heavy models; there the default is too
        short, and the `note` of what it returns says so.
        """
        from edfstat.bands import pointwise_interval

        return pointwise_interval(self, x, level, method)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the EDF as the step line it is; `options` go to ``Axes.step``."""
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.gca()
        finite = np.isfinite(self.support)
        x, y = self.support[finite], self.probabilities[finite]
        ax.step(np.concatenate([x[:1], x]), np.concatenate([np.zeros(min(1, x.size)), y]), where="post", **options)
        ax.set(xlabel="error (%)", ylabel="cumulative share of models", ylim=(0, 1))
        return ax

    def to_xarray(self) -> xr.Dataset:
        """The atoms as a Dataset over `error`: `mass`, `probability`, and n and effective n as attributes."""
        return xr.Dataset(
            {
                "mass": ("error", self.mass, {"long_name": "share of the weight at this error"}),
                "probability": ("error", self.probabilities, {"long_name": "share of the weight at or below"}),
            },
            coords={"error": ("error", self.support, {"units": "percent", "long_name": "error"})},
            attrs={
                "n": self.n,
                "effective_n": self.effective_n,
                "dropped": self.dropped,
                "covered": self.covered,
                "method": "weighted EDF",
            },
        )

    def __repr__(self) -> str:
        return f"EDF(n={self.n:g}, effective_n={self.effective_n:.4g}, {self.support.size} distinct errors)"


def _shaped(values: Floats, template: Any, name: str) -> Any:
    """A float for a scalar, the labels of a DataArray, else an array."""
    if isinstance(template, xr.DataArray):
        return template.copy(data=values).rename(name)
    return float(values) if values.ndim == 0 else values


def edf(
    error: ArrayLike | EDF,
    weights: ArrayLike | None = None,
    *,
    strata: ArrayLike | None = None,
    nan: NanPolicy = "raise",
    kind: WeightKind = "design",
) -> EDF:
    """Weighted empirical distribution function of the errors of a population.

    Parameters
    ----------
    error : array_like or DataArray, shape (n,)
        Error of each model; +inf for a model that failed. An `EDF` is returned as it is.
    weights : array_like or DataArray, shape (n,), optional
        Share of the population each model stands for, normalised here. Default: 1/n each.
    strata : array_like or DataArray, shape (n,), optional
        Label of the complexity bin of each model; intervals and the stratified band use it.
    nan : {"raise", "fail", "drop"}
        What to do with NaN errors: refuse, count as +inf (failed), or leave out and count in `EDF.dropped`.
    kind : {"design", "frequency"}
        What weights are: shares of the population, or whole numbers of equal models that one row stands for.

    Returns
    -------
    EDF

    Raises
    ------
    InputError
        If an error is NaN (and `nan` does not say what it means) or -inf, or weights are negative, not
        finite, all zero or not one per model.

    Notes
    -----
    F(e) = sum_i w_i 1[e_i <= e]; the paper's eq. 1 and 4 are ``F(e, side="left")`` [1]_. Models of weight
    zero make no atoms.

    References
    ----------
    .. [1] Radosavovic et al., On Network Design Spaces for Visual Recognition, ICCV 2019, arXiv:1905.13214.

    Examples
    --------
    >>> F = edf([7.0, 5.0, 6.0, 6.0])
    >>> F(6.0), F(6.0, side="left"), F.quantile(0.5)
    (0.75, 0.25, 6.0)
    """
    if isinstance(error, EDF):
        if weights is not None or strata is not None:
            raise InputError("weights and strata are part of an EDF; give them with the errors instead")
        return error
    choice(kind, "kind", ("design", "frequency"), "give 'design' or 'frequency'")
    errors = as_errors(error, nan=nan)
    if kind != "design":
        errors, labels = repeated(weights, errors, strata)
        return edf(errors, strata=labels, nan=nan)
    normalised = as_weights(weights, errors.size)
    labels = None if strata is None else as_strata(strata, "strata", length=errors.size, weights=normalised)
    total = float(errors.size) if weights is None else _sum(weights)
    dropped, covered = 0, 1.0
    if nan == "drop" and (missing := np.isnan(errors)).any():
        dropped = int(missing.sum())
        if dropped == errors.size:
            raise InputError("every error is NaN; nothing is left after nan='drop'")
        covered = float((~missing).mean() if normalised is None else normalised[~missing].sum())
        weights = None if weights is None else as_numbers(weights, "weights")[~missing]
        labels = None if labels is None else labels[~missing]
        errors = errors[~missing]
        normalised = as_weights(weights, errors.size)
        total = float(errors.size) if weights is None else _sum(weights)
    return _built(errors, normalised, total, labels, dropped, covered)


def edf_of(error: ArrayLike | EDF, weights: Any, name: str, weights_name: str) -> EDF:
    """`edf` of a sample whose arguments have other names, which its messages then use."""
    if isinstance(error, EDF):
        if weights is not None:
            raise InputError(f"{weights_name} are part of the EDF {name}; give its errors instead")
        return error
    errors = as_errors(error, name)
    normalised = as_weights(weights, errors.size, weights_name)
    return _built(errors, normalised, float(errors.size) if weights is None else _sum(weights))


def _built(
    errors: Floats,
    weights: Floats | None,
    total: float,
    labels: NDArray[Any] | None = None,
    dropped: int = 0,
    covered: float = 1.0,
) -> EDF:
    return EDF(
        *kernels.atoms(errors, weights),
        n=errors.size,
        effective_n=kernels.effective_size(weights, errors.size),
        equal_weights=weights is None,
        dropped=dropped,
        strata=None if labels is None else _strata(labels, errors, weights),
        weight_sum=total,
        covered=covered,
    )


def _sum(weights: Any) -> float:
    with np.errstate(over="ignore"):
        return float(np.sum(as_numbers(weights, "weights")))


def _strata(labels: NDArray[Any], errors: Floats, weights: Floats | None) -> Strata:
    names, codes = coded(labels, "strata")
    return Strata(codes, names, errors, weights)
