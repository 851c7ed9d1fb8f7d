"""How often bands and intervals hold the truth, in fixed scenarios whose truth is known. Slow.

Each scenario draws populations of ten complexity bins with laws of error that are known: rounded gammas,
with failed models where it says so. Counts of models in bins stay the same in every replicate, as
post-stratification takes them. The figures printed are those of docs/statistics.md; the test is that none is
below 93 % by more than chance allows (binomial, 99.9 %).
"""

import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binom
from scipy.stats import gamma as gamma_law

from edfstat import auc, compare, edf
from edfstat.area import auc_difference
from edfstat.population import build_population
from edfstat.search_bands import search_band

REPLICATES = 1000
BINS = 10
EPS = 15.0
SIZES = 2 ** np.arange(11)
SHARES = (0.02, 0.1, 0.5)
pytestmark = pytest.mark.slow

#: Where the pointwise interval by n* falls short of 93 %, and its coverage in 20,000 draws of the counts below the
#: error: the low errors all come from the thinnest bins. Their few models understate the spread, and where none of
#: them is low the variance is 0 and n* falls back on Kish's n, which the full bins dominate. `guarded` does not.
SHORT = {("thin bins, low errors rare", "n* at 0.1"): 0.918, ("low errors rare", "n* at 0.02"): 0.8825}


@dataclass(frozen=True)
class Scenario:
    """Models per bin, how errors shift with complexity, their grid, and the share of failed models."""

    counts: tuple[int, ...]
    slope: float
    step: float
    failed: float = 0.0

    def draw(self, rng, bins=None):
        bins = np.repeat(np.arange(BINS), self.counts) if bins is None else bins
        x = 4 + rng.gamma(3, 1.5, bins.size) + self.slope * (BINS - 1 - bins)
        x = np.ceil(x / self.step) * self.step
        return np.where(rng.random(x.size) < self.failed, np.inf, x), bins

    def draw_mixture(self, rng):
        """A sample of the space itself, bins and all."""
        return self.draw(rng, rng.choice(BINS, sum(self.counts), p=np.array(self.counts) / sum(self.counts)))

    def weights(self, bins):
        return 1 / (BINS * np.array(self.counts)[bins])

    def law(self, weighted):
        """Possible errors, and the share of the design space at each: bins alike, or as models are."""
        grid = np.arange(1, int(60 / self.step)) * self.step
        of_bin = np.array([gamma_law.cdf(grid - 4 - self.slope * (BINS - 1 - j), 3, scale=1.5) for j in range(BINS)])
        share = np.full(BINS, 1 / BINS) if weighted else np.array(self.counts) / sum(self.counts)
        return grid, (1 - self.failed) * share @ of_bin


SCENARIOS = {
    "thin bins": Scenario((2, 3, 4, 6, 9, 14, 22, 34, 54, 85), slope=0.6, step=0.01),
    "thin bins, low errors rare": Scenario((85, 54, 34, 22, 14, 9, 6, 4, 3, 2), slope=0.6, step=0.01),
    "low errors rare": Scenario((80, 60, 50, 40, 30, 25, 20, 15, 12, 10), slope=0.6, step=0.01),
    "ties": Scenario((20,) * BINS, slope=0.3, step=0.5),
    "unequal complexity": Scenario((10, 16, 25, 40, 63, 100, 158, 251, 398, 631), slope=1.0, step=0.01),
    "diverged runs": Scenario((10, 12, 15, 20, 25, 30, 40, 50, 60, 80), slope=0.6, step=0.01, failed=0.1),
}


def report(hits, trials, what, floor=0.93):
    """Print every coverage; fail if one is below its floor beyond chance."""
    for name, count in hits.items():
        sys.stdout.write(f"\n{what}, {name}: {100 * count / trials:.1f} %")
    short = {
        name: (count, trials)
        for name, count in hits.items()
        if count < binom.ppf(0.001, trials, floor if isinstance(floor, float) else floor(name))
    }
    assert not short


def inside(interval, truth):
    return bool((np.asarray(interval[0]) <= truth + 1e-12).all() and (truth <= np.asarray(interval[1]) + 1e-12).all())


class Truth:
    """What the bands and intervals of a scenario should hold."""

    def __init__(self, scenario, weighted):
        self.step, self.failed = scenario.step, scenario.failed
        self.grid, self.law = scenario.law(weighted)
        self.at = self.grid[[int(np.argmax(self.law >= share)) for share in SHARES]]
        self.points = np.interp(self.at, self.grid, self.law)
        # Area up to EPS of a law with steps: F is law[i] from grid[i] on.
        self.area = np.sum(self.law[self.grid < EPS - self.step / 2]) * self.step / EPS
        # The median of the best of m, and its mean with failures at 100, the highest error there is.
        levels = 1 - 0.5 ** (1 / SIZES)
        self.median = self.grid[np.searchsorted(self.law, levels)]
        gaps = np.diff(np.concatenate([[0.0], self.grid, [100.0]]))
        self.mean = np.array([gaps @ (1 - np.concatenate([[0.0], self.law])) ** m for m in SIZES])

    def in_band(self, F, band):
        """Whether a band holds the law everywhere: at each atom, and just before it by the atom below."""
        here = np.where(np.isinf(F.support), 1.0, np.interp(F.support, self.grid, self.law))
        before = np.where(np.isinf(F.support), 1 - self.failed, np.interp(F.support - self.step, self.grid, self.law))
        first = min(1, band.upper[0] - F.probabilities[0])
        return inside(band, here) and bool((np.append(first, band.upper[:-1]) >= before - 1e-12).all())


