"""What a comparison says about each group alone: its EDF, area, random search, bins and best models."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.area import auc
from edfstat.comparison.groups import Groups
from edfstat.comparison.measures import MIN_MODELS, Weighting
from edfstat.distributions import EDF, edf
from edfstat.imbalance import standardized_difference
from edfstat.search_odds import models_needed, random_search

__all__ = [
    "QUANTILES",
    "bin_table",
    "default_eps",
    "distributions",
    "edf_table",
    "group_table",
    "histogram_table",
    "imbalance_table",
    "sample_of",
    "search_sizes",
    "search_targets",
    "support_points",
    "top_models",
]

Floats = NDArray[np.float64]
Columns = dict[str, tuple[tuple[str, ...], Any]]

QUANTILES = (0.05, 0.5, 0.95)
#: EDFs are stored at every distinct error up to this many, else at as many evenly spaced ranks.
MAX_SUPPORT = 10_000
TOP_MODELS = 5
LEAST_SLOTS, SLOTS = 5, 30


def distributions(groups: Groups, weighting: Weighting) -> list[EDF]:
    """Weighted EDF of each group, of the models that have a weight."""
    found = []
    for code in range(len(groups.names)):
        chosen = np.flatnonzero((groups.code == code) & (weighting.weight > 0))
        if weighting.stratum is None:
            found.append(edf(groups.error[chosen]))
        else:
            found.append(edf(groups.error[chosen], weighting.weight[chosen], strata=weighting.stratum[chosen]))
    return found


def sample_of(groups: Groups, weighting: Weighting, code: int) -> tuple[Floats, Floats | None]:
    """Errors and weights of a group's models that have one; no weights under ``none``."""
    chosen = np.flatnonzero((groups.code == code) & (weighting.weight > 0))
    return groups.error[chosen], None if weighting.stratum is None else weighting.weight[chosen]


def default_eps(groups: Groups) -> float:
    """The error that 95 % of all models that reached one stay below, every group counting the same.

    Rounded up to two digits, so that the same eps serves data that hardly differ.
    """
    finite = np.isfinite(groups.error)
    size = np.bincount(groups.code[finite], minlength=len(groups.names)).astype(np.float64)
    pooled = edf(groups.error[finite], 1.0 / size[groups.code[finite]])
    found = float(pooled.quantile(0.95))
    return _round_up(found) if found > 0 else 1.0


def _round_up(value: float) -> float:
    step = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(np.ceil(round(value / step, 9)) * step)


def support_points(groups: Groups) -> Floats:
    """Errors at which the EDFs are stored."""
    values: Floats = np.unique(groups.error[np.isfinite(groups.error)])
    if values.size > MAX_SUPPORT:
        even = np.linspace(0, values.size - 1, MAX_SUPPORT - 200).round().astype(np.intp)
        # The lowest errors are what the comparison is about: none of them is left out.
        values = values[np.unique(np.concatenate([np.arange(200), even]))]
    return values


def search_sizes(groups: Groups) -> NDArray[np.int64]:
    """Powers of two up to the number of models of the largest group."""
    largest = int(np.bincount(groups.code).max())
    sizes: NDArray[np.int64] = 2 ** np.arange(largest.bit_length(), dtype=np.int64)
    return sizes


def search_targets(groups: Groups) -> Floats:
    """Errors worth asking for: near the pooled median, best 10 %, best 1 % and the best that every group has."""
    finite = np.isfinite(groups.error)
    size = np.bincount(groups.code[finite], minlength=len(groups.names)).astype(np.float64)
    pooled = edf(groups.error[finite], 1.0 / size[groups.code[finite]])
    best = [groups.error[finite & (groups.code == code)] for code in range(len(groups.names))]
    shared = max(part.min() for part in best if part.size)
    wanted = np.array([*pooled.quantile(np.array([0.5, 0.1, 0.01])), shared])
    spread = float(np.subtract(*pooled.quantile(np.array([0.75, 0.01]))))
    step = 10.0 ** np.floor(np.log10(spread)) / 10 if spread > 0 else 0.0
    rounded = np.round(np.ceil(np.round(wanted / step, 9)) * step, 12) if step else wanted
    return np.unique(rounded)[::-1].copy()


