"""Which models a comparison counts, and to which group each belongs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import InputError, PopulationError
from edfstat.population import ACCIDENTS, STATUSES, VARIABLES, compared_errors, made_by

__all__ = ["ACCIDENT_SHARE", "MOST_GROUPS", "Groups", "select_groups"]

#: Share of models lost to accidents above which a comparison warns: they may not be lost at random.
ACCIDENT_SHARE = 0.01
#: Most groups of a comparison: 8 colours with 8 dashes tell no more apart, and so many make 2,016 pairs to adjust for.
MOST_GROUPS = 64
#: Label of models whose group is the empty text.
UNNAMED = "unnamed"


@dataclass(frozen=True)
class Groups:
    """The models that count, in the order of the population, and the group of each."""

    names: list[str]
    error: NDArray[np.float64]
    code: NDArray[np.intp]
    models: xr.Dataset
    n_status: NDArray[np.int64]
    warnings: list[str] = field(default_factory=list)

    def members(self, group: int) -> NDArray[np.intp]:
        """Positions of the group's models among those that count."""
        return np.flatnonzero(self.code == group)


def select_groups(ds: xr.Dataset, by: str, error: str) -> Groups:
    """Models that count, their errors (a failed model has +inf) and groups, in order of first appearance.

    Raises
    ------
    InputError
        If `by` or `error` is no variable with one entry per model, or `by` makes more than `MOST_GROUPS` groups.
    PopulationError
        If no model counts or none has a finite error.
    """
    ds = _with_status(ds)
    _require(ds, "by", by)
    _require(ds, "error", error)
    status = _known_status(ds)
    values, counted = _errors(ds, error, status)
    _refuse_missing(ds, by)
    names, code = _named(ds[by].values)
    n_status = np.zeros((len(names), len(STATUSES)), dtype=np.int64)
    for column, known in enumerate(STATUSES):
        n_status[:, column] = np.bincount(code[status == known], minlength=len(names))
    alive = np.bincount(code[counted], minlength=len(names)) > 0
    if not alive.any():
        raise PopulationError(f"none of {values.size} models counts: all are lost to accidents; run them again")
    if not np.isfinite(values[counted]).any():
        raise PopulationError(f"none of {int(counted.sum())} models has a finite {error}; there is nothing to compare")
    _refuse_many(int(alive.sum()), int(counted.sum()), by)
    warnings = _accident_warnings(names, n_status, alive)
    renumbered = np.cumsum(alive) - 1
    chosen = counted & alive[code]
    models = ds.isel(model=np.flatnonzero(chosen))
    kept = [name for name, keep in zip(names, alive, strict=True) if keep]
    found = Groups(kept, values[chosen], renumbered[code[chosen]], models, n_status[alive], warnings)
    warnings.extend([*_unit_warnings(found, error), *_mixture_warnings(found, by)])
    return found


def _named(labels: NDArray[Any]) -> tuple[list[str], NDArray[np.intp]]:
    """Names of the groups in order of first appearance, and the number of each model's group."""
    codes, found = pd.factorize(labels)
    texts = [str(label) or UNNAMED for label in found]
    places = {name: place for place, name in enumerate(dict.fromkeys(texts))}
    return list(places), np.array([places[text] for text in texts], dtype=np.intp)[codes]


def _refuse_missing(ds: xr.Dataset, by: str) -> None:
    missing = ds[by].isnull().values
    if missing.any():
        raise InputError(
            f"{by}[{int(missing.argmax())}] is {ds[by].values[missing.argmax()]}, one of {int(missing.sum())} models "
            f"without a label; leave them out: ds.isel(model=ds[{by!r}].notnull().values)"
        )


def _refuse_many(groups: int, models: int, by: str) -> None:
    """A label of single models, such as a seed or an architecture, would take minutes for an answer nobody reads."""
    if groups > MOST_GROUPS:
        other = "" if by == "space" else ", or give another by, such as 'space'"
        raise InputError(
            f"by is {by!r}, which makes {groups:,} groups of {models:,} models and {groups * (groups - 1) // 2:,} "
            f"pairs; a comparison takes at most {MOST_GROUPS} groups: select some, by "
            f"ds.isel(model=ds[{by!r}].isin([...]).values){other}"
        )


