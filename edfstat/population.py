"""The data model of everything else: a population of trained models as an `xarray.Dataset`, and what makes it valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import PopulationError
from edfstat.version import package_version

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ACCIDENTS",
    "COORDINATES",
    "STATUSES",
    "VARIABLES",
    "Variable",
    "build_population",
    "compared_errors",
    "is_frame",
    "made_by",
    "validate",
]


@dataclass(frozen=True)
class Variable:
    """What a variable of a population is: its dimensions, type, unit and meaning."""

    dims: tuple[str, ...]
    dtype: type
    units: str
    long_name: str
    percent: bool = False


_MODEL, _CURVE = ("model",), ("model", "epoch")

#: Data variables of a population. `error` is always there, the others when known.
VARIABLES: dict[str, Variable] = {
    "error": Variable(_MODEL, np.float64, "percent", "best test top-1 error over epochs", percent=True),
    "params": Variable(_MODEL, np.int64, "1", "trainable parameters"),
    "flops": Variable(_MODEL, np.int64, "1", "operations of one forward pass"),
    "acts": Variable(_MODEL, np.int64, "1", "output elements of all convolutions and the classifier"),
    "final_error": Variable(_MODEL, np.float64, "percent", "test top-1 error after the last epoch", percent=True),
    "lr": Variable(_MODEL, np.float64, "1", "initial learning rate"),
    "weight_decay": Variable(_MODEL, np.float64, "1", "weight decay"),
    "epochs": Variable(_MODEL, np.float64, "1", "epochs planned"),
    "iter_time": Variable(_MODEL, np.float64, "s", "time of one training iteration"),
    "train_loss": Variable(_CURVE, np.float64, "nat", "mean training cross entropy of each epoch"),
    "train_error": Variable(_CURVE, np.float64, "percent", "training top-1 error of each epoch", percent=True),
    "test_error": Variable(_CURVE, np.float64, "percent", "test top-1 error after each epoch", percent=True),
}

#: Coordinates along `model`. `space` and `status` are always there, the others when known.
COORDINATES: dict[str, Variable] = {
    "space": Variable(_MODEL, str, "", "design space"),
    "dataset": Variable(_MODEL, str, "", "data set trained on"),
    "net": Variable(_MODEL, str, "", "architecture as JSON text with sorted keys"),
    "source": Variable(_MODEL, str, "", "file that the model was read from"),
    "job_id": Variable(_MODEL, str, "", "identifier of the run"),
    "group": Variable(_MODEL, str, "", "list within a reruns file: top, mid or empty"),
    "status": Variable(_MODEL, str, "", "how the run ended"),
    "seed": Variable(_MODEL, np.int64, "1", "random seed of the run"),
}

#: How a run can end. Diverged is an outcome of the design space and counts; the rest after it are accidents.
STATUSES = ("ok", "diverged", "oom", "timeout", "error", "lost")
ACCIDENTS = ("oom", "timeout", "error", "lost")


def build_population(columns: Mapping[str, Any], attrs: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Population from columns named as in `VARIABLES` and `COORDINATES`, with types, units and defaults.

    Parameters
    ----------
    columns : mapping of str to array_like
        ``error`` (one per model) and any other variable or coordinate; curves have shape (model, epoch).
        Columns whose names are not of the data model are kept as they are.
    attrs : mapping, optional
        Attributes of the dataset (provenance, flops convention).

    Returns
    -------
    Dataset
        Checked by `validate`.

    Raises
    ------
    PopulationError
        If ``error`` is missing, lengths differ, or `validate` refuses a value.

    See Also
    --------
    edfstat.load : the same from a DataFrame or a file, whose columns may have other names.

    Examples
    --------
    >>> build_population({"error": [7.1, 6.4], "params": [300_000, 500_000], "space": ["A", "A"]}).sizes["model"]
    2

    A training that failed counts if it is there; a text stands for all models:

    >>> failed = {"error": [7.1, float("nan")], "status": ["ok", "diverged"], "space": "A"}
    >>> build_population(failed)["space"].values.tolist()
    ['A', 'A']
    """
    if "error" not in columns:
        raise PopulationError(f"a population needs the column 'error'; there are {sorted(columns)}")
    count = len(columns["error"])
    if count == 0:
        raise PopulationError("a population holds at least one model; there are 0")
    columns = {
        "space": np.full(count, "", dtype=object),
        "status": np.full(count, "ok", dtype=object),
        **columns,
    }
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    for name, values in columns.items():
        target = coords if name in COORDINATES else data
        target[name] = _typed(name, values, count)
    dataset = xr.Dataset(data, coords=coords, attrs={"edfstat_version": package_version(), **(attrs or {})})
    validate(dataset)
    return dataset


def _typed(name: str, values: Any, count: int) -> xr.Variable | tuple[tuple[str, ...], NDArray[Any]]:
    """Variable of the right type and attributes, from one column."""
    known = VARIABLES.get(name) or COORDINATES.get(name)
    if isinstance(values, str):
        values = np.full(count, values, dtype=object)
    array = np.asarray(values)
    if array.ndim == 0 or array.shape[0] != count:
        raise PopulationError(f"column {name!r} has shape {array.shape} for {count} models; give one entry per model")
    if known is None:
        return (_CURVE if array.ndim == 2 else _MODEL), array
    if array.ndim != len(known.dims):
        raise PopulationError(f"column {name!r} has {array.ndim} dimensions; it has {known.dims}")
    attrs = {"long_name": known.long_name} | ({"units": known.units} if known.units else {})
    # The type is as it should be, so xarray need not infer it, which costs a pass through pandas for every text.
    return xr.Variable(known.dims, _cast(name, array, known.dtype), attrs, fastpath=True)


