"""KS tests, distances and permutations as ratios against SciPy, in CPU time of one process.

Run with ``python -m pytest -o addopts="" benchmarks/bench_ks.py -s``; each line printed is one ratio. The
10^7 cases take a few minutes, nearly all of it SciPy's.
"""

import time

import numpy as np
import pytest
from scipy import stats

from edfstat import edf, ks_test, wasserstein
from edfstat.kolmogorov import ks_tests


def cpu(call, repeats=1):
    """Least CPU seconds of a call, and its result."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        result = call()
        best = min(best, time.process_time() - start)
    return best, result


def two_spaces(n, grid, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.gamma(5, 1, n) + 3, rng.gamma(5.1, 1, n) + 3
    return (a.round(2), b.round(2)) if grid else (a, b)


@pytest.mark.parametrize("grid", [True, False], ids=["grid", "continuous"])
@pytest.mark.parametrize("n", [10**4, 10**6, 10**7])
def test_ks_and_wasserstein_from_stored_edfs(benchmark, n, grid):
    """The statistic, its p-value and the distance, of EDFs that are there already."""
    a, b = two_spaces(n, grid)
    rng = np.random.default_rng(1)
    w, v = rng.random(n), rng.random(n)
    f, g = edf(a, w), edf(b, v)

    def ours():
        return ks_test(f, g, method="asymptotic").statistic, wasserstein(f, g)

    def scipys():
        return stats.ks_2samp(a, b, method="asymp").statistic, stats.wasserstein_distance(a, b, w, v)

    benchmark.pedantic(ours, rounds=3, warmup_rounds=1)
    mine, (_, distance) = cpu(ours, 5)
    theirs, (_, expected) = cpu(scipys, 1 if n > 10**6 else 3)
    assert distance == pytest.approx(expected, rel=1e-6)
    report(benchmark, f"KS + Wasserstein, n = {n:.0e}", mine, theirs)


def test_permutations_of_two_large_spaces(benchmark):
    """1,000 within-bin permutations of 50,000 models each; SciPy's know neither bins nor weights."""
    a, b = two_spaces(50_000, grid=False)
    rng = np.random.default_rng(1)
    bins_a, bins_b = rng.integers(0, 10, a.size), rng.integers(0, 10, b.size)

    def ours():
        return ks_tests(a, b, strata_a=bins_a, strata_b=bins_b, method="permutation", n_resamples=1000, rng=0)

    def scipys():
        return stats.permutation_test(
            (a, b), lambda x, y: stats.ks_2samp(x, y, method="asymp").statistic, n_resamples=20, vectorized=False, rng=0
        )

    benchmark.pedantic(ours, rounds=1)
    mine, _ = cpu(ours, 2)
    theirs, _ = cpu(scipys)
    print(f"\n1,000 permutations of 2 x 50,000 models: {mine:.2f} s of one core")
    report(benchmark, "one permutation", mine / 1001, theirs / 21)


def test_five_spaces_as_compare_tests_them(benchmark):
    """10 pairs x 2 measures of 25,000 models each, 999 permutations, all three alternatives."""
    rng = np.random.default_rng(2)
    spaces = [(rng.gamma(5 + 0.05 * i, 1, 25_000) + 3).round(2) for i in range(5)]
    bins = [rng.integers(0, 20, 25_000) for _ in spaces]

    def ours():
        for i in range(5):
            for j in range(i):
                for _ in range(2):
                    ks_tests(spaces[i], spaces[j], strata_a=bins[i], strata_b=bins[j], n_resamples=999, rng=0)

    benchmark.pedantic(ours, rounds=1)
    mine, _ = cpu(ours)
    print(f"\n20 stratified tests of 2 x 25,000 models: {mine:.1f} s of one core")
    benchmark.extra_info["cpu_seconds"] = mine


@pytest.mark.parametrize("n", [300, 3000])
def test_exact_pvalue(benchmark, n):
    """Lattice paths, ties included, against SciPy's path counts, which leave ties out."""
    a, b = two_spaces(n, grid=True)
    b = b[: n - n // 9]

    def ours():
        return ks_test(a, b, method="exact").pvalue

    benchmark.pedantic(ours, rounds=3, warmup_rounds=1)
    mine, _ = cpu(ours, 3)
    theirs, _ = cpu(lambda: stats.ks_2samp(a, b + 1e-9 * np.arange(b.size), method="exact").pvalue, 3)
    report(benchmark, f"exact p-value, n = {n}", mine, theirs)


def report(benchmark, what, mine, theirs):
    benchmark.extra_info["ratio"] = theirs / mine
    print(f"\n{what}: {1e3 * mine:.3g} ms against {1e3 * theirs:.3g} ms, {theirs / mine:.3g} times faster")
