"""Whether a comparison depends on the number of complexity bins, which nothing but judgement fixes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.arguments import number, points, shown, whole
from edfstat.complexity import Empty, Spacing, complexity_bins
from edfstat.distributions import edf
from edfstat.errors import InputError, PopulationError
from edfstat.labels import ArrayLike, as_errors, as_labels, coded, grid_of_numbers, same_models
from edfstat.step_gaps import ks_distance

__all__ = ["bin_sensitivity"]


def bin_sensitivity(
    error: ArrayLike,
    complexity: ArrayLike,
    groups: Any,
    eps: float,
    *,
    bins: Sequence[int] = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40),
    spacing: Spacing = "uniform",
    range: Sequence[Any] | None = None,
    empty: Empty = "drop",
) -> xr.Dataset:
    """Areas under the EDFs, and the gaps between them, for every number of complexity bins.

    Parameters
    ----------
    error : array_like or DataArray, shape (n,)
        Error of each model, percent.
    complexity : array_like or DataArray, shape (n,) or (n, 2)
        Complexity of each model.
    groups : array_like, shape (n,)
        Group (design space) of each model.
    eps : float
        Error up to which to take the area.
    bins : sequence of int
        Numbers of bins to try.
    spacing, range, empty
        As for `complexity_weights`; bins that some group leaves empty are dropped by default, so that every
        number of bins has a row.

    Returns
    -------
    Dataset
        Over ``bins``: `kept`, bins that count; `fewest`, models in the thinnest of them; with ``group``: `auc`,
        `effective_n`; with ``pair`` (coordinates `a`, `b`): `auc_difference` (a minus b), `ks`. NaN where that
        many bins leave nothing to compare.

    Raises
    ------
    InputError
        If an argument makes no sense.

    See Also
    --------
    most_bins : The number that `compare` takes.

    Examples
    --------
    >>> found = bin_sensitivity([5.0, 6.0, 7.0, 6.0, 7.0, 8.0], [1, 2, 3] * 2, list("AAABBB"), 10.0, bins=[1, 3])
    >>> found.auc_difference.round(3).values.tolist()
    [[0.1], [0.1]]
    """
    same_models(error=error, complexity=complexity, groups=groups)
    errors = as_errors(error)
    labels, _ = coded(as_labels(groups, "groups", length=errors.size), "groups")
    eps = number(eps, "eps", "give an error above 0", accept=lambda x: 0 < x < math.inf)
    counts = _counts(bins)
    if grid_of_numbers(complexity, "complexity").shape[:1] != errors.shape:
        raise InputError(f"complexity does not have one entry for each of the {errors.size} models; give one per model")
    rows: list[dict[str, Any] | None] = []
    problems = []
    for count in counts:
        try:
            found = complexity_bins(complexity, bins=count, spacing=spacing, range=range, groups=groups, empty=empty)
        except PopulationError as problem:
            problems.append(problem)
            rows.append(None)
            continue
        rows.append(_row(errors, np.asarray(groups), found, eps))
    if len(problems) == len(counts):
        raise problems[0]
    pairs = list(combinations(labels, 2))
    dims: dict[str, tuple[str, ...]] = {
        "kept": (), "fewest": (), "auc": ("group",), "effective_n": ("group",), "auc_difference": ("pair",),
        "ks": ("pair",),
    }  # fmt: skip
    sizes = {"group": labels.size, "pair": len(pairs)}
    blank = {name: np.full([sizes[dim] for dim in along], np.nan if along else 0.0) for name, along in dims.items()}
    return xr.Dataset(
        {name: (("bins", *dims[name]), np.array([(row or blank)[name] for row in rows])) for name in dims},
        coords={
            "bins": ("bins", np.array(counts)),
            "group": ("group", labels),
            "a": ("pair", [a for a, _ in pairs]),
            "b": ("pair", [b for _, b in pairs]),
        },
        attrs={"eps": eps, "spacing": spacing},
    )


def _counts(bins: Any) -> list[int]:
    remedy = "give numbers of bins, such as (1, 5, 10)"
    counts = points(bins, "bins", remedy)
    if counts.ndim != 1 or counts.size == 0:
        raise InputError(f"bins is {shown(bins)}; {remedy}")
    return [whole(count, "bins", remedy) for count in counts.tolist()]


def _row(errors: NDArray[np.float64], groups: NDArray[Any], found: xr.Dataset, eps: float) -> dict[str, Any]:
    w = found["weights"].values
    curves = [edf(errors[mine], w[mine]) for mine in ((groups == g) & ~np.isnan(w) for g in found["group"].values)]
    areas = np.array([curve.auc(eps) for curve in curves])
    pairs = list(combinations(np.arange(len(curves)), 2))
    kept = found["kept"].values
    return {
        "kept": kept.sum(),
        "fewest": found["counts"].values[:, kept].min(),
        "auc": areas,
        "effective_n": found["effective_n"].values,
        "auc_difference": np.array([areas[a] - areas[b] for a, b in pairs]),
        "ks": np.array([ks_distance(curves[a].atoms, curves[b].atoms) for a, b in pairs]),
    }
