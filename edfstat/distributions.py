"""Weighted empirical distribution functions of errors, stored once as atoms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat import kernels
from edfstat.arguments import area_ends, choice, points
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
    frequencies,
    repeated,
    same_models,
    shaped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from edfstat.bands import NotedInterval

__all__ = ["EDF", "Interval", "Strata", "edf", "edf_of"]

Floats = NDArray[np.float64]
_RELATIVE_SLACK = 1e-9
_NOTHING_LEFT = "every error is NaN; nothing is left after nan='drop'"


class Interval(NamedTuple):
    """Lower and upper bounds.

    Attributes
    ----------
    lower, upper : float, ndarray or DataArray
        Of the shape of what they bound.

    Notes
    -----
    What `EDF.interval` returns has an attribute `note`, too: it says where the interval should not be relied on, and is
    empty otherwise.

    Examples
    --------
    >>> from edfstat import edf
    >>> found = edf(range(1, 101)).interval(50)
    >>> lower, upper = found
    >>> lower == found.lower, found.note
    (True, '')
    """

    lower: Any
    upper: Any


class Strata(NamedTuple):
    """The sample behind an EDF, by stratum: what uncertainty within strata needs.

    Attributes
    ----------
    codes : ndarray of int, shape (n,)
        Stratum of each model, as a place in `labels`.
    labels : ndarray, shape (s,)
        Labels of the strata.
    errors : ndarray, shape (n,)
        Error of each model, in percent.
    weights : ndarray, shape (n,), or None
        Share of the weight of each model, sum 1; None where all are equal.
    """

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
    n : int
        Models that are in, those of weight zero included (they bear on no value).
    effective_n : float
        Kish's (sum w)^2 / sum w^2.
    equal_weights : bool
        Whether every model counts the same.
    dropped : int
        Models left out because their error was NaN (``nan="drop"``).
    strata : Strata or None
        The models by stratum, where `edf` was given `strata`: what `interval` and the stratified band need.
    weight_sum : float
        Sum of their weights as given, n without weights.
    covered : float
        Share of the weight as given that is in: below 1 where models were dropped.

    Examples
    --------
    >>> from edfstat import edf
    >>> F = edf([7.0, 5.0, 6.0, 6.0], weights=[1, 2, 1, 1])
    >>> F(6.0), F.quantile(0.5), F.n, round(F.effective_n, 2)
    (0.8, 6.0, 4, 3.57)
    >>> F.support.tolist(), F.probabilities.tolist()
    ([5.0, 6.0, 7.0], [0.4, 0.8, 1.0])
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

    @property
    def atoms(self) -> kernels.Atoms:
        """The first four, as sums over them take them."""
        return kernels.Atoms(self.support, self.mass, self.probabilities, self.tail)

    def __call__(self, x: ArrayLike | float, side: Literal["left", "right"] = "right") -> Any:
        """Share of the weight at or below an error.

        Parameters
        ----------
        x : float, array_like or DataArray
            Errors, in percent, of any shape.
        side : {"right", "left"}
            Errors <= x, or < x as in the paper's eq. 1 [1]_.

        Returns
        -------
        float, ndarray or DataArray
            Shares from 0 to 1, of the shape (and with the labels) of `x`.

        Raises
        ------
        InputError
            If an error is NaN or no number, or `side` is neither of the two.

        References
        ----------
        .. [1] Radosavovic et al., On Network Design Spaces for Visual Recognition, ICCV 2019, arXiv:1905.13214.

        Examples
        --------
        >>> F = edf([7.0, 5.0, 6.0, 6.0])
        >>> F(6.0), F(6.0, side="left"), F([4.0, 7.0]).tolist()
        (0.75, 0.25, [0.0, 1.0])
        """
        choice(side, "side", ("left", "right"), "give 'right' (errors <= x) or 'left' (errors < x)")
        at = points(x, "x")
        return shaped(kernels.step_values(self.support, self.probabilities, at, side), x, "edf")

    def quantile(self, q: ArrayLike | float) -> Any:
        """Smallest error of the support with F >= q.

        Parameters
        ----------
        q : float, array_like or DataArray
            Shares from 0 to 1, of any shape; 0 gives the lowest error, 1 the highest.

        Returns
        -------
        float, ndarray or DataArray
            Errors, in percent, of the shape (and with the labels) of `q`; +inf where models that failed are reached.

        Raises
        ------
        InputError
            If a share is NaN, no number, or not from 0 to 1.

        Notes
        -----
        F >= q is taken with a slack of 1e-12 (less at shares that are themselves that rare), so that 0.9 of ten models
        is the ninth however 0.9 was rounded.

        Examples
        --------
        >>> F = edf([7.0, 5.0, 6.0, 6.0])
        >>> F.quantile(0.5), F.quantile([0.0, 0.25, 0.26, 1.0]).tolist()
        (6.0, [5.0, 5.0, 6.0, 7.0])
        """
        level = points(q, "q")
        if not ((level >= 0) & (level <= 1)).all():
            bad = level[~((level >= 0) & (level <= 1))].flat[0]
            raise InputError(f"q is {bad}; give shares from 0 to 1")
        # Rounding of q and F must not push a share like 0.9 to the next error; a rare end keeps its own share.
        slack = np.minimum(kernels.SLACK, _RELATIVE_SLACK * np.minimum(level, 1 - level))
        low = np.searchsorted(self.probabilities, np.where(level < 0.5, level - slack, level))
        beyond = np.where(level < 0.5, -1.0, 1 - level + slack)
        high = self.tail.size - np.searchsorted(self.tail[::-1], beyond, side="right")
        place = np.minimum(np.minimum(low, high), self.support.size - 1)
        return shaped(self.support[place], q, "quantile")

    def auc(self, eps: ArrayLike | float) -> Any:
        """Area under the EDF up to eps, as a share of eps: the paper's eq. 5 [1]_.

        Parameters
        ----------
        eps : float, array_like or DataArray
            Errors, in percent, above 0 and finite, of any shape.

        Returns
        -------
        float, ndarray or DataArray
            Areas from 0 to 1, of the shape (and with the labels) of `eps`.

        Raises
        ------
        InputError
            If an eps is NaN, no number, not above 0, not finite, or beyond all proportion to errors below 0.

        See Also
        --------
        edfstat.auc : the same, with a standard error and bounds.

        Notes
        -----
        (1 / eps) int_0^eps F(e) de = 1 - sum_i w_i min(1, e_i / eps).

        References
        ----------
        .. [1] Radosavovic et al., On Network Design Spaces for Visual Recognition, ICCV 2019, arXiv:1905.13214.

        Examples
        --------
        >>> F = edf([7.0, 5.0, 6.0, 6.0])
        >>> F.auc(8.0), F.auc([5.0, 6.0]).round(4).tolist()
        (0.25, [0.0, 0.0417])
        """
        at = area_ends(eps, float(self.support[0]))
        place = np.searchsorted(self.support, at, side="right") - 1
        inside = np.maximum(place, 0)
        # Below the first error the area is 0, whatever a tiny eps would make of a ratio.
        beyond = np.where(place >= 0, at - np.minimum(self.support[inside], at), 0.0)
        area = np.where(place >= 0, self._area[inside], 0.0) + self.probabilities[inside] * beyond
        return shaped(area / at, eps, "auc")

    @property
    def areas(self) -> Floats:
        """AUC up to each error of `support`, all in one pass; NaN at errors that are not above 0 and finite.

        Examples
        --------
        >>> F = edf([7.0, 5.0, 6.0, 6.0])
        >>> F.areas.round(4).tolist() == F.auc(F.support).round(4).tolist() == [0.0, 0.0417, 0.1429]
        True
        """
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
        """Band that holds the whole true distribution function, at all errors at once, with chance `level`.

        Parameters
        ----------
        level : float, default 0.95
            Between 0 and 1.
        method : {"dkw", "exact", "stratified"}
            ``"dkw"``: half width sqrt(ln(2 / (1 - level)) / (2 effective_n)) [1]_, for any weights. ``"exact"``:
            the quantile of Kolmogorov's D_n, for equal weights. ``"stratified"``: simulated from the strata, for
            weights within complexity bins, see Notes.
        **options
            Of ``"stratified"`` alone: `draws` (int, default 10,000, at least 100), processes that are simulated, which
            leave the half width uncertain by about 1 %; `rng` (Generator or int, default 0), fixed by default so that
            the same population has the same band.

        Returns
        -------
        Interval
            `lower` and `upper`, shape (K,): bounds of F at each error of `support`, and up to the next one.

        Raises
        ------
        InputError
            If `level` is not between 0 and 1, `method` or an option is unknown or does not fit the other, the weights
            are not equal (``"exact"``), or the EDF has no strata (``"stratified"``).

        Notes
        -----
        With W_j the weight of stratum j, m_j its models and F_j their distribution function, the half width of
        ``"stratified"`` is the quantile of sup abs(sum_j W_j B_j(F_j) / sqrt(m_j - 1)), the B_j being independent
        Brownian bridges. F_j is drawn towards F by two pseudo-models, as a thin stratum looks less spread than it is.

        References
        ----------
        .. [1] Massart, The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality, Ann. Probab. 18 (1990).

        Examples
        --------
        >>> band = edf(range(1, 101)).band()
        >>> float(band.lower[49].round(3)), float(band.upper[49].round(3))
        (0.364, 0.636)
        """
        from edfstat.bands import simultaneous_band

        return simultaneous_band(self, level, method, **options)

    def interval(
        self, x: ArrayLike | float, level: float = 0.95, method: Literal["n*", "guarded"] = "n*"
    ) -> NotedInterval:
        """Interval that holds the true F(x) with chance `level`, at each x alone.

        Parameters
        ----------
        x : float, array_like or DataArray
            Errors, in percent, of any shape.
        level : float, default 0.95
            Between 0 and 1.
        method : {"n*", "guarded"}
            ``"n*"``: Clopper and Pearson's interval with n* F of n* models, n* being the effective number of models at
            x (Korn and Graubard's for strata) [1]_. ``"guarded"`` also holds where low errors come from strata of few,
            heavy models, as if one more of the heaviest lay on that side of x [2]_; there the default is too short.

        Returns
        -------
        Interval
            `lower` and `upper`, of the shape (and with the labels) of `x`. Its `note` says where the default method
            should not be relied on; empty where there is nothing to say.

        Raises
        ------
        InputError
            If an error is NaN or no number, `level` is not between 0 and 1, `method` is unknown, or ``"guarded"`` lacks
            the strata of unequal weights.

        References
        ----------
        .. [1] Korn and Graubard, Confidence intervals for proportions with small expected number of positive counts
           estimated from survey data, Survey Methodology 24 (1998).
        .. [2] Fay and Feuer, Confidence intervals for directly standardized rates, Statistics in Medicine 16 (1997).

        Examples
        --------
        >>> found = edf(range(1, 101)).interval(50)
        >>> round(found.lower, 3), round(found.upper, 3)
        (0.398, 0.602)
        """
        from edfstat.bands import pointwise_interval

        return pointwise_interval(self, x, level, method)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the EDF as the step line it is.

        Parameters
        ----------
        ax : Axes, optional
            To draw in. Default: pyplot's current ones.
        **options
            To ``Axes.step``, such as `label` or `color`.

        Returns
        -------
        Axes
            Errors in percent across, share of the models up.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> ax = edf([7.0, 5.0, 6.0, 6.0]).plot(Figure().subplots(), label="ResNet")
        >>> ax.get_xlabel(), ax.lines[0].get_ydata().tolist()
        ('error (%)', [0.0, 0.25, 0.75, 1.0])
        """
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.gca()
        finite = np.isfinite(self.support)
        x, y = self.support[finite], self.probabilities[finite]
        ax.step(np.concatenate([x[:1], x]), np.concatenate([np.zeros(min(1, x.size)), y]), where="post", **options)
        ax.set(xlabel="error (%)", ylabel="cumulative share of models", ylim=(0, 1))
        return ax

    def to_xarray(self) -> xr.Dataset:
        """The atoms as a Dataset.

        Returns
        -------
        Dataset
            Over `error` (K, percent, ascending): `mass`, the share of the weight at it, and `probability`, that at or
            below. Attributes: `n`, `effective_n`, `dropped`, `covered`, `method`.

        Examples
        --------
        >>> found = edf([7.0, 5.0, 6.0, 6.0]).to_xarray()
        >>> found["error"].values.tolist(), found["probability"].values.tolist(), found.attrs["n"]
        ([5.0, 6.0, 7.0], [0.25, 0.75, 1.0], 4)
        """
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

    See Also
    --------
    auc : The area under it, in one number.
    ks_test : Whether two of them differ.
    plot.edf : Drawn.

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
    same_models(error=error, weights=weights, strata=strata)
    errors = as_errors(error, nan=nan)
    if kind != "design":
        times = frequencies(weights, errors.size)
        if strata is None:
            return _counted(errors, times)
        each, bins = repeated(times, errors, strata)
        return edf(each, strata=bins, nan=nan)
    normalised = as_weights(weights, errors.size)
    labels = None if strata is None else as_strata(strata, "strata", length=errors.size, weights=normalised)
    dropped, covered = 0, 1.0
    if nan == "drop" and (missing := np.isnan(errors)).any():
        dropped = int(missing.sum())
        if dropped == errors.size:
            raise InputError(_NOTHING_LEFT)
        covered = float((~missing).mean() if normalised is None else normalised[~missing].sum())
        weights = None if weights is None else as_numbers(weights, "weights")[~missing]
        labels = None if labels is None else labels[~missing]
        errors = errors[~missing]
        normalised = as_weights(weights, errors.size)
    return _built(errors, normalised, _sum(weights, errors.size), labels, dropped, covered)


def edf_of(error: ArrayLike | EDF, weights: Any, name: str, weights_name: str) -> EDF:
    """`edf` of a sample whose arguments have other names, which its messages then use."""
    if isinstance(error, EDF):
        if weights is not None:
            raise InputError(f"{weights_name} are part of the EDF {name}; give its errors instead")
        return error
    same_models(**{name: error, weights_name: weights})
    errors = as_errors(error, name)
    normalised = as_weights(weights, errors.size, weights_name)
    return _built(errors, normalised, _sum(weights, errors.size))


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


def _counted(errors: Floats, times: NDArray[np.int64]) -> EDF:
    """The EDF of each error so many times, of which those that are NaN are left out."""
    missing = np.isnan(errors)
    kept = (times > 0) & ~missing
    if not kept.any():
        raise InputError(_NOTHING_LEFT)
    support, place = np.unique(errors[kept], return_inverse=True)
    counts = np.zeros(support.size, dtype=np.int64)
    np.add.at(counts, place, times[kept])
    n = int(counts.sum())
    return EDF(
        *kernels.atoms_of_counts(support, counts),
        n=n,
        effective_n=float(n),
        dropped=int(times[missing].sum()),
        weight_sum=float(n),
        covered=n / int(times.sum()),
    )


def _sum(weights: Any, models: int) -> float:
    """Sum of the weights as given; without weights every model counts 1."""
    if weights is None:
        return float(models)
    with np.errstate(over="ignore"):
        return float(np.sum(as_numbers(weights, "weights")))


def _strata(labels: NDArray[Any], errors: Floats, weights: Floats | None) -> Strata:
    names, codes = coded(labels, "strata")
    return Strata(codes, names, errors, weights)
