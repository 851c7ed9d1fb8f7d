"""Where the p-value of a KS test comes from: lattice paths, the limiting law or permutations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edfstat import label_gaps, lattice_paths, permutations
from edfstat.errors import InputError
from edfstat.lattice_paths import Alternative
from edfstat.pairing import Pair
from edfstat.permutations import Tail

__all__ = ["ALTERNATIVES", "by_limit", "by_paths", "by_permutation", "choose_way"]

ALTERNATIVES: tuple[Alternative, ...] = ("two-sided", "greater", "less")
#: Beyond this n_a n_b or n_a + n_b, `auto` takes the asymptotic law: the exact one would take more than a second.
QUICK_PATHS, QUICK_STEPS = 10_000_000, 100_000
#: Beyond this, the exact law is refused: it would take minutes.
MOST_PATHS = 4_000_000_000


def choose_way(pair: Pair, method: str) -> str:
    """How the p-value is found: "paths", "enumeration", "permutation" or "asymptotic"."""
    paths = pair.sizes[0] * pair.sizes[1]
    few = pair.assignments <= permutations.ENUMERATED
    if method == "asymptotic":
        return method
    if method == "auto":
        if pair.plain:
            quick = paths <= QUICK_PATHS and sum(pair.sizes) <= QUICK_STEPS
            return "paths" if quick else "asymptotic"
        return "enumeration" if few else "permutation" if pair.stratified else "asymptotic"
    if method == "exact" and pair.plain:
        if paths > MOST_PATHS:
            raise InputError(f"method='exact' would walk n_a n_b = {paths:.2g} points; use method='asymptotic'")
        return "paths"
    if pair.rows is None:
        raise InputError(f"method={method!r} moves models between samples; give their errors instead of an EDF")
    if few:
        return "enumeration"
    if method == "exact":
        raise InputError(
            f"method='exact' visits at most {permutations.ENUMERATED} assignments of weighted or stratified models "
            "and there are more; use method='permutation'"
        )
    return "permutation"


def by_paths(pair: Pair, alternative: Alternative) -> Tail:
    """P-value of equally weighted models, exact under ties."""
    (f, g), (n, m) = pair.atoms, pair.sizes
    support = np.union1d(f.support, g.support)
    counts = [np.zeros(support.size, dtype=np.int64) for _ in range(2)]
    for count, atoms, size in zip(counts, (f, g), (n, m), strict=True):
        count[np.searchsorted(support, atoms.support)] = np.rint(atoms.mass * size)
    used = int(np.searchsorted(support, pair.restrict, side="right"))
    gap = lattice_paths.integer_gap(counts[0], counts[1], used, alternative)
    ends = np.cumsum(counts[0] + counts[1])[:used]
    return Tail(lattice_paths.exact_pvalue((n, m), ends, gap, alternative), 0)


def by_limit(pair: Pair, alternative: Alternative, statistic: float) -> Tail:
    """P-value by Kolmogorov's law at the effective sample sizes."""
    from scipy.special import kolmogorov

    n, m = pair.effective_n
    scaled = math.sqrt(n * m / (n + m)) * statistic
    return Tail(float(kolmogorov(scaled)) if alternative == "two-sided" else math.exp(-2 * scaled**2), 0)


def by_permutation(
    pair: Pair,
    alternatives: Sequence[Alternative],
    n_resamples: int,
    rng: np.random.Generator,
    stop_after: int | None,
) -> list[Tail]:
    """P-values from one set of assignments, one per alternative."""
    rows = pair.rows
    if rows is None:
        raise InputError("permutation needs the errors of the models, not an EDF")
    layout, order = label_gaps.arrange(*rows.errors, *rows.codes, pair.restrict)
    find_gaps = label_gaps.gap_finder(layout, rows.weights[order], *rows.shares)
    seen = find_gaps(layout.labels[None, :], None)
    plus, minus = float(seen.plus[0]), float(seen.minus[0])
    observed = np.array([max(plus, minus), plus, minus])
    wanted = [name in alternatives for name in ALTERNATIVES]
    observed[~np.array(wanted)] = np.nan
    weighted = rows.weights[order] > 0
    needs = None if weighted.all() else permutations.Needs(weighted, rows.shares[0] > 0, rows.shares[1] > 0)
    tails = permutations.permutation_tails(layout, find_gaps, observed, n_resamples, rng, stop_after, needs)
    return [tails[ALTERNATIVES.index(name)] for name in alternatives]
