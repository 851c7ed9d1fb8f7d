"""P-values of several tests, adjusted for their number."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.arguments import choice, shown
from edfstat.errors import InputError
from edfstat.labels import ArrayLike

__all__ = ["adjust_pvalues"]

Floats = NDArray[np.float64]

#: Methods of statsmodels.
_METHODS = (
    "bonferroni", "sidak", "holm-sidak", "holm", "simes-hochberg", "hommel", "fdr_bh", "fdr_by", "fdr_tsbh",
    "fdr_tsbky",
)  # fmt: skip


def adjust_pvalues(p: ArrayLike, method: str = "holm") -> Any:
    """P-values of several tests, adjusted for their number.

    Parameters
    ----------
    p : array_like or DataArray, any shape
        P-values of one family of tests; NaN stays NaN and does not count.
    method : str, default "holm"
        A method of `statsmodels.stats.multitest.multipletests`: ``"holm"``, ``"bonferroni"``, ``"fdr_bh"``, ...

    Returns
    -------
    ndarray or DataArray
        Of the shape, and with the labels, of `p`.

    Raises
    ------
    InputError
        If a p-value lies outside 0 to 1 or the method is unknown.

    See Also
    --------
    ks_test : Where p-values come from.
    compare : Every pair, adjusted.

    Notes
    -----
    Holm's step-down method bounds the chance of any false finding, whatever depends on what.

    Examples
    --------
    >>> adjust_pvalues([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    choice(method, "method", _METHODS)
    values = _pvalues(p)
    known = ~np.isnan(values)
    outside = known & ~((values >= 0) & (values <= 1))
    if outside.any():
        raise InputError(f"p holds {values[outside].flat[0]}; p-values lie between 0 and 1")
    adjusted = np.full(values.shape, np.nan)
    if method == "holm":
        adjusted[known] = _holm(values[known])
    elif known.any():
        from statsmodels.stats.multitest import multipletests

        adjusted[known] = multipletests(values[known], method=method)[1]
    return p.copy(data=adjusted) if isinstance(p, xr.DataArray) else adjusted


def _pvalues(p: Any) -> Floats:
    """P-values as floats of any shape; those that are not known (NaN, None) are NaN."""
    try:
        values = np.asarray(p.values if isinstance(p, xr.DataArray) else p)
        if values.dtype.kind == "O":
            values = values.astype(np.float64)
    except (TypeError, ValueError):
        values = np.array("")
    if values.dtype.kind not in "fiub":
        raise InputError(f"p is {shown(p)}; give p-values, numbers between 0 and 1")
    return values.astype(np.float64, copy=False)


def _holm(p: Floats) -> Floats:
    """Holm's step-down: statsmodels collects garbage at each call, which would be most of a small comparison's time."""
    order = np.argsort(p)
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return adjusted