def group_table(
    groups: Groups, weighting: Weighting, curves: list[EDF], eps: float, eps_values: Floats, level: float,
    sizes: NDArray[np.int64], targets: Floats,
) -> Columns:  # fmt: skip
    """Everything with dimension ``group`` that is one number or a curve over m, target or eps."""
    from edfstat import expected_ks

    rows: dict[str, list[Any]] = {}

    def add(**values: Any) -> None:
        for name, value in values.items():
            rows.setdefault(name, []).append(value)

    for code, curve in enumerate(curves):
        mine = groups.code == code
        weight = weighting.weight[mine]
        used = weight > 0
        area = _area(groups.error[mine][used], weighting, mine, used, eps, level)
        sample = sample_of(groups, weighting, code)
        search = random_search(*sample[:1], sizes, *sample[1:], quantiles=QUANTILES)
        needed, low, high = _draws(curve, sample, targets, level)
        thin = weighting.counts[code] if weighting.stratum is not None else np.empty(0)
        add(
            used=int(used.sum()), outside=_outside(groups, weighting, mine),
            effective_n=float(weight.sum() ** 2 / (weight**2).sum()), max_weight=float(weight.max() / weight.sum()),
            thin_bins=int(((thin > 0) & (thin < MIN_MODELS)).sum()),
            best=float(curve.support[0]), median=float(curve.quantile(0.5)),
            auc=area["auc"], auc_se=area["se"], auc_df=area["df"], auc_lower=area["lower"], auc_upper=area["upper"],
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


def _outside(groups: Groups, weighting: Weighting, mine: NDArray[np.bool_]) -> int:
    if weighting.stratum is None:
        return 0
    return int(mine.sum() - weighting.counts[groups.code[mine][0]].sum())


def _area(
    error: Floats, weighting: Weighting, mine: NDArray[np.bool_], used: NDArray[np.bool_], eps: float, level: float
) -> dict[str, float]:
    binned = weighting.stratum is not None
    found = auc(
        error,
        eps,
        weighting.weight[mine][used] if binned else None,
        strata=weighting.stratum[mine][used] if weighting.stratum is not None else None,
        level=level,
    )
    return {name: float(found[name]) for name in ("auc", "se", "lower", "upper", "df")}


def _draws(
    curve: EDF, sample: tuple[Floats, Floats | None], targets: Floats, level: float
) -> tuple[Floats, Floats, Floats]:
    """Draws that reach each target with 95 %, and the interval that that of F implies."""
    chance = curve.interval(targets, level, method="guarded")
    needed = np.array([models_needed(sample[0], float(target), weights=sample[1]) for target in targets])
    return needed, _draws_at(np.asarray(chance.upper)), _draws_at(np.asarray(chance.lower))


def _draws_at(chance: Floats) -> Floats:
    draws = np.ones(chance.shape)
    draws[chance <= 0] = np.inf
    inside = (chance > 0) & (chance < 1)
    exact = np.log1p(-0.95) / np.log1p(-chance[inside])
    draws[inside] = np.maximum(np.ceil(exact * (1 - 1e-12)), 1.0)
    return draws


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


def bin_table(groups: Groups, weighting: Weighting, bins: int) -> Columns:
    """Models, mean error and quantiles of the error in each bin; NaN and 0 beyond the measure's bins."""
    count = np.zeros((len(groups.names), bins), dtype=np.int64)
    mean = np.full(count.shape, np.nan)
    spread = np.full((*count.shape, len(QUANTILES)), np.nan)
    edges = np.full((2, bins), np.nan)
    if weighting.stratum is not None:
        own = weighting.edges.size - 1
        edges[:, :own] = weighting.edges[:-1], weighting.edges[1:]
        count[:, :own] = weighting.counts
        for code in range(len(groups.names)):
            mine = (groups.code == code) & (weighting.weight > 0)
            order = np.lexsort((groups.error[mine], weighting.stratum[mine]))
            errors, strata = groups.error[mine][order], weighting.stratum[mine][order]
            starts = np.searchsorted(strata, np.arange(own + 1))
            for j in np.flatnonzero(np.diff(starts)):
                part = errors[starts[j] : starts[j + 1]]
                finite = part[np.isfinite(part)]
                mean[code, j] = finite.mean() if finite.size else np.nan
                ranks = np.ceil(np.array(QUANTILES) * part.size - 1e-9).astype(np.intp) - 1
                spread[code, j] = part[np.maximum(ranks, 0)]
    return {
        "bin_lower": (("bin",), edges[0]), "bin_upper": (("bin",), edges[1]),
        "bin_count": (("group", "bin"), count), "bin_error": (("group", "bin"), mean),
        "bin_quantile": (("group", "bin", "q"), spread),
    }  # fmt: skip


def histogram_table(groups: Groups, weighting: Weighting, spacing: str) -> Columns:
    """Complexity of all models and of the weighted ones, over the range of all groups."""
    # As many intervals as the smallest group can fill: a histogram of 40 models in 30 would be noise.
    slots = int(np.clip(np.sqrt(np.bincount(groups.code).min()), LEAST_SLOTS, SLOTS))
    edges = np.full(slots + 1, np.nan)
    before = np.full((len(groups.names), slots), np.nan)
    after = before.copy()
    if weighting.stratum is not None:
        complexity = groups.models[weighting.measure].values.astype(np.float64)
        low, high = complexity.min(), complexity.max()
        edges = (
            np.geomspace(low, high, slots + 1) if spacing == "log" and low > 0 else np.linspace(low, high, slots + 1)
        )
        edges[-1] = high
        if low == high:
            edges = np.linspace(low - 0.5, high + 0.5, slots + 1)
        for code in range(len(groups.names)):
            mine = groups.code == code
            before[code] = np.histogram(complexity[mine], edges)[0] / mine.sum()
            after[code] = np.histogram(complexity[mine], edges, weights=weighting.weight[mine])[0]
        after /= after.sum(axis=1, keepdims=True)
    return {
        "slot_lower": (("slot",), edges[:-1]), "slot_upper": (("slot",), edges[1:]),
        "share_before": (("group", "slot"), before), "share_after": (("group", "slot"), after),
    }  # fmt: skip


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


def imbalance_table(groups: Groups, weighting: Weighting) -> Columns:
    """Imbalance of complexity before and after weighting; NaN for ``none``, which weighs nothing."""
    missing = np.full(len(groups.names), np.nan)
    if weighting.stratum is None:
        return {"imbalance": (("group",), missing), "imbalance_before": (("group",), missing)}
    complexity = groups.models[weighting.measure].values.astype(np.float64)
    before, after = (
        standardized_difference(complexity, weight, groups.code, len(groups.names))
        for weight in (np.ones(groups.code.size), weighting.weight)
    )
    return {"imbalance": (("group",), after), "imbalance_before": (("group",), before)}
