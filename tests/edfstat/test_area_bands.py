"""The band of a curve of area differences: its critical value against other roads to it, its promise by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from edfstat.area import auc_difference
from edfstat.area_bands import path_length, simultaneous_critical


def test_a_path_that_stays_needs_one_test():
    assert simultaneous_critical(0.0, 40, 12.0, 0.95) == pytest.approx(stats.t.ppf(0.975, 12), rel=1e-9)


def test_a_path_far_longer_than_its_points_needs_as_many_tests():
    assert simultaneous_critical(1e6, 3, 12.0, 0.9) == pytest.approx(stats.t.ppf(1 - 0.1 / 6, 12), rel=1e-9)


def test_an_arc_of_a_plane_by_its_own_law():
    """Largest |<z, u>| over an arc of length 1, z a normal vector of the plane: |z| if its direction is in the arc."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((400_000, 2))
    angle = np.arctan2(z[:, 1], z[:, 0]) % np.pi
    beyond = np.where(angle <= 1, 0.0, np.minimum(angle - 1, np.pi - angle))
    largest = np.hypot(*z.T) * np.cos(beyond)
    c = simultaneous_critical(1.0, 10**9, 1e9, 0.95)
    assert (largest > c).mean() == pytest.approx(0.05, abs=0.0015)


def test_length_of_an_arc():
    angles = np.linspace(0, 1, 11)
    scale = 3.0  # lengths are of directions
    assert path_length([[scale * np.array([math.cos(a), math.sin(a)])] for a in angles]) == pytest.approx(
        1.0, rel=1e-12
    )


def test_band_encloses_the_interval_at_each_eps_and_one_eps_is_the_interval():
    rng = np.random.default_rng(0)
    a, b = rng.gamma(8, 1, 80), rng.gamma(9, 1, 60)
    found = auc_difference(a, b, [6.0, 8.0, 10.0, 14.0], simultaneous=True)
    assert (found.band_lower < found.lower).all()
    assert (found.band_upper > found.upper).all()
    one = auc_difference(a, b, 8.0, simultaneous=True)
    assert one.band_lower.item() == pytest.approx(one.lower.item(), rel=1e-12)
    again = auc_difference(a, b, [14.0, 8.0, 6.0, 10.0], simultaneous=True).sortby("eps")
    assert found.attrs["critical"] == pytest.approx(again.attrs["critical"], rel=1e-12)


def test_a_band_is_as_wide_as_its_least_certain_end_asks_for():
    """Of ten bins one alone, of 5 models, has errors below 6, so that there about 8 degrees of freedom are left."""
    rng = np.random.default_rng(0)
    strata = np.repeat(np.arange(10), [5] + [40] * 9)
    errors = np.where(strata == 0, rng.uniform(3, 5, strata.size), rng.uniform(7, 12, strata.size))
    found = auc_difference(errors, errors + 0.1, [6.0, 14.0], strata_a=strata, strata_b=strata, simultaneous=True)
    fewest = found.df.values.min()
    assert fewest < 9 < found.df.values.max() / 10
    assert found.attrs["critical"] >= stats.t.ppf(0.975, fewest)


def test_without_a_variance_there_is_no_band():
    found = auc_difference([5.0, 5.0], [5.0, 5.0], [4.0, 8.0], simultaneous=True)
    assert np.isnan(found.band_lower).all()
    assert np.isnan(found.attrs["critical"])


def test_the_band_leaves_out_where_fewer_than_five_models_lie_below_eps():
    a, b = np.arange(1.0, 21), np.arange(3.0, 13)
    eps = np.array([5.0, 6.0, 7.5, 8.5, 20.0])
    found = auc_difference(a, b, eps, simultaneous=True)
    assert (found["band_reason"].values != "").tolist() == [True, True, False, False, False]  # b has 2, 3, 5, 6, 10
    assert np.isnan(found["band_lower"].values).tolist() == np.isnan(found["band_upper"].values).tolist()
    assert np.isnan(found["band_lower"].values).tolist() == [True, True, False, False, False]
    assert np.isfinite(found["lower"].values).all()
    # 6 models, one of which weighs as much as the others together: (10 / 5 + 1 + ...)^2 / ... = 4, not 6.
    heavy = auc_difference(a, b, 8.5, weights_b=[5.0, 1, 1, 1, 1, 1, 9, 9, 9, 9], simultaneous=True)
    assert np.isnan(heavy["band_lower"])
    assert "fewer than 5 effective models" in heavy["band_reason"].item()


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(15, 15), (30, 30)])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_band_of_small_samples_holds(sizes, weighted):
    """1,000 replicates of normal errors, b a standard deviation worse: 85 to 92 % where the band went on below."""
    rng = np.random.default_rng(2)
    eps = np.linspace(9.5, 13, 25)
    truth = [x * stats.norm.cdf(x - mean) - mean * stats.norm.cdf(x - mean) + stats.norm.pdf(x - mean)
             for x, mean in ((eps, 10), (eps, 11))]  # fmt: skip
    gap = (truth[0] - truth[1]) / eps
    held = 0
    for _ in range(1000):
        a, b = (rng.normal(mean, 1, n) for mean, n in zip((10, 11), sizes, strict=True))
        weights = [rng.gamma(2, 1, n) if weighted else None for n in sizes]
        found = auc_difference(a, b, eps, weights_a=weights[0], weights_b=weights[1], simultaneous=True)
        lower, upper = found["band_lower"].values, found["band_upper"].values
        held += bool((np.isnan(lower) | ((lower <= gap) & (gap <= upper))).all())
    assert stats.binom.cdf(held, 1000, 0.93) > 0.001


@pytest.mark.slow
def test_the_band_holds_the_curve():
    """1,000 replicates of ten bins with failed models; at 99.9 % confidence not below 93 %."""
    rng = np.random.default_rng(1)
    eps = np.linspace(6, 14, 17)
    sizes = [np.array([10, 13, 16, 20, 25, 32, 40, 50, 63, 80]), np.full(10, 20)]
    scale, shift = 0.6 + 0.08 * np.arange(10), (0.0, 0.5)
    quantiles = stats.gamma.ppf((np.arange(4000) + 0.5) / 4000, 8)
    truth = [
        np.array([0.9 * (1 - np.minimum(1, (np.outer(scale, quantiles) + move) / x)).mean() for x in eps])
        for move in shift
    ]
    held = 0
    for _ in range(1000):
        sides = []
        for m, move in zip(sizes, shift, strict=True):
            strata = np.repeat(np.arange(10), m)
            errors = rng.gamma(8, 1, strata.size) * scale[strata] + move
            sides.append((np.where(rng.random(strata.size) < 0.1, np.inf, errors), 1 / m[strata], strata))
        (a, wa, sa), (b, wb, sb) = sides
        found = auc_difference(a, b, eps, weights_a=wa, weights_b=wb, strata_a=sa, strata_b=sb, simultaneous=True)
        gap = truth[0] - truth[1]
        held += bool(((found.band_lower <= gap) & (gap <= found.band_upper)).all())
    assert stats.binom.cdf(held, 1000, 0.93) > 0.001
