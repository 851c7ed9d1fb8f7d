"""Which bin each model is in, which bins count, and what each model weighs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.arguments import choice, points, shown, whole
from edfstat.bin_limits import possible_bins
from edfstat.errors import InputError, PopulationError
from edfstat.labels import as_labels, coded, grid_of_numbers, same_models

__all__ = ["Binning", "bin_models", "feasible_bins", "range_ends"]

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
_MOST_BINS = 1_000_000


@dataclass
class Binning:
    """Models in bins; arrays over models, then over groups and bins."""

    values: Floats
    groups: Codes
    labels: NDArray[Any]
    edges: list[Floats]
    bin: Codes
    counts: NDArray[np.intp]
    kept: NDArray[np.bool_]
    share: Floats
    weights: Floats

    @property
    def used(self) -> NDArray[np.bool_]:
        """Models with a weight."""
        return ~np.isnan(self.weights)


@dataclass(frozen=True)
class _Compared:
    """What is to be binned: models, their groups, the compared range of each measure, and how bins divide it."""

    values: Floats
    codes: Codes
    labels: NDArray[Any]
    inside: NDArray[np.bool_]
    bounds: list[tuple[float, float]]
    spacing: str
    min_count: int

    def edges(self, bins: Any) -> list[Floats]:
        """Edges of each measure, for `bins` as a user gives them."""
        wanted = _per_axis(bins, self.values.shape[1])
        return [
            _edges(axis[self.inside], each, self.spacing, *bound)
            for axis, each, bound in zip(self.values.T, wanted, self.bounds, strict=True)
        ]

    def spaced(self, count: int) -> list[Floats]:
        """Edges of that many bins in each measure."""
        return [
            _spaced(axis[self.inside], count, self.spacing, *bound)
            for axis, bound in zip(self.values.T, self.bounds, strict=True)
        ]

    def placed(self, edges: list[Floats]) -> tuple[Codes, NDArray[np.intp]]:
        """Bin of each model, and the models of each group and bin."""
        place = _place(self.values, edges, self.inside)
        return place, _count(place, self.codes, self.labels.size, _number(edges))


def _compared(complexity: Any, groups: Any, spacing: str, limits: Any, bins: Any, min_count: int) -> _Compared:
    values = _values(complexity)
    labels, codes = _groups(groups, complexity, values.shape[0])
    inside, bounds = _support(values, codes, labels, limits, bins)
    return _Compared(values, codes, labels, inside, bounds, spacing, min_count)


def bin_models(
    complexity: Any, bins: Any, spacing: str, limits: Any, groups: Any, empty: str, target: Any, min_count: int
) -> Binning:
    """Bins, counts and weights; see `edfstat.complexity_weights` for the arguments."""
    choice(spacing, "spacing", ("uniform", "log", "quantile"))
    choice(empty, "empty", ("raise", "drop", "merge"))
    min_count = whole(min_count, "min_count", "give a whole number of at least 1")
    models = _compared(complexity, groups, spacing, limits, bins, min_count)
    edges = models.edges(bins)
    place, counts = models.placed(edges)
    share = _share(target, counts, models.labels)
    short = _short(counts, share, min_count)
    if short.any() and empty == "merge":
        edges, share = _merge(edges, counts, share, min_count, even=target is None)
        place, counts = models.placed(edges)
        short = _short(counts, share, min_count)
    if short.any() and empty == "raise":
        works = _that_work(complexity, groups, spacing, limits, edges, min_count)
        raise PopulationError(_complaint(models, edges, counts, short, works, listed=_many(target)))
    kept = ~short & (counts.min(axis=0) > 0)
    if not kept.any():
        raise PopulationError(
            f"no bin holds {min_count} or more models of every group, so nothing can be compared; "
            "use fewer bins or groups whose complexity overlaps"
        )
    share = np.where(kept, share, 0.0)
    if share.sum() == 0:
        raise PopulationError("target gives no weight to any bin that every group fills; give other shares")
    share /= share.sum()
    weights = _weigh(place, models.codes, counts, kept, share)
    return Binning(models.values, models.codes, models.labels, edges, place, counts, kept, share, weights)


def feasible_bins(complexity: Any, groups: Any, spacing: str, limits: Any, limit: int, min_count: int) -> int:
    """Most bins, at most `limit`, with `min_count` models in every bin and group; 1 if there are none."""
    choice(spacing, "spacing", ("uniform", "log", "quantile"))
    limit = whole(limit, "limit", "give a whole number of at least 1")
    min_count = whole(min_count, "min_count", "give a whole number of at least 1")
    models = _compared(complexity, groups, spacing, limits, limit, min_count)
    return _feasible(models, limit) or 1


def _values(complexity: Any) -> Floats:
    array = grid_of_numbers(complexity, "complexity")
    if array.ndim not in (1, 2) or array.size == 0 or (array.ndim == 2 and array.shape[1] not in (1, 2)):
        raise InputError(f"complexity has shape {array.shape}; give (models,) or (models, 2)")
    values = array.reshape(array.shape[0], -1)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        first = int(bad.argmax())
        raise InputError(
            f"complexity[{first}] is {array[first]} ({int(bad.sum())} of {bad.size} are not finite); leave such out"
        )
    return values


def _groups(groups: Any, complexity: Any, length: int) -> tuple[NDArray[Any], Codes]:
    same_models(complexity=complexity, groups=groups)
    if groups is None:
        return np.array(["all"], dtype=object), np.zeros(length, dtype=np.intp)
    labels, codes = coded(as_labels(groups, "groups", length=length), "groups")
    return labels, codes


def _many(value: Any) -> bool:
    """Whether it is a sequence, ragged ones included."""
    return isinstance(value, list | tuple | range) or bool(getattr(value, "ndim", 0))


def _per_axis(bins: Any, axes: int) -> list[Any]:
    if axes == 1:
        return [bins]
    if not _many(bins):
        return [bins, bins]
    if len(bins) != 2:
        raise InputError(f"bins has {len(bins)} entries for two measures; give a number or a pair")
    return list(bins)


def _support(
    values: Floats, codes: Codes, labels: NDArray[Any], limits: Any, bins: Any
) -> tuple[NDArray[np.bool_], list[tuple[float, float]]]:
    """Models inside the compared range, and the range of each measure."""
    axes = values.shape[1]
    inside = np.ones(values.shape[0], dtype=bool)
    bounds = []
    ranges = [None] * axes if limits is None else [limits] if axes == 1 else limits
    if not _many(ranges) or len(ranges) != axes:
        raise InputError(f"range is {shown(limits)}; give one (low, high) per measure")
    for axis, limit, wanted in zip(values.T, ranges, _per_axis(bins, axes), strict=True):
        if limit is not None:
            low, high = range_ends(limit, "range")
            inside &= (axis > low) & (axis < high)
        elif _many(wanted):
            given = _given_edges(wanted)
            low, high = float(given[0]), float(given[-1])
            inside &= (axis >= low) & (axis <= high)
        else:
            low, high = _common(axis, codes, labels)
            inside &= (axis >= low) & (axis <= high)
        bounds.append((low, high))
    missing = np.bincount(codes[inside], minlength=labels.size) == 0
    if missing.any():
        where = " and ".join(f"{low:g} to {high:g}" for low, high in bounds)
        raise PopulationError(f"group {labels[missing][0]!s} has no model with complexity {where}; widen the range")
    return inside, bounds


def range_ends(limit: Any, name: str) -> tuple[float, float]:
    """The ends of a range of complexity, (low, high), as numbers."""
    remedy = "give (low, high) with low < high, both finite"
    ends = points(limit, name, remedy)
    if ends.shape != (2,) or not np.isfinite(ends).all() or not ends[0] < ends[1]:
        raise InputError(f"{name} is {shown(limit)}; {remedy}")
    return float(ends[0]), float(ends[1])


def _common(axis: Floats, codes: Codes, labels: NDArray[Any]) -> tuple[float, float]:
    low, high = np.full(labels.size, np.inf), np.full(labels.size, -np.inf)
    np.minimum.at(low, codes, axis)
    np.maximum.at(high, codes, axis)
    if low.max() > high.min():
        above, below = labels[low.argmax()], labels[high.argmin()]
        raise PopulationError(
            f"groups share no range of complexity: {above!s} starts at {low.max():g}, above the end of {below!s} "
            f"at {high.min():g}; compare groups that overlap"
        )
    return float(low.max()), float(high.min())


def _edges(inside: Floats, bins: Any, spacing: str, low: float, high: float) -> Floats:
    if _many(bins):
        return _given_edges(bins)
    count = whole(bins, "bins", f"give a whole number from 1 to {_MOST_BINS:,}, or edges", most=_MOST_BINS)
    return _spaced(inside, count, spacing, low, high)


def _given_edges(bins: Any) -> Floats:
    remedy = "give a number or at least two edges in ascending order"
    edges = points(bins, "bins", remedy)
    if edges.ndim != 1 or edges.size < 2 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise InputError(f"bins is {shown(bins)}; {remedy}")
    return edges


def _spaced(inside: Floats, count: int, spacing: str, low: float, high: float) -> Floats:
    if spacing == "log":
        if low <= 0:
            raise InputError(f"spacing='log' needs complexity above 0; the range starts at {low:g}")
        edges: Floats = np.geomspace(low, high, count + 1)
    elif spacing == "quantile":
        edges = np.quantile(inside, np.linspace(0, 1, count + 1))
    else:
        edges = np.linspace(low, high, count + 1)
    edges[0], edges[-1] = low, high
    return edges


def _place(values: Floats, edges: list[Floats], inside: NDArray[np.bool_]) -> Codes:
    """Number of the bin of each model, -1 outside; a joint grid is numbered row by row."""
    place = np.zeros(values.shape[0], dtype=np.intp)
    for axis, marks in zip(values.T, edges, strict=True):
        step = np.searchsorted(marks, axis, side="right") - 1
        step = np.where(axis == marks[-1], marks.size - 2, step)
        place = place * (marks.size - 1) + step
        inside = inside & (step >= 0) & (step <= marks.size - 2)
    return np.where(inside, place, -1)


def _number(edges: list[Floats]) -> int:
    return int(np.prod([marks.size - 1 for marks in edges]))


def _count(place: Codes, codes: Codes, groups: int, bins: int) -> NDArray[np.intp]:
    inside = place >= 0
    return np.bincount(codes[inside] * bins + place[inside], minlength=groups * bins).reshape(groups, bins)


def _short(counts: NDArray[np.intp], share: Floats, min_count: int) -> NDArray[np.bool_]:
    """Bins that should carry weight and have too few models of some group."""
    short: NDArray[np.bool_] = (counts.min(axis=0) < min_count) & (share > 0)
    return short


def _share(target: Any, counts: NDArray[np.intp], labels: NDArray[Any]) -> Floats:
    bins = counts.shape[1]
    if target is None:
        return np.full(bins, 1 / bins)
    if not _many(target):
        known = np.array([bool(label == target) for label in labels.tolist()])
        if not known.any() and not (isinstance(target, str) and target == "pooled"):
            raise InputError(
                f"target is {shown(target)}; give one share per bin, 'pooled' or one of {shown(labels.tolist())}"
            )
        models = counts[known][0] if known.any() else counts.sum(axis=0)
        return np.asarray(models / models.sum(), dtype=np.float64)
    remedy = f"give {bins} shares, one per bin, finite, not negative, not all zero"
    share = points(target, "target", remedy).ravel()
    if share.size != bins or not (np.isfinite(share) & (share >= 0)).all() or share.sum() == 0:
        raise InputError(f"target is {shown(target)}; {remedy}")
    normalised: Floats = share / share.sum()
    return normalised


def _merge(
    edges: list[Floats], counts: NDArray[np.intp], share: Floats, min_count: int, *, even: bool
) -> tuple[list[Floats], Floats]:
    """Join bins from the left until each holds enough of every group; what is left over joins the last."""
    if len(edges) > 1:
        raise InputError("empty='merge' needs one measure of complexity; use 'drop' or balance_weights for two")
    ends: list[int] = []
    held = np.zeros(counts.shape[0], dtype=np.intp)
    for number, column in enumerate(counts.T):
        held = held + column
        if held.min() >= min_count:
            ends.append(number + 1)
            held = np.zeros_like(held)
    if not ends:
        ends = [counts.shape[1]]
    ends[-1] = counts.shape[1]
    starts = [0, *ends[:-1]]
    joined = np.full(len(ends), 1 / len(ends)) if even else np.add.reduceat(share, starts)
    return [edges[0][[0, *ends]]], joined


def _weigh(place: Codes, codes: Codes, counts: NDArray[np.intp], kept: NDArray[np.bool_], share: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        table = np.where(kept, share / counts, np.nan)
    weights: Floats = np.where(place >= 0, table[codes, np.maximum(place, 0)], np.nan)
    return weights


def _feasible(models: _Compared, limit: int) -> int:
    """Most bins per measure, at most `limit`, that leave no bin short; 0 if there is none."""
    smallest = int(np.bincount(models.codes[models.inside], minlength=models.labels.size).min())
    # With more bins than that, some group could not fill them all.
    most = min(limit, _root(smallest // models.min_count, len(models.bounds)))
    models.spaced(1)  # refuses what has no logarithm
    for count in _possible(models, most):
        if models.placed(models.spaced(count))[1].min() >= models.min_count:
            return count
    return 0


def _root(number: int, axes: int) -> int:
    return math.isqrt(number) if axes == 2 else number


def _possible(models: _Compared, most: int) -> Iterable[int]:
    if len(models.bounds) > 1:
        return range(most, 0, -1)
    inside = models.inside
    return possible_bins(
        models.values[inside, 0], models.codes[inside], models.bounds[0], models.spacing, most, models.min_count
    )


def _that_work(complexity: Any, groups: Any, spacing: str, limits: Any, edges: list[Floats], min_count: int) -> int:
    """Most bins per measure, no more than these, that leave none short where a number is given; 0 if there is none."""
    most = max(marks.size - 1 for marks in edges)
    try:
        # Edges that were given span another range than a number of bins does.
        return _feasible(_compared(complexity, groups, spacing, limits, most, min_count), most)
    except (InputError, PopulationError):
        return 0


def _complaint(
    models: _Compared,
    edges: list[Floats],
    counts: NDArray[np.intp],
    short: NDArray[np.bool_],
    works: int,
    *,
    listed: bool,
) -> str:
    """Names the first short bin, the group that lacks models there, and a number of bins that works."""
    number = int(short.argmax())
    group = int(counts[:, number].argmin())
    cell = np.unravel_index(number, [marks.size - 1 for marks in edges])
    extent = " by ".join(f"{marks[i]:g} to {marks[i + 1]:g}" for marks, i in zip(edges, cell, strict=True))
    joint = len(edges) > 1
    held = int(counts[group, number])
    lacks = "no model" if held == 0 else f"{held} of the {models.min_count} models asked for"
    wider = f"bins={(works, works) if joint else works} works" if works else "no number of bins works"
    if works and listed:
        wider += f" with a target of {works ** len(edges)} shares"
    other = "empty='drop' or balance_weights" if joint else "empty='drop' or 'merge'"
    return f"complexity bin {number} ({extent}) has {lacks} of group {models.labels[group]!s}; {wider}, or pass {other}"
