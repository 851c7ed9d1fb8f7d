"""Size and power of the default weighted KS test in fixed scenarios; the figures are in docs/statistics_tests.md.

Each scenario has ten complexity bins of geometric sizes, and errors whose law depends on the bin. Under the
null hypothesis that law is the same for both spaces; `shift` moves the errors of the second one.
"""

import sys

import numpy as np
import pytest

from edfstat import ks_test

REPLICATES = 2000
RESAMPLES = 199


def sizes_of(total, ratio):
    """Models per bin, geometric, at least 2."""
    shares = ratio ** np.arange(10.0)
    return np.maximum(np.rint(total * shares / shares.sum()).astype(int), 2)


SCENARIOS = {
    # name: (sizes of a, sizes of b, digits of the errors, share of diverged runs)
    "thin bins": (sizes_of(200, 0.5), sizes_of(300, 0.6), 9, 0.0),
    "ties": (sizes_of(300, 0.8), sizes_of(300, 0.9), 0, 0.0),
    "unequal complexity": (sizes_of(300, 0.75), sizes_of(300, 1 / 0.75), 9, 0.0),
    "diverged runs": (sizes_of(300, 0.75), sizes_of(200, 0.9), 2, 0.1),
}


def draw(rng, sizes, digits, diverged, shift):
    bins = np.repeat(np.arange(10), sizes)
    errors = (rng.gamma(4, 0.5, bins.size) + 8 - 0.3 * bins + shift).round(digits)
    errors[rng.random(bins.size) < diverged] = np.inf
    return errors, bins


def rejected(name, shift, strata=True, replicates=REPLICATES):
    """Share of replicates with p <= 5 %, printed too: the figures of docs/statistics_tests.md."""
    rng = np.random.default_rng(sum(map(ord, name)))
    sizes_a, sizes_b, digits, diverged = SCENARIOS[name]
    count = 0
    for _ in range(replicates):
        a, bins_a = draw(rng, sizes_a, digits, diverged, 0.0)
        b, bins_b = draw(rng, sizes_b, digits, diverged, shift)
        extra = {"strata_a": bins_a, "strata_b": bins_b} if strata else {}
        count += ks_test(a, b, n_resamples=RESAMPLES, rng=rng, **extra).pvalue <= 0.05
    sys.stdout.write(
        f"\n{name}, {'by bins' if strata else 'without bins'}, shift {shift}: {100 * count / replicates:.1f} %"
    )
    return count / replicates


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_size_is_nominal(name, record_property):
    """199 draws make 5 % attainable exactly; 2,000 replicates leave a standard error of 0.5 points."""
    share = rejected(name, 0.0)
    record_property("size", share)
    assert 0.03 <= share <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_power_grows_with_the_difference(name, record_property):
    some, more = (rejected(name, shift, replicates=500) for shift in (0.5, 1.0))
    record_property("power", (some, more))
    assert some > 0.1
    assert more > some


@pytest.mark.slow
def test_ignoring_complexity_is_no_test():
    """The same spaces compared without bins: complexity alone makes them differ."""
    share = rejected("unequal complexity", 0.0, strata=False, replicates=200)
    assert share > 0.5
