"""How long a full comparison and a report take, against permutations one by one in scipy.

Run: ``python -m pytest -o addopts="" benchmarks/bench_compare.py -s``. Populations are synthetic: errors on the
0.01 grid of the published files, five spaces of 25,000 models, complexity that differs between spaces. Times are
CPU seconds of this process, so a busy machine does not change them much.
"""

import os
import resource
import time

import numpy as np
import pytest
import scipy.stats

from edfstat import compare, report
from edfstat.population import build_population

SPACES, MODELS, RESAMPLES = 5, 25_000, 999


def population(models=MODELS, spaces=SPACES, seed=0):
    rng = np.random.default_rng(seed)
    columns = {"error": [], "params": [], "flops": [], "space": []}
    for place in range(spaces):
        params = np.exp(rng.normal(12.2 + 0.15 * place, 0.8, models)).clip(2e4, 9e5)
        error = 5 + 0.3 * place + 2.2 * np.exp((11 - np.log(params)) / 1.2) + rng.gamma(1.6, 1.2, models)
        columns["error"].append(np.round(error.clip(0, 100), 2))
        columns["params"].append(params.astype(int))
        columns["flops"].append((params * np.exp(rng.normal(5.2, 0.5, models))).astype(int).clip(10**6, 3 * 10**8))
        columns["space"].append(np.full(models, f"space {place}", dtype=object))
    return build_population({name: np.concatenate(parts) for name, parts in columns.items()})


@pytest.fixture(scope="module")
def five_spaces():
    return population()


@pytest.mark.parametrize("models", [2_500, MODELS])
def test_compare_and_report(benchmark, tmp_path, models):
    ds = population(models)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    found = compare(ds, rng=0, n_resamples=RESAMPLES)
    compared = time.process_time() - start
    benchmark.pedantic(report, args=(found, tmp_path / "r.html"), rounds=1, iterations=1)
    reported = time.process_time() - start - compared
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = (tmp_path / "r.html").stat().st_size
    print(
        f"\n{SPACES} spaces x {models} models, bins {found['bins'].values.tolist()}: compare {compared:.1f} s CPU, "
        f"report {reported:.1f} s CPU, {size / 1e6:.2f} MB of HTML, memory peak {peak / 1024:.0f} MB "
        f"(before: {before / 1024:.0f} MB), {os.cpu_count()} cores"
    )


def test_one_pair_against_scipy_permutation_test(benchmark, five_spaces):
    """A comparison of two spaces with 999 permutations, per permutation, against scipy's with the same statistic."""
    two = five_spaces.isel(model=slice(0, 2 * MODELS))
    start = time.process_time()
    benchmark.pedantic(
        compare,
        args=(two,),
        kwargs={"rng": 0, "complexity": "params", "n_resamples": RESAMPLES},
        rounds=1,
        iterations=1,
    )
    ours = (time.process_time() - start) / RESAMPLES
    a, b = two["error"].values[:MODELS], two["error"].values[MODELS:]

    def distance(x, y):
        return scipy.stats.ks_2samp(x, y, method="asymp").statistic

    few = 5
    start = time.process_time()
    scipy.stats.permutation_test((a, b), distance, n_resamples=few, vectorized=False, rng=np.random.default_rng(0))
    theirs = (time.process_time() - start) / (few + 1)
    print(f"\na whole comparison costs {1e3 * ours:.2f} ms per permutation, scipy's test alone {1e3 * theirs:.2f} ms: "
          f"{theirs / ours:.1f} times")  # fmt: skip
