"""What a comparison says about each pair of groups: KS tests, dominance, area differences, who wins a search."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.comparison.areas import area_differences
from edfstat.comparison.groups import Groups
from edfstat.comparison.names import Columns
from edfstat.comparison.samples import Sample
from edfstat.distributions import EDF
from edfstat.kolmogorov import ks_tests, usual_stop
from edfstat.multiple_tests import adjust_pvalues
from edfstat.planning import sample_size
from edfstat.search_odds import best_of
from edfstat.transport import wasserstein

__all__ = ["pair_table", "pairs_of"]

Floats = NDArray[np.float64]

#: A test ends once so many permutations reach its statistic, as the p-value is then known to 3 %. Many pairs ask for
#: many permutations, of which a pair without a difference needs few.
ENOUGH = 1000


def pairs_of(groups: Groups) -> list[tuple[int, int]]:
    """Every pair of groups, each once."""
    return list(combinations(range(len(groups.names)), 2))


def pair_table(
    pairs: list[tuple[int, int]], samples: list[Sample], curves: list[EDF], areas: dict[str, Floats],
    sizes: NDArray[np.int64], level: float, n_resamples: int, rng: np.random.Generator,
) -> Columns:  # fmt: skip
    """Everything with dimension ``pair`` under one measure."""
    rows: dict[str, list[Any]] = {}
    for a, b in pairs:
        found = _tests(samples[a], samples[b], n_resamples, rng)
        odds = np.array([best_of(curves[a], size, curves[b], size) for size in sizes.tolist()])
        found |= {
            "wasserstein": wasserstein(curves[a], curves[b]),
            "search_win": odds[:, 0],
            "search_tie": odds[:, 1],
            "sample_size": _planned(found["ks"], curves[a], curves[b], (1 - level) / len(pairs)),
        }
        for name, value in found.items():
            rows.setdefault(name, []).append(value)
    rows["pvalue_holm"] = list(adjust_pvalues(np.array(rows["pvalue"])))
    rows["dominance"] = _dominance(rows, 1 - level)
    differences = area_differences(areas, pairs, level)
    rows |= dict(zip(("auc_difference", "auc_difference_lower", "auc_difference_upper"), map(list, differences)))
    extra = {"search_win": ("m",), "search_tie": ("m",)}
    return {name: (("pair", *extra.get(name, ())), np.array(values)) for name, values in rows.items()}


def _tests(a: Sample, b: Sample, n_resamples: int, rng: np.random.Generator) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if a.strata is not None:
        options = {
            "weights_a": a.weights, "weights_b": b.weights, "strata_a": a.strata, "strata_b": b.strata,
            "n_resamples": n_resamples, "rng": rng,
            "stop_after": min(ENOUGH, usual_stop(a.errors.size + b.errors.size)),
        }  # fmt: skip
    both, greater, less = ks_tests(a.errors, b.errors, **options)
    return {
        "ks": both.statistic, "ks_sign": both.sign, "ks_location": both.location, "pvalue": both.pvalue,
        "ks_method": both.method, "ks_plus": greater.statistic, "pvalue_plus": greater.pvalue,
        "ks_minus": less.statistic, "pvalue_minus": less.pvalue,
    }  # fmt: skip


def _dominance(rows: dict[str, list[Any]], alpha: float) -> list[str]:
    """The side whose excess is significant alone, where the difference is after Holm's adjustment; else empty.

    Excesses are not adjusted again: the larger is the difference itself, and a family of them would hold one side of
    each pair, and so depend on which group comes first.
    """
    found = []
    for adjusted, plus, minus in zip(rows["pvalue_holm"], rows["pvalue_plus"], rows["pvalue_minus"], strict=True):
        alone = "a" if plus <= alpha < minus else "b" if minus <= alpha < plus else ""
        found.append(alone if adjusted <= alpha else "")
    return found


def _planned(distance: float, a: EDF, b: EDF, alpha: float) -> float:
    """Models per group that show a difference as large as the one seen at `alpha`; more where weights waste some."""
    if distance == 0:
        return np.inf
    waste = max(a.n / a.effective_n, b.n / b.effective_n)
    return float(np.ceil(sample_size(min(distance, 1.0), level=alpha) * waste))
