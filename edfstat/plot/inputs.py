"""What a figure draws: a finished comparison, or a population from which the figure makes the one it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from edfstat.errors import InputError, PopulationError
from edfstat.evidence import measure_words
from edfstat.population import compared_errors, made_by

__all__ = [
    "check_groups",
    "comparison_of", "group_names", "is_comparison", "models_of", "population_of", "refuse_all_failed", "under",
    "words_of",
]  # fmt: skip


def is_comparison(data: Any) -> bool:
    """Whether this is what `edfstat.compare` returns."""
    return isinstance(data, xr.Dataset) and "measure" in data.dims and "group" in data.dims


def comparison_of(
    data: xr.Dataset, measure: str, *, by: str = "space", groups: Sequence[str] | None = None
) -> xr.Dataset:
    """One measure of a comparison, for the groups asked for; a population is compared first, without tests.

    Raises
    ------
    InputError
        If `data` is neither, or the measure or a group is not in it.
    """
    if not is_comparison(data):
        from edfstat.comparison import compare

        _check_population(data)
        if measure != "none" and measure not in data:
            there = [name for name in ("params", "flops", "acts") if name in data]
            raise InputError(f"measure is {measure!r}; the population has {['none', *there]}")
        # No figure shows a p-value, so one resample will do.
        data = compare(data, by=by, complexity="none" if measure == "none" else [measure], n_resamples=1, rng=0)
    return _only(under(data, measure), groups)


def under(comparison: xr.Dataset, measure: str) -> xr.Dataset:
    """The comparison under one measure."""
    there = [str(name) for name in comparison["measure"].values]
    if measure not in there:
        raise InputError(f"measure is {measure!r}; the comparison has {there}")
    return comparison.isel(measure=there.index(measure))


def words_of(found: xr.Dataset) -> str:
    """How one measure of a comparison compares the models, in the words of verdicts and reports."""
    measure = str(found["measure"].item())
    return measure_words(found[["bins"]].expand_dims("measure"), measure)


def check_groups(comparison: xr.Dataset, groups: Sequence[str] | None) -> None:
    """Refuse groups that the comparison has not."""
    there = group_names(comparison)
    if unknown := [name for name in groups or () if name not in there]:
        raise InputError(f"groups has {unknown}; the comparison has {there}")


def _only(comparison: xr.Dataset, groups: Sequence[str] | None) -> xr.Dataset:
    if groups is None:
        return comparison
    check_groups(comparison, groups)
    there = group_names(comparison)
    return comparison.isel(group=[there.index(name) for name in groups])


def group_names(comparison: xr.Dataset) -> list[str]:
    """Groups of a comparison, in its order."""
    return [str(name) for name in comparison["group"].values]


def population_of(data: xr.Dataset, figure: str, needs: Sequence[str] = ()) -> xr.Dataset:
    """The population, if `data` is one that has the variables the figure needs.

    Raises
    ------
    InputError
        Naming what is missing, or that a comparison no longer holds the models.
    """
    if is_comparison(data):
        raise InputError(f"{figure} draws single models, which a comparison does not hold; give the population")
    _check_population(data)
    missing = [name for name in needs if name not in data.variables]
    if missing:
        raise InputError(f"{figure} needs {missing}, which this population does not have")
    return data


def models_of(ds: xr.Dataset, by: str, groups: Sequence[str] | None = None) -> dict[str, xr.Dataset]:
    """Models that count, by group, with ``error`` as comparisons take it (+inf for a failed model)."""
    if by not in ds.variables:
        raise InputError(f"by is {by!r}; the population has {sorted(map(str, ds.variables))}")
    errors, counted = compared_errors(ds)
    if not counted.any():
        raise PopulationError(f"none of {errors.size} models counts: all are lost to accidents; run them again")
    models = ds.assign(error=("model", errors)).isel(model=np.flatnonzero(counted))
    labels = models[by].values.astype(str)
    # In the order in which a comparison has them, so that a group keeps its colour from figure to figure.
    names = list(dict.fromkeys(labels.tolist())) if groups is None else [str(name) for name in groups]
    unknown = [name for name in names if name not in labels]
    if unknown:
        raise InputError(f"groups has {unknown}; the population has {sorted(set(labels.tolist()))}")
    return {name: models.isel(model=np.flatnonzero(labels == name)) for name in names}


def refuse_all_failed(models: dict[str, xr.Dataset], figure: str) -> None:
    """Refuse models none of which has a finite error: nothing lies inside the axes."""
    if not any(np.isfinite(group["error"].values).any() for group in models.values()):
        total = sum(group.sizes["model"] for group in models.values())
        raise PopulationError(f"none of {total} models has a finite error; {figure} has nothing to draw")


def _check_population(data: Any) -> None:
    if not isinstance(data, xr.Dataset) or "model" not in data.dims or "error" not in data:
        raise InputError(
            f"a figure draws a population or a comparison (Datasets); this is a {type(data).__name__}{made_by(data)}"
        )
    if data.sizes["model"] == 0:
        raise PopulationError("the population has no models, so there is nothing to draw; load or select some")
