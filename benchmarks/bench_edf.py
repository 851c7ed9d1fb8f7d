"""Weighted EDF, AUC at every eps and a random search from one sort, as ratios against one seaborn EDF.

Seaborn's is the statistic alone (``seaborn._statistics.ECDF``), without the drawing of ``ecdfplot``, which
costs more. CPU time of one process. Run with ``python -m pytest -o addopts="" benchmarks/bench_edf.py -s``.
"""

import time
import tracemalloc

import numpy as np
import pytest
from seaborn._statistics import ECDF

from edfstat import auc, edf, random_search

SIZES = 2 ** np.arange(21)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def errors_and_weights(n, grid):
    rng = np.random.default_rng(0)
    x = rng.gamma(4, 3, n) + 3
    return (x.round(2) if grid else x), rng.random(n)


def ours(x, w):
    F = edf(x, w)
    return F, F.areas, random_search(F, SIZES, quantiles=QUANTILES)


def seaborns(x, w):
    return ECDF(stat="proportion")(x, weights=w)


def cpu(call, *args, repeats=3):
    """Least CPU seconds of a call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call(*args)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("grid", [False, True], ids=["continuous", "grid"])
@pytest.mark.parametrize("n", [10**4, 10**6, 10**7])
def test_edf_auc_and_search(benchmark, n, grid):
    x, w = errors_and_weights(n, grid)
    F, areas, search = ours(x, w)
    y, at = seaborns(x, w)
    last = np.flatnonzero(at[1:] != np.append(at[2:], np.inf))  # seaborn keeps every tie
    np.testing.assert_allclose(F.probabilities, y[1:][last], rtol=1e-9, atol=1e-9)
    assert areas.size == F.support.size
    assert search.sizes["m"] == 21
    benchmark.pedantic(ours, args=(x, w), rounds=3)
    mine, theirs = cpu(ours, x, w), cpu(seaborns, x, w)
    benchmark.extra_info.update(ours_s=mine, seaborn_s=theirs, times_seaborn=mine / theirs)
    print(f"\nn = {n:.0e}, {'grid' if grid else 'continuous'}: {mine:.3f} s, seaborn {theirs:.3f} s, "
          f"{mine / theirs:.2f} times seaborn")  # fmt: skip


def test_memory_at_ten_million():
    """Peak of what is allocated beyond the errors and weights themselves."""
    x, w = errors_and_weights(10**7, False)
    tracemalloc.start()
    ours(x, w)
    extra = tracemalloc.get_traced_memory()[1] / 2**30
    tracemalloc.stop()
    print(f"\nextra memory at 1e7: {extra:.2f} GB")
    assert extra < 1.0


def loop_over_eps(x, w, eps):
    """AUC and its standard error by definition, one eps after the other."""
    w = w / w.sum()
    found = []
    for upto in eps:
        g = 1 - np.minimum(1, x / upto)
        value = w @ g
        found.append((value, np.sqrt(x.size / (x.size - 1) * (w**2 @ (g - value) ** 2))))
    return np.array(found).T


@pytest.mark.parametrize("n", [10**4, 10**5, 10**6])
def test_standard_errors_at_200_eps(n):
    x, w = errors_and_weights(n, False)
    eps = np.linspace(4, 30, 200)
    found = auc(x, eps, w, level=0.95)
    np.testing.assert_allclose([found["auc"], found["se"]], loop_over_eps(x, w, eps), rtol=1e-9)
    mine, theirs = cpu(lambda: auc(x, eps, w, level=0.95)), cpu(loop_over_eps, x, w, eps, repeats=1)
    print(f"\nn = {n:.0e}: {mine:.4f} s, a loop over eps {theirs:.3f} s, {theirs / mine:.1f} times faster")
    assert n < 10**5 or mine < theirs
