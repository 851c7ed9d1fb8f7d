"""What the paper simulates, with its own settings and random numbers, beside the exact values.

The notebooks draw with Python's `random`, seeded with 1 before each experiment. The same generator, asked in the
same order, gives the same samples, so that simulated numbers agree with theirs and not only on average.
"""

from __future__ import annotations

import math
import random
from itertools import repeat
from typing import Any

import numpy as np

from edfstat.kolmogorov import ks_test
from edfstat.paper.curves import Floats, named, need, sample_curve
from edfstat.paper.results import Jobs
from edfstat.paper.settings import doubling
from edfstat.planning import expected_ks
from edfstat.search_odds import best_of

__all__ = ["PAPER_SEED", "compare_minima", "compare_samples", "draw", "gap_by_size", "nested_samples", "search_best"]

PAPER_SEED = 1
SMALL, LARGE = 100, 1000
MINIMA_TRIALS = 5000
GAP_TRIALS = 50


def draw(values: Floats, size: int, rng: random.Random) -> Floats:
    """Some of the values, drawn without replacement, in the order drawn."""
    return values[rng.sample(range(values.size), size)]


def search_best(
    error: Floats, weights: Floats | None, sizes: list[int], rng: random.Random
) -> tuple[list[float], list[float], list[int]]:
    """Best of k draws with replacement, n/k times: mean and population standard deviation."""
    order = np.argsort(error, kind="stable")
    ascending = error[order]
    total = np.cumsum(np.full(error.size, 1 / error.size) if weights is None else weights[order])
    repeats = [error.size // k for k in sizes]
    means, stds = [], []
    for k, times in zip(sizes, repeats, strict=True):
        uniform = np.fromiter((rng.random() for _ in repeat(None, times * k)), dtype=np.float64, count=times * k)
        place = np.minimum(np.searchsorted(total, uniform * total[-1], side="right"), error.size - 1)
        best = ascending[place.reshape(times, k)].min(axis=1) if times else np.array([])
        finite = times > 0 and np.isfinite(best).all()
        means.append(float(best.mean()) if finite else math.nan)
        stds.append(float(best.std()) if finite else math.nan)
    return means, stds, repeats


def compare_minima(one: Jobs, bins: int, rng: random.Random) -> dict[str, Any]:
    """How often the best of a small sample beats that of a large one, and by how much."""
    need(one, LARGE)
    best = np.array([[draw(one.error, size, rng).min() for size in (SMALL, LARGE)] for _ in range(MINIMA_TRIALS)])
    difference = best[:, 0] - best[:, 1]
    counts, edges = np.histogram(difference, bins=bins)
    win, tie, lose = best_of(one.error, SMALL, n_b=LARGE, replace=False)
    shares = {
        "exact": {"best_of_100": win, "tie": tie, "best_of_1000": lose},
        "simulated": {
            "best_of_100": float((difference < 0).mean()),
            "tie": float((difference == 0).mean()),
            "best_of_1000": float((difference > 0).mean()),
        },
        "trials": MINIMA_TRIALS,
    }
    return {"curves": [named(one, edges=edges, counts=counts)], "wins": shares}


def compare_samples(one: Jobs, rng: random.Random) -> dict[str, Any]:
    """One small and one large sample; the KS test with ties, and the p-value of the paper, which ignores them."""
    from scipy.stats import ks_2samp

    need(one, LARGE)
    samples = [draw(one.error, size, rng) for size in (SMALL, LARGE)]
    test = ks_test(*samples)
    curves = [sample_curve(one, sample, np.arange(sample.size) / sample.size) for sample in samples]
    ks = {
        "statistic": test.statistic, "pvalue": test.pvalue, "method": test.method,
        "paper_pvalue": float(ks_2samp(samples[0], samples[1]).pvalue),
    }  # fmt: skip
    return {"curves": curves, "ks": ks}


def nested_samples(one: Jobs, rng: random.Random) -> dict[str, Any]:
    """EDFs of samples of growing size, as far as the file goes."""
    sizes = [size for size in (10, 100, 1000, 10_000) if size <= one.error.size]
    if not sizes:
        need(one, 10)
    curves = [sample_curve(one, draw(one.error, size, rng), np.linspace(0, 1, size)) for size in sizes]
    left_out = [size for size in (10, 100, 1000, 10_000) if size not in sizes]
    notes = [f"{one.file} holds {one.error.size} jobs: no sample of {size}" for size in left_out]
    return {"curves": curves, "notes": notes}


def gap_by_size(one: Jobs, largest: int, rng: random.Random) -> dict[str, Any]:
    """KS statistic between one sample of the largest size and samples of every size."""
    need(one, largest)
    sizes = doubling(largest)
    _, codes = np.unique(one.error, return_inverse=True)
    levels = int(codes.max()) + 1

    def law(size: int) -> Floats:
        drawn = codes[rng.sample(range(codes.size), size)]
        return np.asarray(np.bincount(drawn, minlength=levels).cumsum() / size)

    reference = law(largest)
    gaps = np.array([[np.abs(law(size) - reference).max() for _ in range(GAP_TRIALS)] for size in sizes])
    expected = np.array([expected_ks(size, population=codes.size, other=largest) for size in sizes])
    curve = named(
        one, x=sizes, y=expected[:, 0], std=expected[:, 1],
        simulated_mean=gaps.mean(axis=1), simulated_std=gaps.std(axis=1), repeats=[GAP_TRIALS] * len(sizes),
    )  # fmt: skip
    note = (
        "y is the expectation for two samples without ties, drawn like the simulated ones from one finite file "
        "without replacement: large ones share models and lie closer than samples of an endless supply"
    )
    return {"curves": [curve], "notes": [note]}
