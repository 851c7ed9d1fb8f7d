"""Bands and intervals against the oracle, closed forms, SciPy and brute force."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from edfstat import InputError, Interval, edf
from edfstat.bands import dkw_half_width, exact_half_width, stratified_variance

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "data" / "stats_oracle.json").read_text(encoding="utf-8"))[
        "cases"
    ]
}


def test_oracle_pointwise_interval():
    case = CASES["pointwise_beta_interval_n20"]
    n, tolerance = case["inputs"]["n"], {"rtol": case["rtol"], "atol": case["atol"]}
    F = edf(np.arange(n))
    for count, expected in case["expected"]["interval"].items():
        np.testing.assert_allclose(F.interval(int(count) - 0.5), expected, **tolerance)
    np.testing.assert_allclose(dkw_half_width(n, 0.95), case["expected"]["dkw_halfwidth"], **tolerance)
    np.testing.assert_allclose(exact_half_width(n, 0.95), case["expected"]["ks_exact_halfwidth"], **tolerance)


def test_oracle_weighted_band_and_interval():
    case = CASES["weighted_band_and_pointwise"]
    given, expected = case["inputs"], case["expected"]
    tolerance = {"rtol": case["rtol"], "atol": case["atol"]}
    bins = np.array(given["bin"])
    F = edf(given["errors"], 1 / (given["k"] * np.bincount(bins)[bins]), strata=bins)
    np.testing.assert_allclose(F.effective_n, expected["n_eff_kish"], **tolerance)
    half = expected["dkw_kish_halfwidth"]
    band = F.band(given["confidence"])
    np.testing.assert_allclose(band.lower, np.maximum(F.probabilities - half, 0), **tolerance)
    np.testing.assert_allclose(band.upper, np.minimum(F.probabilities + half, 1), **tolerance)
    for point in expected["pointwise"]:
        np.testing.assert_allclose(F(point["t"]), point["F"], **tolerance)
        variance = stratified_variance(F.strata, np.array([point["t"]]), np.array([point["F"]]))
        np.testing.assert_allclose(variance, point["var_stratified"], **tolerance)
        np.testing.assert_allclose(F.interval(point["t"]), (point["lower"], point["upper"]), **tolerance)


def test_interval_of_equal_weights_is_clopper_pearson():
    from scipy.stats import binomtest

    F = edf(np.arange(30.0))
    for count in (0, 3, 29, 30):
        expected = binomtest(count, 30).proportion_ci(0.9)
        np.testing.assert_allclose(F.interval(count - 0.5, 0.9), (expected.low, expected.high), rtol=1e-9)


def test_guarded_interval_adds_one_model_of_the_largest_weight():
    """Nothing below x: 1 / w models count, w the largest weight; with half below, by hand from n* and w."""
    from scipy.stats import beta

    # strata of 2 and 8 models, half the weight each: weights 1/4 and 1/16
    bins, x = np.repeat([0, 1], [2, 8]), np.r_[1.0, 3.0, [1.0] * 4, [3.0] * 4]
    F = edf(x, np.array([1 / 4, 1 / 16])[bins], strata=bins)
    assert F.interval(0.5, method="guarded").upper == pytest.approx(beta.ppf(0.975, 1, 4))
    assert F.interval(0.5, method="guarded").lower == 0
    # variance: 1/4 (1/4 / 1 + 1/4 / 7) = 1/14, so F (1 - F) / v = 3.5 < 6.4 effective models
    count = (0.5 + 0.25) / (0.5 / 3.5 + 0.25**2)
    assert count > 3.5
    np.testing.assert_allclose(F.interval(2.0, method="guarded"), beta.ppf([0.025, 0.975], [1.75, 2.75], [2.75, 1.75]))
    # one light model alone below 2: F = 1/16
    G = edf(np.r_[3.0, 3.0, 1.0, [3.0] * 7], np.array([1 / 4, 1 / 16])[bins], strata=bins)
    variance = 0.25 * (1 / 8 * 7 / 8) / 7
    known = min(1 / 16 * 15 / 16 / variance, 6.4)
    count = (1 / 16 + 0.25) / (1 / 16 / known + 0.25**2)
    assert G.interval(2.0, method="guarded").upper == pytest.approx(beta.ppf(0.975, count / 16 + 1, count * 15 / 16))


def test_guarded_interval_of_equal_weights_is_that_of_n_star():
    rng = np.random.default_rng(0)
    x, bins = rng.random(60), np.repeat(np.arange(6), 10)
    at = np.array([0.0, 0.01, 0.3, 0.99, 1.0])
    for given in ({}, {"strata": bins}, {"strata": bins, "weights": np.full(60, 1 / 60)}):
        F = edf(x, **given)
        np.testing.assert_allclose(F.interval(at, method="guarded"), F.interval(at), rtol=1e-12)


def test_an_interval_says_where_it_may_be_too_short():
    """No low error among the heavy models: nothing below 1, and the light ones alone set the bound."""
    bins = np.repeat([0, 1], [2, 100])
    F = edf(np.r_[2.0, 3.0, np.linspace(1, 3, 100)], np.array([1 / 4, 1 / 200])[bins], strata=bins)
    lower, upper = F.interval([0.5, 1.5])
    assert (lower < upper).all()
    assert "at 2 of 2 errors this interval may be too short" in F.interval([0.5, 1.5]).note
    assert F.interval([0.5, 1.5], method="guarded").note == ""
    assert edf(np.arange(50.0)).interval([0.5, 1.5]).note == ""


def test_variance_is_that_of_the_survey_estimator():
    """Sum over strata of m/(m-1) sum (u - mean u)^2, u = w (1[e <= t] - F), by a plain loop; unequal weights."""
    rng = np.random.default_rng(3)
    x, w, bins = rng.random(60), rng.random(60), rng.integers(0, 4, 60)
    F = edf(x, w, strata=bins)
    for t in (0.1, 0.5, 0.9):
        u = w / w.sum() * ((x <= t) - F(t))
        expected = sum(
            mine.size / (mine.size - 1) * np.sum((mine - mine.mean()) ** 2) for b in range(4) for mine in [u[bins == b]]
        )
        got = stratified_variance(F.strata, np.array([t]), np.array([F(t)]))[0]
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_interval_uses_the_tighter_of_the_sample_sizes():
    """Between strata that differ in level the variance is smaller; Kish's n caps what it may gain."""
    bins = np.repeat([0, 1], [2, 98])
    x = np.linspace(0, 1, 100)
    w = 1 / (2 * np.bincount(bins)[bins])
    with_strata, without = edf(x, w, strata=bins), edf(x, w)
    at = 0.7
    narrow, wide = with_strata.interval(at), without.interval(at)
    assert without.effective_n < 8
    np.testing.assert_allclose(narrow, wide)  # F(1-F)/v is above Kish's n here
    inside = with_strata.interval(0.005)  # half of the stratum of two models is below: v alone is large
    assert inside.upper - inside.lower > without.interval(0.005).upper - without.interval(0.005).lower


