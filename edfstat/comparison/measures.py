"""How each measure of complexity weighs the models: range, bins, weights, and what they left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.bins import bin_models, feasible_bins
from edfstat.comparison.groups import Groups
from edfstat.errors import InputError, PopulationError

__all__ = ["MAX_BINS", "MIN_MODELS", "Weighting", "choose_measures", "weigh"]

#: ``bins="auto"`` takes the most bins, at most the first number, with at least the second of models in each and group.
MAX_BINS, MIN_MODELS = 40, 10
AUTO_MEASURES = ("params", "flops", "acts")
#: Settings of a training: accepted as a complexity, but not suggested by messages.
_SETTINGS = {"lr", "weight_decay", "epochs"}


@dataclass(frozen=True)
class Weighting:
    """Weight and bin of every model that counts, under one measure; weight 0 and bin -1 where left out."""

    measure: str
    weight: NDArray[np.float64]
    stratum: NDArray[np.intp] | None
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    lower: float
    upper: float
    empty: int

    @property
    def bins(self) -> int:
        """Bins that hold models of every group."""
        return self.edges.size - 1 - self.empty if self.edges.size else 0


def choose_measures(models: xr.Dataset, complexity: str | Sequence[str]) -> list[str]:
    """Measures to normalise by, after ``none``, which is always there.

    Raises
    ------
    InputError
        If a name is no variable of numbers with one entry per model, or is an error or the seed.
    """
    numbers = [str(k) for k, v in models.variables.items() if v.dims == ("model",) and v.dtype.kind in "fiu"]
    # What came out of a training, and its seed, say nothing of how complex a model is.
    usable = [name for name in numbers if name not in ("error", "final_error", "seed")]
    if isinstance(complexity, str) and complexity == "auto":
        return ["none", *(name for name in AUTO_MEASURES if name in usable)]
    asked = [complexity] if isinstance(complexity, str) else list(complexity)
    for name in asked:
        if name != "none" and name not in usable:
            known = ", ".join(["auto", "none", *sorted(set(usable) - _SETTINGS)])
            raise InputError(f"complexity is {name!r}; give one or several of: {known}")
    return ["none", *dict.fromkeys(name for name in asked if name != "none")]


def weigh(groups: Groups, measure: str, bins: int | str, spacing: str, limits: tuple[float, float] | None) -> Weighting:
    """Weights of the models under a measure: equal within a group for ``none``, else the paper's 1/(k m_j).

    Raises
    ------
    PopulationError
        If the groups share no range of the measure.
    """
    if measure == "none":
        size = np.bincount(groups.code)
        nothing = np.empty(0)
        table = np.empty((len(groups.names), 0), dtype=np.int64)
        return Weighting(measure, 1.0 / size[groups.code], None, nothing, table, np.nan, np.nan, 0)
    complexity = groups.models[measure].values.astype(np.float64)
    lower, upper = _common_range(groups, measure, complexity, limits)
    if lower == upper:
        return _single_value(groups, measure, complexity, lower)
    if isinstance(bins, str):
        bins = feasible_bins(complexity, groups.code, spacing, limits, MAX_BINS, MIN_MODELS)
    found = bin_models(complexity, bins, spacing, limits, groups.code, "drop", None, 1)
    return Weighting(
        measure,
        np.where(found.used, found.weights, 0.0),
        np.where(found.used, found.bin, -1),
        found.edges[0],
        found.counts,
        lower,
        upper,
        empty=int((found.counts == 0).any(axis=0).sum()),
    )


def _common_range(
    groups: Groups, measure: str, complexity: NDArray[np.float64], limits: tuple[float, float] | None
) -> tuple[float, float]:
    if not np.isfinite(complexity).all():
        where = int((~np.isfinite(complexity)).argmax())
        raise PopulationError(
            f"{measure} of model {where} is {complexity[where]}; leave such models out or choose another complexity"
        )
    parts = [complexity[groups.code == code] for code in range(len(groups.names))]
    if limits is not None:
        lower, upper = limits
    else:
        lower, upper = max(part.min() for part in parts), min(part.max() for part in parts)
        if lower > upper:
            ends = ", ".join(
                f"{name} {p.min():.6g} to {p.max():.6g}" for name, p in zip(groups.names, parts, strict=True)
            )
            raise PopulationError(
                f"the groups share no range of {measure} ({ends}), so its influence cannot be taken out; compare "
                "groups that overlap, or set complexity to none"
            )
    for name, part in zip(groups.names, parts, strict=True):
        inside = (part >= lower) & (part <= upper) if limits is None else (part > lower) & (part < upper)
        if not inside.any():
            raise PopulationError(
                f"no model of {name} has {measure} between {lower:.6g} and {upper:.6g}, so its influence cannot "
                "be taken out; give another range, or set complexity to none"
            )
    return lower, upper


def _single_value(groups: Groups, measure: str, complexity: NDArray[np.float64], value: float) -> Weighting:
    """One bin holding one value: the only complexity that all groups have."""
    used = complexity == value
    size = np.bincount(groups.code[used], minlength=len(groups.names))
    weight = np.where(used, 1.0 / size[groups.code], 0.0)
    stratum = np.where(used, 0, -1)
    return Weighting(measure, weight, stratum, np.array([value, value]), size[:, None], value, value, 0)
