"""Arrays or DataArrays in, labels back on the way out: the only place that looks at input types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from edfstat.arguments import choice, number, shown
from edfstat.errors import InputError

__all__ = [
    "ArrayLike",
    "NanPolicy",
    "WeightKind",
    "as_errors",
    "as_labels",
    "as_numbers",
    "as_strata",
    "as_vector",
    "as_weights",
    "coded",
    "each_weight",
    "finite_vector",
    "frequencies",
    "grid_of_numbers",
    "relabel",
    "repeated",
    "same_models",
    "shaped",
]

ArrayLike = Sequence[float] | NDArray[Any] | xr.DataArray
NanPolicy = Literal["raise", "fail", "drop"]
WeightKind = Literal["design", "frequency"]
Floats = NDArray[np.float64]
_MOST_REPEATED = 1e9
_MOST_COUNTED = 2**53


def as_vector(values: Any, name: str, *, length: int | None = None) -> NDArray[Any]:
    """One-dimensional array of any dtype; `length` is what it must match.

    Raises
    ------
    InputError
        If it is empty, not one-dimensional, not of that length or partly masked.
    """
    try:
        array = np.asarray(values.values if isinstance(values, xr.DataArray) else values)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {shown(values)}; give one value per model") from None
    if array.ndim != 1 or array.size == 0:
        given = f" ({shown(values)})" if array.ndim == 0 else ""
        raise InputError(f"{name} has shape {array.shape}{given}; give one value per model, at least one")
    if length is not None and array.size != length:
        raise InputError(f"{name} has {array.size} entries for {length} models; give one per model")
    if np.ma.is_masked(values):
        raise InputError(f"{name}[{int(np.ma.getmaskarray(values).argmax())}] is masked; leave such models out")
    return array


def as_numbers(values: Any, name: str, *, length: int | None = None) -> Floats:
    """One float for each model, whatever type of number came.

    Raises
    ------
    InputError
        As `as_vector`, or if it holds anything but real numbers.
    """
    array = as_vector(values, name, length=length)
    if array.dtype.kind == "O":
        checked = [number(value, f"{name}[{place}]", "give numbers", nan=True) for place, value in enumerate(array)]
        return np.array(checked, dtype=np.float64)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} holds {array.dtype} values; give numbers")
    return array.astype(np.float64, copy=False)


def finite_vector(values: Any, name: str, length: int | None = None) -> Floats:
    """One finite float for each of `length` models (any number of them if that is None).

    Raises
    ------
    InputError
        As `as_numbers`, or if a number is NaN or infinite.
    """
    array = as_numbers(values, name, length=length)
    if not np.isfinite(array).all():
        where = int((~np.isfinite(array)).argmax())
        raise InputError(f"{name}[{where}] is {array[where]}; give a finite number for every model")
    return array


def grid_of_numbers(values: Any, name: str) -> Floats:
    """An array of floats of any shape, NaN and infinite ones included.

    Raises
    ------
    InputError
        If it is ragged, partly masked or holds anything but real numbers.
    """
    try:
        array = np.asarray(values.values if isinstance(values, xr.DataArray) else values)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {shown(values)}; give one value per model") from None
    if array.dtype.kind == "O":
        array = np.reshape([number(value, name, "give numbers", nan=True) for value in array.flat], array.shape)
    elif array.dtype.kind not in "fiub":
        raise InputError(f"{name} holds {array.dtype} values; give numbers")
    if np.ma.is_masked(values):
        raise InputError(f"{name} is partly masked; leave such models out")
    return array.astype(np.float64, copy=False)


def as_labels(values: Any, name: str, *, length: int) -> NDArray[Any]:
    """One label for each model: text, numbers or anything that can be sorted.

    Raises
    ------
    InputError
        As `as_vector`, or if a label is missing (NaN or None).
    """
    array = as_vector(values, name, length=length)
    if array.dtype.kind in "fcmMO":
        missing = pd.isna(array)
        if missing.any():
            where = int(missing.argmax())
            raise InputError(f"{name}[{where}] is {array[where]}; give every model a label")
    return array


def as_strata(values: Any, name: str, *, length: int, weights: Floats | None = None) -> NDArray[Any]:
    """Complexity bin of each model; -1, which is outside every bin, is refused unless the weight of the model is 0.

    Raises
    ------
    InputError
        As `as_labels`, or where a model outside every bin counts.
    """
    labels = as_labels(values, name, length=length)
    if labels.dtype.kind == "i" and labels.min() == -1:
        outside = (labels == -1) if weights is None else (labels == -1) & (weights > 0)
        if outside.any():
            raise InputError(
                f"{name} is -1, outside every bin, for {int(outside.sum())} of {length} models "
                f"(first at {int(outside.argmax())}); leave these models out"
            )
    return labels


def coded(labels: NDArray[Any], name: str) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The distinct labels, sorted, and the number of each model's among them.

    Raises
    ------
    InputError
        If they are of kinds that cannot be sorted together.
    """
    try:
        # Found by hash and then sorted: to sort a million texts would take a second.
        codes, found = pd.factorize(labels)
        names, places = np.unique(np.asarray(found, dtype=labels.dtype), return_inverse=True)
    except TypeError:
        raise InputError(f"{name} mixes kinds of labels; give all as text or all as numbers") from None
    return names, places[codes]