@pytest.mark.parametrize("name", SCENARIOS)
def test_weighted_bands_and_intervals(name, capsys):
    scenario = SCENARIOS[name]
    truth = Truth(scenario, weighted=True)
    rng = np.random.default_rng(1)
    hits = Counter()
    for _ in range(REPLICATES):
        x, bins = scenario.draw(rng)
        w = scenario.weights(bins)
        F = edf(x, w, strata=bins)
        hits["band"] += truth.in_band(F, F.band())
        # A tenth of the default draws, for time; the width they leave uncertain by 3 % is right on average.
        hits["stratified band"] += truth.in_band(F, F.band(method="stratified", draws=1000))
        for method in ("n*", "guarded"):
            found = F.interval(truth.at, method=method)
            for i, share in enumerate(SHARES):
                hits[f"{method} at {share}"] += inside((found.lower[i], found.upper[i]), truth.points[i])
        for key, strata in (("auc", bins), ("auc without strata", None)):
            area = auc(x, EPS, w, strata=strata, level=0.95)
            hits[key] += inside((area.lower, area.upper), truth.area)
        other, _ = scenario.draw(rng)
        gap = auc_difference(x, other, EPS, weights_a=w, weights_b=w, strata_a=bins, strata_b=bins)
        hits["auc difference"] += inside((gap.lower, gap.upper), 0.0)
        hits["search band"] += search_band_holds(F, truth.median, 0.5)
        hits["search band of the mean"] += search_band_holds(F, truth.mean, None)
    with capsys.disabled():
        report(hits, REPLICATES, f"{name}, weighted", lambda key: SHORT.get((name, key), 0.93))


def search_band_holds(F, curve, quantile):
    band = search_band(F, SIZES, quantile=quantile)
    return inside((band["lower"].values, band["upper"].values), curve)


@pytest.mark.parametrize("name", SCENARIOS)
def test_unweighted_bands_and_intervals(name, capsys):
    scenario = SCENARIOS[name]
    truth = Truth(scenario, weighted=False)
    rng = np.random.default_rng(2)
    hits = Counter()
    for _ in range(REPLICATES):
        x, _ = scenario.draw_mixture(rng)
        F = edf(x)
        hits["band"] += truth.in_band(F, F.band())
        hits["exact band"] += truth.in_band(F, F.band(method="exact"))
        found = F.interval(truth.at)
        for i, share in enumerate(SHARES):
            hits[f"at {share}"] += inside((found.lower[i], found.upper[i]), truth.points[i])
        area = auc(x, EPS, level=0.95)
        hits["auc"] += inside((area.lower, area.upper), truth.area)
        hits["search band"] += search_band_holds(F, truth.median, 0.5)
        hits["search band of the mean"] += search_band_holds(F, truth.mean, None)
    with capsys.disabled():
        report(hits, REPLICATES, f"{name}, unweighted")


#: Two spaces of one law given complexity: models per complexity of each; errors are lower where there is more of it.
SMALL, LARGE = (60, 30, 15, 8, 4), (4, 8, 15, 30, 60)


def two_spaces(rng):
    """The same law of errors given complexity in both: tied, 5 % diverged; complexity differs, bins are thin."""
    bins = np.concatenate([np.repeat(np.arange(5), SMALL), np.repeat(np.arange(5), LARGE)])
    error = np.ceil((4 + rng.gamma(3, 1.5, bins.size) + 1.5 * (4 - bins)) * 10) / 10
    diverged = rng.random(bins.size) < 0.05
    return build_population({
        "error": np.where(diverged, np.nan, error), "status": np.where(diverged, "diverged", "ok"),
        "params": 1000 * (1 + bins), "space": np.repeat(["small", "large"], [sum(SMALL), sum(LARGE)]),
    })  # fmt: skip


def test_whole_comparisons(capsys):
    """What `compare` says of two spaces between which there is no difference but that of complexity."""
    grid = np.arange(1, 600) / 10
    law = 0.95 * np.mean([gamma_law.cdf(grid - 4 - 1.5 * (4 - j), 3, scale=1.5) for j in range(5)], axis=0)
    area = np.sum(law[grid < EPS - 0.05]) * 0.1 / EPS
    rng = np.random.default_rng(3)
    hits, rejected = Counter(), Counter()
    for _ in range(REPLICATES):
        found = compare(two_spaces(rng), bins=5, range=(500, 5500), eps=EPS, n_resamples=199, rng=rng)
        for measure in ("none", "params"):
            rejected[measure] += found["pvalue_holm"].sel(measure=measure).item() <= 0.05
        one = found.sel(measure="params")
        hits["auc difference"] += inside((one["auc_difference_lower"], one["auc_difference_upper"]), 0.0)
        group = one.isel(group=0)
        hits["auc"] += inside((group["auc_lower"], group["auc_upper"]), area)
        at = np.interp(found["support"].values, grid, law)
        hits["band of the EDF"] += inside((group["edf_lower"], group["edf_upper"]), at)
        chance = np.interp(found["target"].values[-1], grid, law)
        needed = np.ceil(np.log(0.05) / np.log1p(-chance)) if chance > 0 else np.inf
        hits["models needed"] += inside((group["models_needed_lower"][-1], group["models_needed_upper"][-1]), needed)
    with capsys.disabled():
        report(hits, REPLICATES, "compare")
        for measure, count in rejected.items():
            sys.stdout.write(f"\ncompare, KS test rejects, {measure}: {100 * count / REPLICATES:.1f} %")
    assert 0.03 <= rejected["params"] / REPLICATES <= 0.07
    assert rejected["none"] > 0.9 * REPLICATES