def _cast(name: str, array: NDArray[Any], dtype: type) -> NDArray[Any]:
    if dtype is str:
        return array.astype(str).astype(object) if array.dtype.kind != "O" else array
    if dtype is np.int64 and array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.floor(array))
        if not whole.all():
            where = int((~whole).argmax())
            raise PopulationError(f"{name}[{where}] is {array[where]}; {name} are whole numbers, for every model")
    try:
        return array.astype(dtype, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise PopulationError(f"column {name!r} cannot be read as {dtype.__name__}: {error}") from None


def is_frame(value: Any) -> TypeGuard[pd.DataFrame]:
    """Whether it is a DataFrame; pandas need not be imported to tell."""
    return hasattr(value, "columns") and hasattr(value, "iloc")


def made_by(value: Any) -> str:
    """For messages: how to make a population of what was given in place of one.

    Examples
    --------
    >>> made_by([7.1, 6.4])
    "; make one by edfstat.build_population({'error': ..., 'space': ...})"
    """
    if isinstance(value, xr.Dataset):
        return ""
    how = "load(df)" if is_frame(value) else "build_population({'error': ..., 'space': ...})"
    return f"; make one by edfstat.{how}"


def validate(ds: xr.Dataset) -> None:
    """Check a population against the data model.

    Parameters
    ----------
    ds : Dataset
        With dimension ``model`` and the variables of `VARIABLES` and `COORDINATES`.

    Raises
    ------
    PopulationError
        Naming the variable and the offending models: a missing `error` or `status`, wrong dimensions or
        type, a label that is no text, an error outside 0 to 100 percent, a count below 0, an unknown status,
        or a NaN error of a model whose status is `ok`.

    See Also
    --------
    build_population : A population from arrays.

    Examples
    --------
    >>> from edfstat import build_population, validate
    >>> validate(build_population({"error": [3.0, 150.0]}))
    Traceback (most recent call last):
    ...
    edfstat.errors.PopulationError: error is outside 0 to 100 percent in 1 of 2 models: model 1 has 150.0
    """
    if not isinstance(ds, xr.Dataset):
        raise PopulationError(f"a population is an xarray Dataset; this is a {type(ds).__name__}{made_by(ds)}")
    if "model" not in ds.dims or ds.sizes["model"] == 0:
        raise PopulationError(
            f"a population has the dimension 'model' with at least one entry; this has {dict(ds.sizes)}"
        )
    for name in ("error", "status", "space"):
        if name not in ds.variables:
            raise PopulationError(f"a population needs {name!r}; there are {sorted(map(str, ds.variables))}")
    for name, known in {**VARIABLES, **COORDINATES}.items():
        if name in ds.variables:
            _validate_variable(ds[name], name, known)
    status, missing = ds["status"].values, np.isnan(ds["error"].values)
    if not set(status.tolist()) <= set(STATUSES):
        _refuse(~np.isin(status.astype(str), STATUSES), ds["status"], f"status is none of {', '.join(STATUSES)}")
    if missing.any():
        _refuse(missing & (status == "ok"), ds["error"], "error is NaN though the status is ok")


def _validate_variable(array: xr.DataArray, name: str, known: Variable) -> None:
    if array.dims != known.dims:
        raise PopulationError(f"{name} has dimensions {array.dims}; it should have {known.dims}")
    kinds = {str: "OUT", np.int64: "iu", np.float64: "fiu"}[known.dtype]
    if array.dtype.kind not in kinds:
        raise PopulationError(f"{name} has type {array.dtype}; it should be {known.dtype.__name__}")
    if known.dtype is str and array.dtype.kind == "O":
        _refuse_no_text(array, name)
    if known.percent:
        values = array.values
        if values.size and (np.fmin.reduce(values, axis=None) < 0 or np.fmax.reduce(values, axis=None) > 100):
            _refuse((values < 0) | (values > 100), array, f"{name} is outside 0 to 100 percent")
    elif name in ("params", "flops", "acts"):
        _refuse(array.values < 0, array, f"{name} is negative")


def _refuse_no_text(array: xr.DataArray, name: str) -> None:
    values = array.values.tolist()
    if set(map(type, values)) - {str}:
        _refuse(np.array([not isinstance(value, str) for value in values]), array, f"{name} is no text")


def _refuse(bad: NDArray[np.bool_], array: xr.DataArray, complaint: str) -> None:
    models = bad if bad.ndim == 1 else bad.any(axis=1)
    if not models.any():
        return
    first = int(models.argmax())
    value = array.values[first] if bad.ndim == 1 else array.values[first][bad[first]][0]
    raise PopulationError(f"{complaint} in {int(models.sum())} of {models.size} models: model {first} has {value!s}")


def compared_errors(ds: xr.Dataset, error: str = "error") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Errors as comparisons count them, and which models count at all.

    A diverged model counts: with the best error it reached, or +inf if it never reached one. Models lost to
    an accident (`ACCIDENTS`) do not count; callers report how many there were. Where no status is known, all count.

    Returns
    -------
    error : ndarray, shape (model,)
        NaN replaced by +inf.
    counted : ndarray of bool, shape (model,)
    """
    values = ds[error].values.astype(np.float64)
    counted = np.ones(values.shape, dtype=bool)
    if "status" in ds.variables:
        counted = ~np.isin(ds["status"].values.astype(str), ACCIDENTS)
    return np.where(np.isnan(values), np.inf, values), counted
