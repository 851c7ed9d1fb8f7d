"""What a comparison says about the errors of each group alone: EDF, area, random search and best models."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.comparison.grids import QUANTILES
from edfstat.comparison.groups import Groups
from edfstat.comparison.measures import MIN_MODELS, Weighting
from edfstat.comparison.names import Columns
from edfstat.distributions import EDF
from edfstat.planning import expected_ks
from edfstat.search_odds import draws_needed, models_needed, random_search

__all__ = ["edf_table", "group_table", "top_models"]

Floats = NDArray[np.float64]

TOP_MODELS = 5
#: Chance with which the draws that are said to be needed reach their target.
_REACHED = 0.95


def group_table(
    groups: Groups, weighting: Weighting, curves: list[EDF], eps_values: Floats, level: float,
    sizes: NDArray[np.int64], targets: Floats,
) -> Columns:  # fmt: skip
    """Everything with dimension ``group`` that is one number or a curve over m, target or eps, except areas."""
    rows: dict[str, list[Any]] = {}

    def add(**values: Any) -> None:
        for name, value in values.items():
            rows.setdefault(name, []).append(value)

    for code, curve in enumerate(curves):
        mine = groups.code == code
        weight = weighting.weight[mine]
        search = random_search(curve, sizes, quantiles=QUANTILES)
        needed, low, high = _draws(curve, targets, level)
        binned = weighting.counts[code]  # none under ``none``
        kept = binned[(weighting.counts > 0).all(axis=0)]
        add(
            used=int((weight > 0).sum()), outside=int(mine.sum() - binned.sum()) if binned.size else 0,
            effective_n=float(weight.sum() ** 2 / (weight**2).sum()), max_weight=float(weight.max() / weight.sum()),
            thin_bins=int((kept < MIN_MODELS).sum()),
            best=float(curve.support[0]), median=float(curve.quantile(0.5)),
            auc_curve=np.asarray(curve.auc(eps_values)),
            search_mean=search["mean"].values, search_std=search["std"].values,
            search_quantile=search["quantile"].transpose("m", "q").values, search_support=search["support"].values,
            models_needed=needed, models_needed_lower=low, models_needed_upper=high,
            ks_expected=expected_ks(max(round(curve.effective_n), 1))[0],
        )  # fmt: skip
    extra = {"search_mean": ("m",), "search_std": ("m",), "search_support": ("m",), "search_quantile": ("m", "q"),
             "models_needed": ("target",), "models_needed_lower": ("target",), "models_needed_upper": ("target",),
             "auc_curve": ("eps_value",)}  # fmt: skip
    return {name: (("group", *extra.get(name, ())), np.array(values)) for name, values in rows.items()}


def _draws(curve: EDF, targets: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Draws that reach each target with 95 %, and the interval that follows from that of F."""
    chance = curve.interval(targets, level, method="guarded")
    needed = np.array([models_needed(curve, target, _REACHED) for target in targets.tolist()])
    most, least = np.asarray(chance.upper), np.asarray(chance.lower)
    return needed, draws_needed(most, 1 - most, _REACHED), draws_needed(least, 1 - least, _REACHED)


def edf_table(curves: list[EDF], support: Floats, level: float) -> Columns:
    """EDFs and their bands at the stored errors."""
    values = np.array([curve(support) for curve in curves])
    lower, upper = np.empty_like(values), np.empty_like(values)
    for row, curve in enumerate(curves):
        band = curve.band(level)
        low, high = np.asarray(band.lower), np.asarray(band.upper)
        place = np.searchsorted(curve.support, support, side="right")
        # Below its first error F is 0 and the band reaches as far up as it is wide elsewhere.
        width = float(np.max(np.maximum(high - curve.probabilities, curve.probabilities - low)))
        lower[row] = np.concatenate([[0.0], low])[place]
        upper[row] = np.concatenate([[min(width, high[0])], high])[place]
    dims = ("group", "support")
    return {"edf": (dims, values), "edf_lower": (dims, lower), "edf_upper": (dims, upper)}


def top_models(groups: Groups) -> xr.Dataset:
    """The models of lowest error of each group; where a group has fewer, NaN and empty text."""
    shape = (len(groups.names), TOP_MODELS)
    numbers = {name: np.full(shape, np.nan) for name in ("top_error", "top_params", "top_flops")}
    texts = {name: np.full(shape, "", dtype=object) for name in ("top_net", "top_source", "top_job")}
    origin = {"top_params": "params", "top_flops": "flops", "top_net": "net", "top_source": "source",
              "top_job": "job_id"}  # fmt: skip
    for code in range(len(groups.names)):
        members = groups.members(code)
        best = members[np.argsort(groups.error[members], kind="stable")[:TOP_MODELS]]
        best = best[np.isfinite(groups.error[best])]
        numbers["top_error"][code, : best.size] = groups.error[best]
        for name, column in origin.items():
            if column in groups.models.variables:
                target = numbers[name] if name in numbers else texts[name]
                target[code, : best.size] = groups.models[column].values[best]
    data = {name: (("group", "rank"), values) for name, values in {**numbers, **texts}.items()}
    return xr.Dataset(data, coords={"rank": np.arange(1, TOP_MODELS + 1)})
