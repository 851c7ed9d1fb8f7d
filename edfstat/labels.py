"""Arrays or DataArrays in, labels back on the way out: the only place that looks at input types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import InputError

__all__ = ["ArrayLike", "NanPolicy", "WeightKind", "as_errors", "as_vector", "as_weights", "relabel", "repeated"]

ArrayLike = Sequence[float] | NDArray[Any] | xr.DataArray
NanPolicy = Literal["raise", "fail", "drop"]
WeightKind = Literal["design", "frequency"]
Floats = NDArray[np.float64]


def as_vector(values: Any, name: str, *, length: int | None = None) -> NDArray[Any]:
    """One-dimensional array of any dtype; `length` is what it must match.

    Raises
    ------
    InputError
        If it is empty, not one-dimensional or not of that length.
    """
    array = np.asarray(values.values if isinstance(values, xr.DataArray) else values)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{name} has shape {array.shape}; give one value per model, at least one")
    if length is not None and array.size != length:
        raise InputError(f"{name} has {array.size} entries for {length} models; give one per model")
    return array


def as_errors(values: Any, name: str = "error", *, nan: NanPolicy = "raise") -> Floats:
    """Errors of models as float64: finite or +inf (a failed model).

    `nan="fail"` counts NaN as +inf, `nan="drop"` leaves NaN in place for the caller to drop.

    Raises
    ------
    InputError
        On NaN (with ``nan="raise"``) or -inf.
    """
    array = as_vector(values, name)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} holds {array.dtype} values; give numbers")
    array = array.astype(np.float64, copy=False)
    if nan not in ("raise", "fail", "drop"):
        raise InputError(f"nan is {nan!r}; give 'raise', 'fail' or 'drop'")
    # The minimum propagates NaN: one pass that allocates nothing decides the common case.
    smallest = array.min()
    if np.isnan(smallest):
        missing = np.isnan(array)
        if nan == "raise":
            raise InputError(
                f"{name}[{int(missing.argmax())}] is NaN ({int(missing.sum())} of {array.size} are); make them inf to "
                "count them as failed models, or leave them out: edf() does either, by nan='fail' or nan='drop'"
            )
        if nan == "fail":
            array = np.where(missing, np.inf, array)
        smallest = np.fmin.reduce(array)
    if smallest == -np.inf:
        raise InputError(f"{name}[{int((array == -np.inf).argmax())}] is -inf; errors are finite or +inf")
    return array


def as_weights(weights: Any, length: int, name: str = "weights") -> Floats | None:
    """Weights as float64 with sum 1, or None where every model counts the same (none given, or all equal).

    Raises
    ------
    InputError
        If a weight is negative or not finite, or all are zero.
    """
    if weights is None:
        return None
    array = as_vector(weights, name, length=length)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} holds {array.dtype} values; give numbers")
    array = array.astype(np.float64, copy=False)
    # Minimum and maximum propagate NaN, so two passes that allocate nothing decide the common case.
    smallest, largest = array.min(), array.max()
    if not (smallest >= 0 and largest < np.inf):
        where = int((~(np.isfinite(array) & (array >= 0))).argmax())
        raise InputError(f"{name}[{where}] is {array[where]}; weights are finite and not negative")
    if largest == 0:
        raise InputError(f"{name} are all zero; at least one model must count")
    if smallest == largest:
        return None
    # Scaling by the largest first keeps the sum finite for weights near either end of the float range.
    if not 1e-290 < largest < 1e290:
        array = array / largest
    normalised: Floats = array / array.sum()
    return normalised


def repeated(kind: str, counts: Any, errors: Floats, strata: Any) -> tuple[Floats, NDArray[Any] | None]:
    """Errors and strata with each model as often as its frequency weight says.

    Raises
    ------
    InputError
        If `kind` is unknown, or weights are missing, not whole, negative or all zero.
    """
    if kind != "frequency":
        raise InputError(f"kind is {kind!r}; give 'design' or 'frequency'")
    if counts is None:
        raise InputError("kind='frequency' needs weights: how many models each row stands for")
    as_weights(counts, errors.size)
    times = as_vector(counts, "weights", length=errors.size)
    whole = times == np.floor(times)
    if not whole.all():
        where = int((~whole).argmax())
        raise InputError(f"weights[{where}] is {times[where]}; frequency weights are whole numbers")
    times = times.astype(np.int64)
    labels = None if strata is None else np.repeat(as_vector(strata, "strata", length=errors.size), times)
    return np.repeat(errors, times), labels


def relabel(result: NDArray[Any], template: Any, name: str) -> Any:
    """`result` with the labels of `template` if that is a DataArray, else as it is."""
    if not isinstance(template, xr.DataArray):
        return result
    return xr.DataArray(result, dims=template.dims[:1], coords=_coords_along(template), name=name)


def _coords_along(template: xr.DataArray) -> dict[Any, Any]:
    first = template.dims[0]
    return {key: coord for key, coord in template.coords.items() if coord.dims in ((first,), ())}
