"""What a comparison says about complexity in each group: bins, histograms, and the imbalance that weights leave."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edfstat.comparison.grids import QUANTILES
from edfstat.comparison.groups import Groups
from edfstat.comparison.measures import Weighting
from edfstat.comparison.names import Columns
from edfstat.comparison.samples import Sample
from edfstat.imbalance import standardized_difference

__all__ = ["bin_table", "histogram_table", "imbalance_table"]

Floats = NDArray[np.float64]

LEAST_SLOTS, SLOTS = 5, 30


def bin_table(weighting: Weighting, samples: list[Sample], bins: int) -> Columns:
    """Models, mean error and quantiles of the error in each bin; NaN and 0 beyond the measure's bins."""
    count = np.zeros((len(samples), bins), dtype=np.int64)
    mean = np.full(count.shape, np.nan)
    spread = np.full((*count.shape, len(QUANTILES)), np.nan)
    edges = np.full((2, bins), np.nan)
    if weighting.edges.size:
        own = weighting.edges.size - 1
        edges[:, :own] = weighting.edges[:-1], weighting.edges[1:]
        count[:, :own] = weighting.counts
    for code, sample in enumerate(samples):
        for j, part in _errors_by_bin(sample, bins):
            finite = part[np.isfinite(part)]
            mean[code, j] = finite.mean() if finite.size else np.nan
            ranks = np.ceil(np.array(QUANTILES) * part.size - 1e-9).astype(np.intp) - 1
            spread[code, j] = part[np.maximum(ranks, 0)]
    return {
        "bin_lower": (("bin",), edges[0]), "bin_upper": (("bin",), edges[1]),
        "bin_count": (("group", "bin"), count), "bin_error": (("group", "bin"), mean),
        "bin_quantile": (("group", "bin", "q"), spread),
    }  # fmt: skip


def _errors_by_bin(sample: Sample, bins: int) -> Iterator[tuple[int, Floats]]:
    """Each bin that holds models of the sample, and their errors in ascending order."""
    if sample.strata is None:
        return
    order = np.lexsort((sample.errors, sample.strata))
    errors, strata = sample.errors[order], sample.strata[order]
    starts = np.searchsorted(strata, np.arange(bins + 1))
    for j in np.flatnonzero(np.diff(starts)).tolist():
        yield j, errors[starts[j] : starts[j + 1]]


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
