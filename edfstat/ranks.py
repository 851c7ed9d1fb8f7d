"""Where each model ranks in its space, and how ranks depend on two training settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.arguments import choice, shown, whole
from edfstat.errors import InputError
from edfstat.labels import ArrayLike, as_errors, as_labels, coded, finite_vector, relabel, same_models

__all__ = ["rank_map", "relative_rank"]

Floats = NDArray[np.float64]
_MOST_CELLS = 100_000_000


def relative_rank(error: ArrayLike, groups: ArrayLike | None = None) -> Any:
    """Rank of each model within its group, as a share of the group: near 0 the best, near 1 the worst.

    Parameters
    ----------
    error : array_like or DataArray, shape (n,)
        Error of each model, in percent; failed models (+inf) rank last, equal among themselves.
    groups : array_like or DataArray, shape (n,), optional
        Label of each model's group, such as its design space. Default: one group.

    Returns
    -------
    ndarray or DataArray, shape (n,)
        Midrank divided by the number of models of the group, in [1/n, 1]; labels of `error` are kept.

    Raises
    ------
    InputError
        If an error is NaN or -inf, or lengths differ.

    See Also
    --------
    parameter_range : Settings of good models.

    Notes
    -----
    Tied models share the mean of their ranks, so the result does not depend on the order of the file (as
    argsort of argsort does). The mean over a group is (n + 1) / (2 n).

    Examples
    --------
    >>> relative_rank([7.0, 5.0, 6.0, 6.0]).tolist()
    [1.0, 0.25, 0.625, 0.625]
    """
    same_models(error=error, groups=groups)
    errors = as_errors(error)
    if groups is None:
        codes, counts = np.zeros(errors.size, dtype=np.intp), np.array([errors.size])
    else:
        _, codes = coded(as_labels(groups, "groups", length=errors.size), "groups")
        counts = np.bincount(codes)
    order = np.lexsort((errors, codes))
    sorted_errors, sorted_codes = errors[order], codes[order]
    new = np.append(True, (np.diff(sorted_codes) != 0) | (sorted_errors[1:] != sorted_errors[:-1]))
    first = np.flatnonzero(new)
    after = np.append(first[1:], errors.size)
    starts = np.append(0, np.cumsum(counts)[:-1])
    middle = (first + 1 + after) / 2 - starts[sorted_codes[first]]
    ranks = np.empty(errors.size)
    ranks[order] = np.repeat(middle, after - first) / counts[sorted_codes]
    return relabel(ranks, error, "relative_rank")


def rank_map(
    rank: ArrayLike, x: ArrayLike, y: ArrayLike, *, bins: int | tuple[int, int] = 12, spacing: str = "log"
) -> xr.Dataset:
    """Mean rank in each cell of a grid over two training settings, such as learning rate and weight decay.

    Parameters
    ----------
    rank : array_like or DataArray, shape (n,)
        Value to average, such as `relative_rank` of the errors; finite.
    x, y : array_like or DataArray, shape (n,)
        The two settings of each model; positive for ``spacing="log"``.
    bins : int or (int, int), default 12
        Cells along x and y.
    spacing : {"log", "uniform"}
        Whether edges are even in the logarithm.

    Returns
    -------
    Dataset
        Over ``y`` and ``x`` (cell numbers): ``mean``, NaN in empty cells; ``se``, its standard error, NaN
        below two models; ``count``. ``x_edges`` and ``y_edges`` hold the edges.

    Raises
    ------
    InputError
        If a value is not finite, or not positive for logarithmic cells, lengths differ, or `bins` is below 1.

    Examples
    --------
    >>> cells = rank_map([0.1, 0.3, 0.9], [0.01, 0.01, 1.0], [1e-4, 1e-4, 1e-2], bins=2)
    >>> cells["mean"].values.tolist(), cells["count"].values.tolist()
    ([[0.2, nan], [nan, 0.9]], [[2, 0], [0, 1]])
    """
    same_models(rank=rank, x=x, y=y)
    values = finite_vector(rank, "rank")
    choice(spacing, "spacing", ("log", "uniform"), "give 'log' or 'uniform'")
    counts = _cells(bins)
    places, edges = [], []
    for settings, name, count in ((x, "x", counts[0]), (y, "y", counts[1])):
        found = finite_vector(settings, name, values.size)
        if spacing == "log" and found.min() <= 0:
            raise InputError(
                f"{name} holds {found.min()}; logarithmic cells need positive values, or spacing='uniform'"
            )
        edge = _cell_edges(found, count, spacing)
        places.append(np.clip(np.searchsorted(edge, found, side="right") - 1, 0, count - 1))
        edges.append(edge)
    cell = places[1] * counts[0] + places[0]
    size = counts[0] * counts[1]
    number = np.bincount(cell, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(cell, values, minlength=size) / number
        square = np.bincount(cell, (values - mean[cell]) ** 2, minlength=size)
        se = np.sqrt(square / (number - 1) / number)
    se[number < 2] = np.nan
    shape = (counts[1], counts[0])
    return xr.Dataset(
        {
            "mean": (("y", "x"), mean.reshape(shape)),
            "se": (("y", "x"), se.reshape(shape)),
            "count": (("y", "x"), number.reshape(shape)),
            "x_edges": ("x_edge", edges[0]),
            "y_edges": ("y_edge", edges[1]),
        }
    )


def _cells(bins: Any) -> tuple[int, int]:
    remedy = "give a number of cells, or one for x and one for y, at least 1"
    along = list(bins) if isinstance(bins, list | tuple) or np.shape(bins) else [bins, bins]
    if len(along) != 2:
        raise InputError(f"bins is {shown(bins)}; {remedy}")
    x, y = whole(along[0], "bins", remedy), whole(along[1], "bins", remedy)
    if x * y > _MOST_CELLS:
        raise InputError(f"bins is {shown(bins)}; give fewer, at most {_MOST_CELLS:,} cells in all")
    return x, y


def _cell_edges(values: Floats, count: int, spacing: str) -> Floats:
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = (low / 1.1, high * 1.1) if spacing == "log" else (low - 0.5, high + 0.5)
    edges: Floats = np.geomspace(low, high, count + 1) if spacing == "log" else np.linspace(low, high, count + 1)
    edges[0], edges[-1] = low, high
    return edges