def test_a_stratum_of_one_model_borrows_the_pooled_spread():
    F = edf([1.0, 2.0, 3.0, 4.0], strata=[0, 1, 1, 1])
    lower, upper = F.interval(2.5)
    assert 0 < lower < 0.5 < upper < 1
    assert (
        upper - lower >= edf([1.0, 2.0, 3.0, 4.0]).interval(2.5).upper - edf([1.0, 2.0, 3.0, 4.0]).interval(2.5).lower
    )


def test_bands_hold_the_edf_and_stay_in_bounds():
    rng = np.random.default_rng(4)
    bins = rng.integers(0, 5, 200)
    F = edf(rng.random(200), strata=bins)
    for method in ("dkw", "exact", "stratified"):
        band = F.band(0.9, method)
        assert isinstance(band, Interval)
        assert band.lower.shape == F.support.shape
        assert (band.lower >= 0).all()
        assert (band.lower <= F.probabilities).all()
        assert (F.probabilities <= band.upper).all()
        assert (band.upper <= 1).all()
    wide, narrow = F.band(0.99), F.band(0.8)
    assert (wide.lower <= narrow.lower).all()


def test_stratified_band_of_one_stratum_is_kolmogorovs():
    """One stratum of 2,000: sup |B| / sqrt(1999), whose 95 % point is 1.3581 (grid and draws: 4 %)."""
    rng = np.random.default_rng(8)
    F = edf(rng.random(2000), strata=np.zeros(2000))
    half = (F.band(method="stratified").upper - F.probabilities).max()
    assert half == pytest.approx(1.3581 / np.sqrt(1999), rel=0.04)


