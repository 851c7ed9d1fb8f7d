"""Whether the result depends on choices nobody can justify: the number of bins, their spacing, eps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.area import auc
from edfstat.comparison.groups import Groups
from edfstat.comparison.measures import Weighting, weigh
from edfstat.comparison.pairs import difference, pairs_of
from edfstat.errors import InputError, PopulationError
from edfstat.kolmogorov import ks_test

__all__ = ["SETTINGS", "eps_grid", "eps_table", "sensitivity_table"]

Columns = dict[str, tuple[tuple[str, ...], Any]]

#: Other bins that a comparison tries beside the ones it uses.
SETTINGS = ("as compared", "half the bins", "uniform bins", "log bins", "quantile bins")
EPS_POINTS = 25


def eps_grid(groups: Groups, eps: float) -> NDArray[np.float64]:
    """Values of eps, the one that is used among them, from just above the best error to at most twice that one.

    They end just beyond the largest error, where every EDF is complete, and at 100 %, which no error exceeds.
    """
    best = float(groups.error.min())
    low = best + 0.02 * (eps - best) if best < eps else eps / 2
    largest = float(groups.error[np.isfinite(groups.error)].max(initial=0.0))
    end = max(eps, min(max(2 * eps - low, 1.5 * eps), 1.02 * largest, 100.0))
    grid = np.linspace(max(low, eps * 1e-3), end, EPS_POINTS)
    grid[np.abs(grid - eps).argmin()] = eps
    return grid


def eps_table(groups: Groups, weighting: Weighting, grid: NDArray[np.float64], level: float) -> Columns:
    """Difference of the areas of each pair up to each eps, with pointwise intervals."""
    found = _areas(groups, weighting, grid, level)
    gaps, lows, highs = [], [], []
    for a, b in pairs_of(groups):
        gaps.append(found["auc"][a] - found["auc"][b])
        ends = [
            difference({name: values[:, place] for name, values in found.items()}, a, b, level)
            for place in range(grid.size)
        ]
        lows.append([low for low, _ in ends])
        highs.append([high for _, high in ends])
    dims = ("pair", "eps_value")
    names = ("auc_difference_curve", "auc_difference_curve_lower", "auc_difference_curve_upper")
    return {
        name: (dims, np.array(values).reshape(-1, grid.size))
        for name, values in zip(names, (gaps, lows, highs), strict=True)
    }


def _areas(groups: Groups, weighting: Weighting, eps: Any, level: float) -> dict[str, NDArray[np.float64]]:
    rows: dict[str, list[Any]] = {"auc": [], "auc_se": [], "auc_df": []}
    for code in range(len(groups.names)):
        chosen = np.flatnonzero((groups.code == code) & (weighting.weight > 0))
        binned = weighting.stratum is not None
        found = auc(
            groups.error[chosen],
            eps,
            weighting.weight[chosen] if binned else None,
            strata=None if weighting.stratum is None else weighting.stratum[chosen],
            level=level,
        )
        for name in rows:
            rows[name].append(found[name.removeprefix("auc_")].values)
    return {name: np.array(values, dtype=np.float64) for name, values in rows.items()}


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
        areas = _areas(groups, weighting, eps, level)
        for row, (a, b) in enumerate(pairs):
            first, second = (np.flatnonzero((groups.code == code) & (weighting.weight > 0)) for code in (a, b))
            table["ks"][row, column] = ks_test(
                groups.error[first], groups.error[second], method="asymptotic",
                weights_a=weighting.weight[first], weights_b=weighting.weight[second],
            ).statistic  # fmt: skip
            table["auc"][row, column] = areas["auc"][a] - areas["auc"][b]
            table["low"][row, column], table["high"][row, column] = difference(areas, a, b, level)
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
