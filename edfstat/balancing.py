"""Entropy balancing: weights nearest to equal under which groups agree in the means of their covariates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.arguments import number, points, shown
from edfstat.errors import InputError, PopulationError
from edfstat.labels import as_labels, coded, grid_of_numbers, relabel, same_models

__all__ = ["balance_weights"]

Floats = NDArray[np.float64]
_STEPS = 200


def balance_weights(
    covariates: Any,
    groups: Any,
    *,
    target: Any = None,
    tolerance: float = 1e-8,
) -> Any:
    """Weights under which every group has the same weighted mean of every covariate.

    Parameters
    ----------
    covariates : array_like or DataArray, shape (n,) or (n, p)
        What to balance, one column each: for complexity usually the logarithms of parameters and flops, and
        their squares where spreads should agree too.
    groups : array_like, shape (n,)
        Label of the group (design space) of each model.
    target : sequence of p numbers or label, optional
        Means to reach: numbers, or a label of `groups` for those of that group. Default: those of all
        models together.
    tolerance : float, default 1e-8
        Largest difference from the target that counts as reached, in standard deviations of the covariate.

    Returns
    -------
    ndarray or DataArray, shape (n,)
        Positive weights that sum to 1 within each group.

    Raises
    ------
    PopulationError
        If no positive weights reach the target in some group: it lies outside the convex hull of what the
        models of the group have.
    InputError
        If an argument makes no sense.

    See Also
    --------
    complexity_weights : By bins of complexity.

    Notes
    -----
    Of all weights that reach the target, these have the largest entropy [1]_: w_i proportional to
    exp(lambda' c_i), lambda minimising the convex log sum_i exp(lambda' (c_i - target)), by Newton's method.
    Unlike bins, this needs no cells, so it serves two measures of complexity at once.

    References
    ----------
    .. [1] Hainmueller, Entropy balancing for causal effects, Political Analysis 20 (2012).

    Examples
    --------
    >>> w = balance_weights([1.0, 2.0, 3.0, 2.0, 3.0, 4.0], list("AAABBB"))
    >>> round(float(w[:3] @ [1.0, 2.0, 3.0]), 9), round(float(w[3:] @ [2.0, 3.0, 4.0]), 9)
    (2.5, 2.5)
    """
    values = _covariates(covariates)
    remedy = "give a number above 0, in standard deviations"
    tolerance = number(tolerance, "tolerance", remedy, accept=lambda x: 0 < x < math.inf)
    same_models(covariates=covariates, groups=groups)
    labels, codes = coded(as_labels(groups, "groups", length=values.shape[0]), "groups")
    aim = _target(target, values, labels, codes)
    scale = values.std(axis=0)
    scale[scale == 0] = 1.0
    standard = (values - aim) / scale
    weights = np.empty(values.shape[0])
    for code, label in enumerate(labels):
        rows = codes == code
        weights[rows] = _balance(standard[rows], label, aim, tolerance)
    return relabel(weights, covariates, "weights")


def _covariates(covariates: Any) -> Floats:
    array = grid_of_numbers(covariates, "covariates")
    if array.ndim not in (1, 2) or array.size == 0:
        raise InputError(f"covariates has shape {array.shape}; give numbers, (models,) or (models, p)")
    values = array.reshape(array.shape[0], -1)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        first = int(bad.argmax())
        raise InputError(f"covariates[{first}] is {array[first]}; give finite numbers, leave other models out")
    return values


def _target(target: Any, values: Floats, labels: NDArray[Any], codes: NDArray[np.intp]) -> Floats:
    if target is None:
        return np.asarray(values.mean(axis=0))
    if not isinstance(target, list) and np.ndim(target) == 0 and target in labels.tolist():
        return np.asarray(values[codes == labels.tolist().index(target)].mean(axis=0))
    remedy = f"give {values.shape[1]} finite means, or one of {shown(labels.tolist())}"
    aim = points(target, "target", remedy).ravel()
    if aim.size != values.shape[1] or not np.isfinite(aim).all():
        raise InputError(f"target is {shown(target)}; {remedy}")
    return aim


def _balance(offsets: Floats, label: Any, aim: Floats, tolerance: float) -> Floats:
    """Newton's method on the dual, with step halving; `offsets` are covariates less their target."""
    slope = np.zeros(offsets.shape[1])
    height, w = _dual(offsets, slope)
    for _ in range(_STEPS):
        gradient = w @ offsets
        if np.abs(gradient).max() <= 1e-14:
            break
        centered = offsets - gradient
        # Least squares, because covariates may be collinear in a group.
        step = np.linalg.lstsq((centered * w[:, None]).T @ centered, -gradient, rcond=1e-12)[0]
        size, descent = 1.0, float(gradient @ step)
        while size > 1e-10:
            trial, shares = _dual(offsets, slope + size * step)
            if trial <= height + 1e-4 * size * descent or _shrinks(offsets, shares, gradient):
                break
            size /= 2
        else:
            break
        slope, height, w = slope + size * step, trial, shares
    gap = float(np.abs(w @ offsets).max())
    if gap <= tolerance:
        return w
    raise PopulationError(
        f"group {label!s} cannot be balanced: no positive weights of its {offsets.shape[0]} models reach the means "
        f"{np.array2string(aim, precision=6)} (nearest: {gap:.2g} standard deviations off); "
        "restrict all groups to a common range, or balance fewer covariates"
    )


def _shrinks(offsets: Floats, shares: Floats, gradient: Floats) -> bool:
    """Whether a step halves the distance left, near the optimum, where rounding hides that the dual falls."""
    left = float(np.abs(gradient).max())
    return left < 1e-4 and float(np.abs(shares @ offsets).max()) < left / 2


def _dual(offsets: Floats, slope: Floats) -> tuple[float, Floats]:
    """The dual objective log sum exp(slope' offset), and the weights there."""
    power = offsets @ slope
    top = power.max()
    w = np.exp(power - top)
    total = w.sum()
    return float(top + np.log(total)), w / total
