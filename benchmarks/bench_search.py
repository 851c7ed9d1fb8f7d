"""Random search, models needed and Pareto inclusion against what a user would use, in one run.

    python -m pytest -p benchmark benchmarks/bench_search.py     timings
    python benchmarks/bench_search.py                            ratios, CPU time, 10^4 to 10^7 models

Peers: seaborn's weighted ECDF call (one sort) and opda's tuning curves (mean only).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import edfstat

SIZES = 2 ** np.arange(21)
QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)


def sample(n: int, grid: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    errors = rng.gamma(9, 1.0, n)
    return (errors.round(2) if grid else errors), rng.random(n)


def ours(errors: np.ndarray, weights: np.ndarray) -> Any:
    """Weighted EDF, AUC at 100 eps, and the whole search curve from one sort."""
    F = edfstat.edf(errors, weights)
    return F.auc(np.linspace(1, 20, 100)), edfstat.random_search(F, SIZES, quantiles=QUANTILES)


def seaborn_ecdf(errors: np.ndarray, weights: np.ndarray) -> Any:
    import pandas as pd
    from seaborn._statistics import ECDF

    return ECDF()(pd.Series(errors), weights=pd.Series(weights))


def opda_mean(errors: np.ndarray, weights: np.ndarray) -> Any:
    from opda.nonparametric import EmpiricalDistribution

    found = EmpiricalDistribution(errors, ws=weights / weights.sum())
    return found.average_tuning_curve(SIZES, minimize=True)


@pytest.mark.parametrize("grid", [False, True], ids=["continuous", "grid"])
@pytest.mark.parametrize("n", [10**4, 10**6])
@pytest.mark.parametrize("call", [ours, seaborn_ecdf])
def test_edf_auc_and_search(benchmark: Any, call: Callable[..., Any], n: int, grid: bool) -> None:
    benchmark.pedantic(call, sample(n, grid), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("n", [10**4, 10**6])
def test_search_from_a_stored_edf(benchmark: Any, n: int) -> None:
    F = edfstat.edf(*sample(n, False))
    benchmark.pedantic(edfstat.random_search, (F, SIZES), {"quantiles": QUANTILES}, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("n", [10**4, 10**5])
def test_pareto_inclusion(benchmark: Any, n: int) -> None:
    errors, costs = sample(n, False)
    benchmark.pedantic(edfstat.pareto_inclusion, (errors, costs, 100), rounds=3, warmup_rounds=1)


def cpu(call: Callable[..., Any], *given: Any) -> float:
    """Least CPU time of three calls, in seconds."""
    times = []
    for _ in range(3):
        start = time.process_time()
        call(*given)
        times.append(time.process_time() - start)
    return min(times)


def main(arguments: list[str] | None = None) -> None:
    """Print CPU seconds of the whole search curve and of its peers."""
    parser = argparse.ArgumentParser(description="The search curve against seaborn's EDF and opda's mean, CPU time.")
    parser.add_argument(
        "models", nargs="*", type=_size, default=[10**4, 10**6, 10**7],
        help="sizes of the samples, such as 1e5 (default 1e4, 1e6, 1e7: 15 s and 1 GB)",
    )  # fmt: skip
    sizes = parser.parse_args(arguments).models
    print(f"{'models':>10} {'errors':>10} {'edfstat':>9} {'seaborn':>9} {'ratio':>6} {'opda mean':>10}   (CPU s)")
    for n in sizes:
        for grid in (False, True):
            errors, weights = sample(n, grid)
            own, peer = cpu(ours, errors, weights), cpu(seaborn_ecdf, errors, weights)
            # opda holds an array of sizes x models, 21 times the sample: only where that is small.
            other = f"{cpu(opda_mean, errors, weights):10.4f}" if n <= 10**6 else f"{'-':>10}"
            kind = "0.01 grid" if grid else "continuous"
            print(f"{n:>10} {kind:>10} {own:9.4f} {peer:9.4f} {own / peer:6.2f} {other}")


def _size(text: str) -> int:
    """Number of models, also as 1e6."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number.is_integer() or number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of models; give a whole number, such as 1e5")
    return int(number)


if __name__ == "__main__":
    main()