def test_stratified_band_is_the_same_every_time_and_narrower_for_balanced_strata():
    rng = np.random.default_rng(9)
    bins = np.repeat(np.arange(10), 200)
    x = rng.random(2000) + 0.5 * bins
    F = edf(x, strata=bins)
    first, second = F.band(method="stratified"), F.band(method="stratified")
    np.testing.assert_array_equal(first.lower, second.lower)
    middle = F.support.size // 2
    assert (first.upper - first.lower)[middle] < 0.8 * np.ptp(np.array(F.band())[:, middle])
    other = F.band(method="stratified", rng=1)
    assert (other.upper - other.lower)[middle] == pytest.approx((first.upper - first.lower)[middle], rel=0.05)


def test_stratified_covariance_by_brute_force():
    """Cov(s, t) = sum_j W_j^2 / (m_j - 1) (F_j(min) - F_j(s) F_j(t)), F_j shrunk, by a plain loop."""
    from edfstat.bridges import _covariance

    rng = np.random.default_rng(10)
    bins = np.repeat([0, 1, 2], [3, 10, 20])
    x, w = rng.random(33), 1 / (3 * np.bincount(bins)[bins])
    F = edf(x, w, strata=bins)
    at = np.array([0.2, 0.4, 0.9])
    expected = np.zeros((3, 3))
    for b in range(3):
        mine = x[bins == b]
        share = [(np.sum(mine <= t) + 2 * F(t)) / (mine.size + 2) for t in at]
        for i in range(3):
            for j in range(3):
                expected[i, j] += (share[min(i, j)] - share[i] * share[j]) / 9 / (mine.size - 1)
    np.testing.assert_allclose(_covariance(F, F.strata, at), expected, rtol=1e-12)


def test_edge_values():
    F = edf([3.0])
    assert F.band() == Interval(pytest.approx([0.0]), pytest.approx([1.0]))
    # Clopper-Pearson of one hit in one: lower 0.025
    assert F.interval(3.0) == Interval(pytest.approx(0.025), 1.0)
    assert F.interval(2.0) == Interval(0.0, pytest.approx(0.975))
    failed = edf([1.0, np.inf], strata=[0, 0]).interval([0.0, 1.0, np.inf])
    assert failed.upper.tolist()[-1] == 1
    assert failed.lower.tolist()[0] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda F: F.band(1.0), "level is 1.0"),
        (lambda F: F.band(95), "level is 95"),
        (lambda F: F.interval(1.0, 0.0), "level is 0.0"),
        (lambda F: F.band(method="bootstrap"), "method is 'bootstrap'"),
        (lambda F: F.band(method="stratified"), "needs strata"),
        (lambda F: edf([1.0, 2.0], [1, 2]).band(method="exact"), "equal weights only"),
        (lambda F: F.interval(1.0, method="exact"), "method is 'exact'; give 'n\\*' or 'guarded'"),
        (lambda F: edf([1.0, 2.0], [1, 2]).interval(1.0, method="guarded"), "guarded' needs strata"),
        (lambda F: edf([1.0, 2.0], strata=[0, 1]).band(method="stratified", draws=5), "draws is 5"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call(edf([1.0, 2.0]))


@pytest.mark.parametrize("n", [1, 30])
def test_a_band_around_one_error_says_no_more_than_dkw(n):
    F = edf([5.0] * n, strata=[0] * n)
    assert F.band(method="stratified").lower.tolist() == F.band(method="dkw").lower.tolist()
    assert F.band(method="stratified").lower[0] < 1


def test_weights_whose_squares_vanish_bear_nothing():
    small = edf([5.0, 6.0, 7.0], [1, 1, 1e-200], strata=[0, 0, 1]).band(method="stratified")
    none = edf([5.0, 6.0, 7.0], [1, 1, 0], strata=[0, 0, 1]).band(method="stratified")
    assert small.lower[:2] == pytest.approx(none.lower[:2])


def test_shares_do_not_take_over_the_unit_of_errors():
    at = xr.DataArray([5.0, 6.0], dims="model", coords={"model": ["a", "b"]}, attrs={"units": "percent"})
    F = edf(at)
    for found in (F(at), F.interval(at).lower):
        assert found.attrs == {}
        assert found["model"].values.tolist() == ["a", "b"]
