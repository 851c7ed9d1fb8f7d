"""How far groups still differ in complexity, in standard deviations: the standardised mean difference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["standardized_difference"]

Floats = NDArray[np.float64]
#: Spreads and differences below this part of the largest value are what rounding leaves of none.
_ROUNDING = 1e-10


def standardized_difference(complexity: Floats, weights: Floats, codes: NDArray[np.intp], groups: int) -> Floats:
    """Weighted mean of each group less the mean of the groups' means, in pooled within-group deviations.

    Parameters
    ----------
    complexity : ndarray, shape (n,)
        Complexity of each model, in any unit: where all are above 0, their logarithms are compared.
    weights : ndarray, shape (n,)
        Weight of each model, of any scale; 0 where it is left out.
    codes : ndarray of int, shape (n,)
        Number of each model's group.
    groups : int
        Number of groups, each with some weight.

    Returns
    -------
    ndarray, shape (groups,)
        Standard deviations; infinite where groups without any spread inside differ.

    Notes
    -----
    The pooled variance is the mean of the groups' weighted variances, each about its own mean [1]_, so that a
    difference between groups does not widen the yardstick that it is measured by.

    References
    ----------
    .. [1] Austin, Balance diagnostics for comparing the distribution of baseline covariates between treatment groups,
       Statistics in Medicine 28, 2009.

    Examples
    --------
    >>> two = np.array([0, 0, 1, 1])
    >>> standardized_difference(np.array([1.0, 4.0, 4.0, 16.0]), np.ones(4), two, 2).round(6).tolist()
    [-1.0, 1.0]
    """
    values = np.log(complexity) if (complexity > 0).all() else complexity
    total = np.bincount(codes, weights, minlength=groups)
    mean = np.bincount(codes, weights * values, minlength=groups) / total
    variance = np.bincount(codes, weights * (values - mean[codes]) ** 2, minlength=groups) / total
    difference: Floats = mean - mean.mean()
    scale = float(np.sqrt(variance.mean()))
    rounding = _ROUNDING * float(np.abs(values).max())
    if scale > rounding:
        return difference / scale
    return np.where(np.abs(difference) > rounding, np.copysign(np.inf, difference), 0.0)
