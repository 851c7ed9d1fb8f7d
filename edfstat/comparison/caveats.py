"""What a comparison could not support, one sentence each: thin bins, few models, large weights, failures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from edfstat.evidence import listed

__all__ = ["caveats", "too_few_permutations"]

#: Below these a comparison warns: effective models per group, its share of the models, models per group.
FEW_EFFECTIVE, EFFECTIVE_SHARE, FEW_MODELS = 50, 0.25, 100
LARGEST_WEIGHT, LARGEST_IMBALANCE = 0.05, 0.1
#: Groups that a caveat names; of more it says how many.
MOST_NAMES = 10
#: Where fewer possible values of an adjusted p-value lie below the level, a few permutations decide.
STEPS = 5


def caveats(comparison: xr.Dataset) -> list[str]:
    """Warnings of a finished comparison, in the order in which they matter.

    Returns
    -------
    list of str
    """
    found = [*_sample_caveats(comparison), *_permutation_caveats(comparison)]
    for measure in comparison["measure"].values:
        if measure != "none":
            found += _measure_caveats(
                comparison.sel(measure=measure), str(measure), str(comparison.attrs.get("spacing"))
            )
    return found


def _sample_caveats(comparison: xr.Dataset) -> Iterator[str]:
    sizes = comparison["n"].values
    small = [f"{g} has {int(n)}" for g, n in zip(comparison["group"].values, sizes) if n < FEW_MODELS]
    if small:
        which = f"{listed(small)} model{'s' * (sizes.tolist() != [1])}"
        if len(small) > MOST_NAMES:
            which = (
                f"{len(small)} of {sizes.size} groups have fewer than {FEW_MODELS} models, the smallest {sizes.min()}"
            )
        yield (
            f"Small samples: {which}; about 100 per group are needed to tell spaces apart and about "
            "1000 to be safe, so only large differences can show."
        )
    failed = [
        f"{name} {int(k)} of {int(n)}"
        for name, k, n in zip(comparison["group"].values, comparison["failed"].values, comparison["n"].values)
        if k
    ]
    if failed:
        yield (
            f"Models that diverged without reaching an error count as worse than any other: {listed(failed)}. Means "
            "over a random search that may draw only such models are infinite; its quantiles are not."
        )


def too_few_permutations(comparison: xr.Dataset) -> bool:
    """Whether so many pairs are adjusted for that no data could demonstrate a difference at equal complexity.

    Returns
    -------
    bool
    """
    smallest = comparison.sizes["pair"] / (int(comparison.attrs["n_resamples"]) + 1)
    return _permuted(comparison) and smallest > (1 - float(comparison.attrs["level"])) * (1 + 1e-9)


def _permuted(comparison: xr.Dataset) -> bool:
    return "permutation" in comparison["ks_method"].values


def _permutation_caveats(comparison: xr.Dataset) -> Iterator[str]:
    """So many pairs that adjusted p-values of the permutations are above the level, or few steps below it."""
    pairs, alpha = comparison.sizes["pair"], 1 - float(comparison.attrs["level"])
    permutations = int(comparison.attrs["n_resamples"])
    smallest = pairs / (permutations + 1)
    if smallest * STEPS <= alpha * (1 + 1e-9) or not _permuted(comparison):
        return
    enough = int(np.ceil(round(STEPS * pairs / alpha, 6))) - 1
    remedy = f"give n_resamples={enough} (on the command line --resamples {enough}) or more"
    known = f"{permutations:,} permutations cannot make an adjusted p-value lower than {min(smallest, 1.0):.2g}"
    if too_few_permutations(comparison):
        yield f"{known} for {pairs} pairs, so nothing can be demonstrated at equal complexity; {remedy}."
    else:
        yield f"{known} for {pairs} pairs, so a few of them decide what is demonstrated at equal complexity; {remedy}."


def _measure_caveats(found: xr.Dataset, measure: str, spacing: str) -> Iterator[str]:
    bins = int(found["bins"])
    if bins == 1:
        remedy = "a narrower range" if spacing == "quantile" else "quantile spacing or a narrower range"
        yield (
            f"{measure} is normalised in one bin only: two {spacing} bins would leave some group fewer than "
            "10 models in one, so groups are merely restricted to the same range and may still differ inside it; "
            f"{remedy} may allow more bins."
        )
    if int(found["empty_bins"]):
        total = bins + int(found["empty_bins"])
        yield f"{measure}: {int(found['empty_bins'])} of {total} bins lack models of some group; left out for all."
    thin = [f"{g} {int(k)}" for g, k in zip(found["group"].values, found["thin_bins"].values) if k]
    if thin:
        yield f"{measure}: bins with fewer than 10 models: {listed(thin)}; weights there rest on few models."
    yield from _group_caveats(found, measure, bins)


def _group_caveats(found: xr.Dataset, measure: str, bins: int) -> Iterator[str]:
    """What is wrong with single groups."""
    count, heavy, outside, differing = [], [], [], []
    for name, n, effective, largest, beyond, imbalance, total in zip(
        *(found[v].values for v in ("group", "used", "effective_n", "max_weight", "outside", "imbalance", "n"))
    ):
        if effective < EFFECTIVE_SHARE * n or effective < min(FEW_EFFECTIVE, 0.5 * n):
            count.append(f"the {int(n)} models of {name} count like {effective:.0f}")
        if largest > LARGEST_WEIGHT and n > 2 / LARGEST_WEIGHT:
            heavy.append(f"one model of {name} carries {largest:.0%}")
        if beyond > 0.5 * total:
            outside.append(f"{int(beyond)} of {int(total)} models of {name}")
        if bins > 1 and np.isfinite(imbalance) and abs(imbalance) > LARGEST_IMBALANCE:
            differing.append(f"{name} still differs by {imbalance:+.2f}")
    # Complexity is compared by its logarithm where all of it has one; the histogram starts at the lowest.
    scale = "log " if found["slot_lower"].values[0] > 0 else ""
    for parts, rest in (
        (count, "after weighting"),
        (heavy, "of its weight"),
        (outside, "lie outside the range that all groups share; the comparison is about the rest"),
        (differing, f"standard deviations of {scale}{measure} after weighting; more bins would balance better"),
    ):
        # Of more than two, one sentence tells all.
        more = f"; so it is with {len(parts) - MOST_NAMES} more groups" if len(parts) > MOST_NAMES else ""
        for said in parts if len(parts) <= 2 else [listed(parts[:MOST_NAMES])]:
            yield f"{measure}: {said} {rest}{more}."