def as_errors(values: Any, name: str = "error", *, nan: NanPolicy = "raise") -> Floats:
    """Errors of models as float64: finite or +inf (a failed model).

    `nan="fail"` counts NaN as +inf, `nan="drop"` leaves NaN in place for the caller to drop; None and masked
    entries are NaN to both.

    Raises
    ------
    InputError
        On NaN (with ``nan="raise"``) or -inf.
    """
    choice(nan, "nan", ("raise", "fail", "drop"), "give 'raise', 'fail' or 'drop'")
    array = as_numbers(values if nan == "raise" else _missing_as_nan(values), name)
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


def _missing_as_nan(values: Any) -> Any:
    """The values with NaN for each that is None or masked."""
    if isinstance(values, np.ma.MaskedArray) and values.ndim:
        whole = np.array(values.data, dtype=object)
        whole[np.ma.getmaskarray(values)] = None
        values = whole
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        return values
    if array.dtype.kind != "O" or array.ndim != 1:
        return values
    return np.where(pd.isna(array), np.nan, array)


def as_weights(weights: Any, length: int, name: str = "weights") -> Floats | None:
    """Weights as float64 with sum 1, or None where every model counts the same (none given, or all equal).

    Raises
    ------
    InputError
        If a weight is negative or not finite, or all are zero.
    """
    if weights is None:
        return None
    array = as_numbers(weights, name, length=length)
    # Minimum and maximum propagate NaN, so two passes that allocate nothing decide the common case.
    smallest, largest = array.min(), array.max()
    if not (smallest >= 0 and largest < np.inf):
        where = int((~(np.isfinite(array) & (array >= 0))).argmax())
        remedy = "weights are finite and not negative"
        if np.isnan(array[where]):  # what `complexity_weights` gives models that are not compared
            remedy += "; leave models without one out, such as those outside the compared range of complexity"
        raise InputError(f"{name}[{where}] is {array[where]}; {remedy}")
    if largest == 0:
        raise InputError(f"{name} are all zero; at least one model must count")
    if smallest == largest:
        return None
    # Scaling by the largest first keeps the sum finite for weights near either end of the float range.
    if not 1e-290 < largest < 1e290:
        array = array / largest
    normalised: Floats = array / array.sum()
    return normalised


def each_weight(weights: Floats | None, length: int) -> Floats:
    """The weight of every model, as `as_weights` gives them: 1/n where it says None."""
    return np.full(length, 1 / length) if weights is None else weights


def frequencies(weights: Any, length: int) -> NDArray[np.int64]:
    """How many equal models each row stands for.

    Raises
    ------
    InputError
        If weights are missing, not whole, negative, all zero, or too many to count exactly.
    """
    if weights is None:
        raise InputError("kind='frequency' needs weights: how many models each row stands for")
    as_weights(weights, length)
    times = as_numbers(weights, "weights", length=length)
    whole = times == np.floor(times)
    if not whole.all():
        where = int((~whole).argmax())
        raise InputError(f"weights[{where}] is {times[where]}; frequency weights are whole numbers")
    if times.sum() > _MOST_COUNTED:
        raise InputError(f"weights stand for {times.sum():g} models, more than can be counted; give design weights")
    return times.astype(np.int64)


def repeated(times: NDArray[np.int64], errors: Floats, strata: Any) -> tuple[Floats, NDArray[Any]]:
    """Errors and strata with each model as often as its frequency weight says.

    Raises
    ------
    InputError
        If that is more than fits in memory.
    """
    if times.sum() > _MOST_REPEATED:
        raise InputError(f"weights stand for {times.sum():g} models, more than fit in memory; give design weights")
    labels = as_strata(strata, "strata", length=errors.size, weights=times.astype(np.float64))
    return np.repeat(errors, times), np.repeat(labels, times)


def same_models(**arrays: Any) -> None:
    """Refuse DataArrays along one dimension whose labels say that they list other models, or in another order.

    Values are paired by position, so such arrays would be paired wrongly without a word.

    Raises
    ------
    InputError
        Naming the array and the first place that differs.
    """
    known: dict[Any, tuple[str, pd.Index]] = {}
    for name, array in arrays.items():
        along = array.dims[0] if isinstance(array, xr.DataArray) and array.ndim else None
        other = None if along is None else array.indexes.get(along)
        if other is None:
            continue
        first, index = known.setdefault(along, (name, other))
        if len(other) != len(index) or index.equals(other):
            continue
        where = next(
            place for place, (a, b) in enumerate(zip(index, other)) if a != b and not (pd.isna(a) and pd.isna(b))
        )
        raise InputError(
            f"{name} has other labels along {along!r} than {first} (at {where}: {other[where]!r}, {index[where]!r}); "
            f"bring it into the same order, by {name}.reindex_like({first})"
        )


def relabel(result: NDArray[Any], template: Any, name: str) -> Any:
    """`result` with the labels of `template` if that is a DataArray, else as it is."""
    if not isinstance(template, xr.DataArray):
        return result
    return xr.DataArray(result, dims=template.dims[:1], coords=_coords_along(template), name=name)


def shaped(values: NDArray[np.float64], template: Any, name: str) -> Any:
    """`values` with dimensions and labels of `template` if that is a DataArray; of a scalar a float, else as they are.

    Attributes of the template are dropped: the unit of the errors, percent, is not that of a share of models.
    """
    if isinstance(template, xr.DataArray):
        return xr.DataArray(values, dims=template.dims, coords=template.coords, name=name)
    return float(values) if values.ndim == 0 else values


def _coords_along(template: xr.DataArray) -> dict[Any, Any]:
    first = template.dims[0]
    return {key: coord for key, coord in template.coords.items() if coord.dims in ((first,), ())}
