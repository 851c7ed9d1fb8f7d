"""Complexity bins shared by all compared groups, and the weights that take complexity out of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.bins import Binning, bin_models, feasible_bins
from edfstat.imbalance import standardized_difference
from edfstat.labels import ArrayLike, relabel

__all__ = ["Empty", "Spacing", "complexity_bins", "complexity_weights", "most_bins"]

Floats = NDArray[np.float64]
Spacing = Literal["uniform", "log", "quantile"]
Empty = Literal["raise", "drop", "merge"]


def complexity_weights(
    complexity: ArrayLike,
    *,
    bins: int | Sequence[Any] = 10,
    spacing: Spacing = "uniform",
    range: Sequence[Any] | None = None,
    groups: Any = None,
    empty: Empty = "raise",
    target: Any = None,
    min_count: int = 1,
) -> Any:
    """Weights under which every group has the same distribution over bins of complexity.

    Parameters
    ----------
    complexity : array_like or DataArray, shape (n,) or (n, 2)
        Complexity of each model (parameters or flops, counts), or two of them for a joint grid.
    bins : int or sequence, default 10
        Number of bins, or their edges, ascending; for a joint grid a pair of these.
    spacing : {"uniform", "log", "quantile"}
        How edges are spaced: evenly (the paper), evenly in logarithms, or by quantiles of all models together.
    range : (low, high), optional
        Keep low < complexity < high, strictly; for a joint grid a pair of these. Default: the range that all
        groups share, from the largest of their minima to the smallest of their maxima, both included.
    groups : array_like, shape (n,), optional
        Label of the group (design space) of each model. Default: one group.
    empty : {"raise", "drop", "merge"}
        What to do with a bin where some group has fewer than `min_count` models: refuse, leave it out of
        every group, or join it to its neighbour in every group.
    target : sequence, label or "pooled", optional
        Share of each bin: numbers, one per bin (normalised); "pooled" for those of all models; or a label of
        `groups` for those of that group. Default: the same for all, 1/k.
    min_count : int, default 1
        Models that every bin must hold in every group.

    Returns
    -------
    ndarray or DataArray, shape (n,)
        Weights that sum to 1 within each group; NaN outside the range and in bins left out.

    Raises
    ------
    PopulationError
        If a bin is empty (naming it, the group, and a number of bins that works), or the groups share no range.
    InputError
        If an argument makes no sense.

    See Also
    --------
    complexity_bins : The bins, and whether they can carry a comparison.
    most_bins : How many bins there may be.
    balance_weights : Without bins.
    compare : All of it in one call.

    Notes
    -----
    Each of the m_j models of its group in bin j gets W_j / m_j, W_j the share of the bin: 1/(k m_j) in the
    paper [1]_, known in surveys as post-stratification. Bins hold their lower edge, the last one both.

    References
    ----------
    .. [1] Radosavovic et al., On Network Design Spaces for Visual Recognition, ICCV 2019, arXiv:1905.13214.

    Examples
    --------
    >>> complexity_weights([1.0, 1.5, 2.0, 3.0], bins=2).tolist()
    [0.25, 0.25, 0.25, 0.25]
    >>> complexity_weights([1.0, 1.5, 1.9, 3.0], bins=2).round(3).tolist()
    [0.167, 0.167, 0.167, 0.5]

    Models outside the range have no weight; statistics refuse NaN, so leave these models out:

    >>> import numpy as np
    >>> weights = complexity_weights([1.0, 1.5, 1.9, 9.0], bins=2, range=(0.5, 2.0))
    >>> weights.round(3).tolist(), float(weights[~np.isnan(weights)].sum().round(3))
    ([0.5, 0.25, 0.25, nan], 1.0)
    """
    found = bin_models(complexity, bins, spacing, range, groups, empty, target, min_count)
    return relabel(found.weights, complexity, "weights")


def complexity_bins(
    complexity: ArrayLike,
    *,
    bins: int | Sequence[Any] = 10,
    spacing: Spacing = "uniform",
    range: Sequence[Any] | None = None,
    groups: Any = None,
    empty: Empty = "raise",
    target: Any = None,
    min_count: int = 1,
) -> xr.Dataset:
    """The bins behind `complexity_weights`, with what shows whether they can carry a comparison.

    Parameters
    ----------
    complexity, bins, spacing, range, groups, empty, target, min_count
        As for `complexity_weights`.

    Returns
    -------
    Dataset
        `weights` (model); `bin` (model): its number, -1 outside the range and in bins left out; `edges`
        (edge, or axis and edge for a joint grid, whose bins are numbered row by row); `counts` (group, bin);
        `kept` (bin): whether the bin counts; `share` (bin): its part of the weight; `outside` (group): models
        outside the range; `effective_n` (group): (sum w)^2 / sum w^2; `max_weight` (group); `imbalance`
        (group, or group and axis): how far the weighted mean of log complexity in the group still lies from
        the mean of the groups', in standard deviations within groups (of complexity itself where some is not
        above 0).

    Raises
    ------
    PopulationError, InputError
        As `complexity_weights`.

    See Also
    --------
    complexity_weights : The weights alone.
    most_bins : How many bins there may be.

    Examples
    --------
    >>> found = complexity_bins([1.0, 2.0, 3.0, 1.0, 1.4, 3.0], groups=list("AAABBB"), bins=2)
    >>> found.counts.values.tolist(), found.effective_n.round(2).values.tolist()
    ([[1, 2], [2, 1]], [2.67, 2.67])
    """
    found = bin_models(complexity, bins, spacing, range, groups, empty, target, min_count)
    dim, labels = _models(complexity)
    joint = found.values.shape[1] > 1
    return xr.Dataset(
        {
            "weights": (dim, found.weights),
            "bin": (dim, np.where(found.used, found.bin, -1)),
            "edges": (("axis", "edge"), _ragged(found.edges)) if joint else ("edge", found.edges[0]),
            "counts": (("group", "bin"), found.counts),
            "kept": ("bin", found.kept),
            "share": ("bin", found.share),
            "outside": ("group", _outside(found)),
            "effective_n": ("group", _per_group(found, lambda w: 1 / float(w @ w))),
            "max_weight": ("group", _per_group(found, lambda w: float(w.max()))),
            "imbalance": (
                ("group", "axis") if joint else ("group",),
                _imbalance(found) if joint else _imbalance(found)[:, 0],
            ),
        },
        coords={"group": ("group", found.labels)},
        attrs={"spacing": spacing, "empty": empty, "method": "post-stratification"},
    ).assign_coords(labels)


def most_bins(
    complexity: ArrayLike,
    groups: Any = None,
    *,
    spacing: Spacing = "uniform",
    range: Sequence[Any] | None = None,
    limit: int = 40,
    min_count: int = 10,
) -> int:
    """Largest number of bins, at most `limit`, that leaves `min_count` models in every bin and group.

    Parameters
    ----------
    complexity : array_like, shape (n,)
        Parameters or flops of each model.
    groups : array_like, shape (n,), optional
        The group of each model; one group where left out.
    spacing : {"uniform", "log", "quantile"}
        How edges lie between the ends.
    range : (float, float), optional
        Ends, themselves left out. Default: the range that all groups share.
    limit : int, default 40
        The most bins that are tried.
    min_count : int, default 10
        Models that every bin holds of every group.

    Returns
    -------
    int
        1 if even two bins leave fewer.

    Raises
    ------
    InputError
        If a complexity is no number, lengths differ, or the groups share no range.

    See Also
    --------
    bin_sensitivity : What other numbers of bins would give.

    Examples
    --------
    >>> import numpy as np
    >>> most_bins(np.arange(100.0))
    10
    """
    return feasible_bins(complexity, groups, spacing, range, limit, min_count)


#: Names of the result's own variables and dimensions: coordinates of the models that have one are left out, such as
#: the ``group`` of a population.
_TAKEN = {
    "axis", "bin", "counts", "edge", "edges", "effective_n", "group", "imbalance", "kept", "max_weight", "outside",
    "share", "weights",
}  # fmt: skip


def _models(complexity: Any) -> tuple[str, xr.Coordinates]:
    """Dimension of the models in the result, and what labels them."""
    if not isinstance(complexity, xr.DataArray):
        return "model", xr.Coordinates()
    along = str(complexity.dims[0])
    if along in _TAKEN:
        # Its labels become those of `model`, unless the models have labels of that name.
        change = complexity.swap_dims if "model" in complexity.coords else complexity.rename
        complexity, along = change({along: "model"}), "model"
    others = [name for name, coord in complexity.coords.items() if coord.dims != (along,) or name in _TAKEN]
    return along, complexity.drop_vars(others).coords


def _ragged(edges: list[Floats]) -> Floats:
    table = np.full((len(edges), max(map(len, edges))), np.nan)
    for row, values in zip(table, edges, strict=True):
        row[: values.size] = values
    return table


def _outside(found: Binning) -> NDArray[np.intp]:
    return np.bincount(found.groups[found.bin < 0], minlength=found.labels.size)


def _per_group(found: Binning, summary: Callable[[Floats], float]) -> list[float]:
    return [summary(found.weights[found.used & (found.groups == g)]) for g in np.arange(found.labels.size)]


def _imbalance(found: Binning) -> Floats:
    """Of each group in each measure."""
    weights, count = np.where(found.used, found.weights, 0.0), found.labels.size
    return np.stack([standardized_difference(axis, weights, found.groups, count) for axis in found.values.T], axis=1)