def _with_status(ds: Any) -> xr.Dataset:
    if isinstance(ds, xr.Dataset) and ds.sizes.get("model") == 0:
        raise PopulationError("the population has no models, so there is nothing to compare; load or select some")
    if not isinstance(ds, xr.Dataset) or "model" not in ds.dims:
        described = dict(ds.sizes) if isinstance(ds, xr.Dataset) else type(ds).__name__
        raise PopulationError(
            f"compare takes a population, a Dataset with dimension 'model'; this is {described}{made_by(ds)}"
        )
    if "status" in ds.variables:
        return ds
    return ds.assign_coords(status=("model", np.full(ds.sizes["model"], "ok", dtype=object)))


def _known_status(ds: xr.Dataset) -> NDArray[Any]:
    status: NDArray[Any] = ds["status"].values.astype(str)
    unknown = ~np.isin(status, STATUSES)
    if unknown.any():
        first = int(unknown.argmax())
        raise PopulationError(
            f"status of model {first} is {str(status[first])!r}, one of {int(unknown.sum())} that are unknown; give "
            f"one of {', '.join(STATUSES)}"
        )
    return status


def _require(ds: xr.Dataset, argument: str, name: str) -> None:
    usable = sorted(str(key) for key, array in ds.variables.items() if array.dims == ("model",))
    if name not in usable:
        raise InputError(f"{argument} is {name!r}; give a variable with one entry per model: {', '.join(usable)}")


def _errors(ds: xr.Dataset, error: str, status: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    if ds[error].dtype.kind not in "fiu":
        raise InputError(f"error is {error!r}, which holds {ds[error].dtype} values; name a variable of numbers")
    values, counted = compared_errors(ds, error)
    unexplained = np.isnan(ds[error].values.astype(np.float64)) & (status == "ok")
    if unexplained.any():
        raise PopulationError(
            f"{error} is NaN in {int(unexplained.sum())} of {values.size} models whose status is ok (first: model "
            f"{int(unexplained.argmax())}); mark them as diverged to count them as failed, or leave them out"
        )
    if (values == -np.inf).any():
        raise PopulationError(
            f"{error} of model {int((values == -np.inf).argmax())} is -inf; errors are finite or +inf"
        )
    return values, counted


def _accident_warnings(names: list[str], n_status: NDArray[np.int64], alive: NDArray[np.bool_]) -> list[str]:
    found = []
    columns = [STATUSES.index(status) for status in ACCIDENTS]
    for name, counts, keep in zip(names, n_status, alive, strict=True):
        lost, total = int(counts[columns].sum()), int(counts.sum())
        by_kind = ", ".join(f"{counts[c]} {STATUSES[c]}" for c in columns if counts[c])
        if not keep:
            found.append(f"{name} is left out: all {total} models were lost to accidents ({by_kind}).")
        elif lost > ACCIDENT_SHARE * total:
            found.append(
                f"{name}: {lost} of {total} models ({lost / total:.1%}) were lost to accidents ({by_kind}) and are "
                "left out; if the lost models differ from the rest, the comparison is biased."
            )
    return found


def _unit_warnings(groups: Groups, error: str) -> list[str]:
    """Groups whose errors look like fractions, where they should be percent."""
    if error not in VARIABLES or not VARIABLES[error].percent:
        return []
    largest = np.zeros(len(groups.names))
    finite = np.isfinite(groups.error)
    np.maximum.at(largest, groups.code[finite], groups.error[finite])
    small = [name for name, most in zip(groups.names, largest, strict=True) if 0 < most <= 1]
    if not small:
        return []
    return [f"No error of {', '.join(small)} exceeds 1; errors are in percent, so multiply by 100 what is a fraction."]


def _mixture_warnings(groups: Groups, by: str) -> list[str]:
    """Differences in how the models were trained, which a comparison of `by` would mix up with it."""
    found = []
    for name, what in (("dataset", "data sets"), ("epochs", "numbers of epochs")):
        if name == by or name not in groups.models.variables:
            continue
        seen = sorted({str(value) for value in pd.unique(groups.models[name].values)} - {"", "nan"})
        if len(seen) > 1:
            shown = ", ".join(seen[:5]) + (", ..." if len(seen) > 5 else "")
            found.append(f"The models were trained with different {what} ({shown}), which the comparison mixes up.")
    return found
