"""Weighted EDF, AUC at every eps and a random search from one sort, as ratios against one seaborn EDF.

Seaborn's is the statistic alone (``seaborn._statistics.ECDF``), without the drawing of ``ecdfplot``, which
costs more. CPU time of one process. Run with ``python -m pytest -o addopts="" benchmarks/bench_edf.py -s``.
"""

import resource
import subprocess
import sys
import time

import numpy as np
import pytest
from seaborn._statistics import ECDF

from edfstat import edf, random_search

SIZES = 2 ** np.arange(21)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def errors_and_weights(n, grid):
    rng = np.random.default_rng(0)
    x = rng.gamma(4, 3, n) + 3
    return (x.round(2) if grid else x), rng.random(n)


def ours(x, w):
    F = edf(x, w)
    areas = F.auc(F.support[np.isfinite(F.support)])
    return F, areas, random_search(F, SIZES, quantiles=QUANTILES)


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
    """Peak beyond the errors and weights themselves, in a process of its own."""
    code = (
        "import sys; sys.path[:0] = ['benchmarks', '.']; import bench_edf as b\n"
        "b.ours(*b.errors_and_weights(1000, False)); x, w = b.errors_and_weights(10**7, False)\n"
        "import gc; gc.collect(); print(b.peak(), end=' '); b.ours(x, w); print(b.peak())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    print(f"\nextra memory at 1e7: {after - before:.2f} GB")
    assert after - before < 1.0


def peak():
    """Highest memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
