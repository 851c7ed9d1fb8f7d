"""Whether the result depends on choices that nothing but judgement fixes: the number of bins, their spacing, eps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edfstat.comparison.areas import area_differences, group_areas
from edfstat.comparison.groups import Groups
from edfstat.comparison.measures import Weighting, weigh
from edfstat.comparison.names import Columns
from edfstat.comparison.pairs import pairs_of
from edfstat.comparison.samples import Sample, distributions, samples_of
from edfstat.errors import InputError, PopulationError
from edfstat.step_gaps import ks_distance

__all__ = ["SETTINGS", "eps_table", "sensitivity_table"]

Floats = NDArray[np.float64]

#: Other bins that a comparison tries beside the ones it uses.
SETTINGS = ("as compared", "half the bins", "uniform bins", "log bins", "quantile bins")


def eps_table(pairs: list[tuple[int, int]], samples: list[Sample], grid: Floats, level: float) -> Columns:
    """Difference of the areas of each pair up to each eps, with pointwise intervals."""
    found = area_differences(group_areas(samples, grid, level), pairs, level)
    names = ("auc_difference_curve", "auc_difference_curve_lower", "auc_difference_curve_upper")
    return {name: (("pair", "eps_value"), values) for name, values in zip(names, found, strict=True)}


def sensitivity_table(
    groups: Groups, used: Weighting, spacing: str, limits: tuple[float, float] | None, eps: float, level: float
) -> Columns:
    """KS statistic and AUC difference of every pair under each of `SETTINGS`; NaN where one cannot be made."""
    pairs = pairs_of(groups)
    bins = np.full(len(SETTINGS), np.nan)
    table = {name: np.full((len(pairs), len(SETTINGS)), np.nan) for name in ("ks", "auc", "low", "high")}
    for column, setting in enumerate(SETTINGS):
        weighting = _under(setting, groups, used, spacing, limits)
        if weighting is None:
            continue
        bins[column] = weighting.bins
        samples = samples_of(groups, weighting)
        differences = area_differences(group_areas(samples, eps, level), pairs, level)
        for name, values in zip(("auc", "low", "high"), differences, strict=True):
            table[name][:, column] = values
        atoms = [curve.atoms for curve in distributions(samples)]
        table["ks"][:, column] = [ks_distance(atoms[a], atoms[b]) for a, b in pairs]
    dims = ("pair", "setting")
    return {
        "sensitivity_bins": (("setting",), bins),
        "sensitivity_ks": (dims, table["ks"]),
        "sensitivity_auc_difference": (dims, table["auc"]),
        "sensitivity_auc_difference_lower": (dims, table["low"]),
        "sensitivity_auc_difference_upper": (dims, table["high"]),
    }


def _under(
    setting: str, groups: Groups, used: Weighting, spacing: str, limits: tuple[float, float] | None
) -> Weighting | None:
    if used.stratum is None:
        return None
    if setting == "as compared":
        return used
    half = setting == "half the bins"
    other = spacing if half else setting.split()[0]
    # Another spacing takes the number of bins that suits it: a long tail leaves uniform bins few models at its end.
    bins: int | str = used.bins // 2 if half else "auto"
    if (half and used.bins < 2) or (not half and other == spacing):
        return None
    try:
        return weigh(groups, used.measure, bins, other, limits)
    except (InputError, PopulationError):
        return None
