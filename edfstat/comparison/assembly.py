"""`compare`: every statistic for every group and pair under every measure, in one Dataset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from edfstat.arguments import choice, confidence_level, generator, number, whole
from edfstat.bins import range_ends
from edfstat.comparison import complexity_tables, grids, group_tables
from edfstat.comparison.areas import group_areas
from edfstat.comparison.caveats import caveats
from edfstat.comparison.costs import training_hours
from edfstat.comparison.groups import Groups, select_groups
from edfstat.comparison.measures import Weighting, choose_measures, weigh
from edfstat.comparison.names import COMPARISON_VARIABLES, Columns, label_variables
from edfstat.comparison.pairs import pair_table, pairs_of
from edfstat.comparison.repeats import repeat_warnings
from edfstat.comparison.samples import distributions, samples_of
from edfstat.comparison.sensitivity import SETTINGS, eps_table, sensitivity_table
from edfstat.errors import InputError, PopulationError
from edfstat.notes import notes_of
from edfstat.population import STATUSES

__all__ = ["compare"]


def compare(
    ds: xr.Dataset,
    *,
    by: str = "space",
    error: str = "error",
    complexity: str | Sequence[str] = "auto",
    bins: str | int = "auto",
    spacing: str = "uniform",
    range: tuple[float, float] | dict[str, tuple[float, float]] | None = None,
    eps: float | None = None,
    level: float = 0.95,
    n_resamples: int = 999,
    rng: np.random.Generator | int | None = None,
) -> xr.Dataset:
    """Compare the groups of a population, as they are and with complexity taken out.

    Parameters
    ----------
    ds : Dataset
        A population: dimension ``model``, one entry per trained model. Models lost to accidents (status
        ``oom``, ``timeout``, ``error``, ``lost``) are left out and counted; diverged models count, as +inf
        where they never reached an error.
    by : str, default "space"
        Variable whose values are the groups to compare, at most 64.
    error : str, default "error"
        Variable to compare, lower is better (percent).
    complexity : {"auto", "none"}, str or list of str
        Measures to normalise by, each on its own; ``"auto"`` takes ``params``, ``flops`` and ``acts`` where
        present. The raw comparison, ``"none"``, is always there.
    bins : int or "auto"
        Bins of complexity. ``"auto"``: the most, at most 40, with at least 10 models in every bin and group. Bins
        in which some group has no model are dropped for all.
    spacing : {"uniform", "log", "quantile"}
        How the bins divide the range (see `complexity_weights`).
    range : (low, high), or a mapping from measure to that, optional
        Compared range of complexity, ends excluded. Default: what all groups share, from the largest of their
        minima to the smallest of their maxima.
    eps : float, optional
        Error up to which areas are taken. Default: the error that 95 % of the models that reached one stay
        below, every group counting the same, rounded up to two digits: one value for all groups, in the attributes.
    level : float, default 0.95
        Confidence level of bands and intervals; adjusted p-values are compared with 1 - level.
    n_resamples : int, default 999
        Permutations within complexity bins behind a p-value.
    rng : Generator, int or None
        Source of the permutations.

    Returns
    -------
    Dataset
        Dimensions ``measure``, ``group``, ``pair`` (coordinates ``a`` and ``b``), ``support``, ``m``, ``q``,
        ``bin``, ``target`` and others; every variable has its meaning and unit as attributes. `verdict` says
        it in words, `report` draws it.

    Raises
    ------
    InputError
        If an argument is wrong: an unknown variable or one of more than 64 groups, bins below 1, eps not above 0, a
        level outside (0, 1).
    PopulationError
        If no model counts or none has a finite error, or a measure that was asked for by name has no range that
        all groups share (under ``"auto"`` it is left out, with a warning among the attributes).

    See Also
    --------
    verdict : The outcome in words.
    report : The outcome as a file.
    plot.edf : The outcome drawn.

    Notes
    -----
    Weights are the paper's 1/(k m_j) [1]_. KS p-values under a measure come from permuting group labels
    within the bins, so complexity cannot produce them; they are Holm-adjusted over the pairs of a measure.
    ``dominance`` names a group if a difference is demonstrated (Holm) and, of the two excesses, its own alone is
    significant (one-sided, without adjustment).

    References
    ----------
    .. [1] Radosavovic et al., On Network Design Spaces for Visual Recognition, ICCV 2019, arXiv:1905.13214.

    Examples
    --------
    >>> from edfstat.population import build_population
    >>> quick = build_population({"error": [5.0, 6, 7, 8, 6, 7, 8, 9], "space": ["A"] * 4 + ["B"] * 4})
    >>> found = compare(quick)
    >>> found["ks"].sel(measure="none").item(), found["median"].sel(measure="none", group="B").item()
    (0.25, 7.0)
    """
    choice(spacing, "spacing", ("uniform", "log", "quantile"))
    if not (isinstance(bins, str) and bins == "auto"):
        bins = whole(bins, "bins", "give 'auto' or a whole number from 1")
    if eps is not None:
        eps = number(eps, "eps", "give an error above 0", accept=lambda x: 0 < x < math.inf)
    level = confidence_level(level)
    n_resamples = whole(n_resamples, "n_resamples", "give a whole number from 1")
    groups = select_groups(ds, by, error)
    random_numbers = generator(rng)
    measures = choose_measures(groups.models, complexity)
    limits = _limits(range, measures)
    weightings, notes = _weightings(groups, measures, bins, spacing, limits, optional=complexity == "auto")
    area_end = grids.default_eps(groups) if eps is None else eps
    shared = _Shared(groups, area_end, level)
    width = max(0, *(w.edges.size - 1 for w in weightings))
    tables = [
        _measure_table(shared, w, width, spacing, limits.get(w.measure), n_resamples, random_numbers)
        for w in weightings
    ]
    dataset = _joined(shared, weightings, tables)
    dataset.attrs = {
        **{str(key): value for key, value in ds.attrs.items() if key != "notes"},
        "by": by, "error": error, "eps": area_end, "level": level, "spacing": spacing,
        "n_resamples": n_resamples, "models": int(ds.sizes["model"]),
    }  # fmt: skip
    dataset.attrs["warnings"] = [
        *notes_of(ds), *groups.warnings, *repeat_warnings(groups), *notes, *caveats(dataset)
    ]  # fmt: skip
    return dataset


def _limits(asked: Any, measures: list[str]) -> dict[str, tuple[float, float]]:
    if asked is None:
        return {}
    by_measure = asked if isinstance(asked, dict) else {name: asked for name in measures if name != "none"}
    unknown = sorted(set(by_measure) - set(measures))
    if unknown:
        raise InputError(f"range has {unknown}, which are not compared; the measures are {measures[1:]}")
    return {name: range_ends(ends, f"range for {name}") for name, ends in by_measure.items()}


def _weightings(
    groups: Groups,
    measures: list[str],
    bins: Any,
    spacing: str,
    limits: dict[str, tuple[float, float]],
    *,
    optional: bool,
) -> tuple[list[Weighting], list[str]]:
    found, notes = [], []
    for measure in measures:
        try:
            found.append(weigh(groups, measure, bins, spacing, limits.get(measure)))
        except PopulationError as problem:
            if not optional:
                raise
            notes.append(f"Not compared under {measure}: {problem}.")
    return found, notes


class _Shared:
    """What every measure of one comparison has in common: groups, grids and levels."""

    def __init__(self, groups: Groups, eps: float, level: float) -> None:
        self.groups, self.eps, self.level = groups, eps, level
        self.support = grids.support_points(groups)
        self.sizes = grids.search_sizes(groups)
        self.targets = grids.search_targets(groups)
        self.eps_values = grids.eps_grid(groups, eps)


def _measure_table(
    shared: _Shared, weighting: Weighting, width: int, spacing: str, limits: tuple[float, float] | None,
    n_resamples: int, rng: np.random.Generator,
) -> Columns:  # fmt: skip
    groups, level = shared.groups, shared.level
    samples = samples_of(groups, weighting)
    curves = distributions(samples)
    areas = group_areas(samples, shared.eps, level)
    table = group_tables.group_table(groups, weighting, curves, shared.eps_values, level, shared.sizes, shared.targets)
    table |= {name: (("group",), values) for name, values in areas.items()}
    table |= group_tables.edf_table(curves, shared.support, level)
    table |= complexity_tables.bin_table(weighting, samples, width)
    table |= complexity_tables.histogram_table(groups, weighting, spacing)
    table |= complexity_tables.imbalance_table(groups, weighting)
    table["train_hours"] = ("group",), training_hours(groups, weighting)
    table |= {
        "empty_bins": ((), weighting.empty), "bins": ((), weighting.bins),
        "lower": ((), weighting.lower), "upper": ((), weighting.upper),
    }  # fmt: skip
    if pairs := pairs_of(groups):
        table |= pair_table(pairs, samples, curves, areas, shared.sizes, level, n_resamples, rng)
        table |= eps_table(pairs, samples, shared.eps_values, level)
        table |= sensitivity_table(groups, weighting, spacing, limits, shared.eps, level)
    return table


def _joined(shared: _Shared, weightings: list[Weighting], tables: list[Columns]) -> xr.Dataset:
    groups = shared.groups
    pairs = pairs_of(groups)
    names = np.array(groups.names, dtype=object)
    coords: dict[str, Any] = {
        "measure": np.array([w.measure for w in weightings], dtype=object),
        "group": names,
        "a": ("pair", names[[a for a, _ in pairs]] if pairs else np.empty(0, dtype=object)),
        "b": ("pair", names[[b for _, b in pairs]] if pairs else np.empty(0, dtype=object)),
        "status": np.array(STATUSES, dtype=object),
        "support": ("support", shared.support, {"units": "percent", "long_name": "error"}),
        "m": ("m", shared.sizes, {"units": "models", "long_name": "random draws"}),
        "q": ("q", np.array(grids.QUANTILES), {"units": "1", "long_name": "quantile"}),
        "target": ("target", shared.targets, {"units": "percent", "long_name": "target error"}),
        "eps_value": ("eps_value", shared.eps_values, {"units": "percent", "long_name": "eps"}),
        "setting": np.array(SETTINGS, dtype=object),
    }
    data: dict[str, Any] = {
        name: (("measure", *dims), np.stack([table[name][1] for table in tables]))
        for name, (dims, _) in tables[0].items()
    }
    data |= {name: _absent(name, coords, len(weightings)) for name in _PAIR_NAMES if name not in data}
    failed = np.bincount(groups.code[np.isinf(groups.error)], minlength=names.size)
    data |= {
        "n": ("group", np.bincount(groups.code, minlength=names.size)),
        "n_status": (("group", "status"), groups.n_status),
        "failed": ("group", failed),
    }
    best = group_tables.top_models(groups)
    dataset = xr.Dataset({**data, **best.data_vars}, coords={**coords, "rank": best["rank"]})
    return label_variables(dataset[[name for name in COMPARISON_VARIABLES if name in dataset]])


_PAIR_NAMES = [name for name, known in COMPARISON_VARIABLES.items() if {"pair", "setting"} & set(known.dims)]
_TEXTS = ("dominance", "ks_method")


def _absent(name: str, coords: dict[str, Any], measures: int) -> tuple[tuple[str, ...], Any]:
    """A variable over no pairs, so that a single group gives the same table with nothing in it."""
    dims = COMPARISON_VARIABLES[name].dims
    sizes = {"measure": measures, "pair": 0, "setting": len(SETTINGS)}
    sizes |= {dim: len(coords[dim][1]) for dim in ("m", "eps_value")}
    shape = tuple(sizes[dim] for dim in dims)
    return dims, np.full(shape, "", dtype=object) if name in _TEXTS else np.full(shape, np.nan)
