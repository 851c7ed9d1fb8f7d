"""Areas under EDFs against the oracle (R survey), plain loops and numerical integration."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit, logit
from scipy.stats import t as student

from edfstat import InputError, auc, edf
from edfstat.area import auc_difference

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "data" / "stats_oracle.json").read_text(encoding="utf-8"))[
        "cases"
    ]
}


def test_oracle():
    case = CASES["auc_weighted"]
    given, expected = case["inputs"], case["expected"]
    tolerance = {"rtol": case["rtol"], "atol": case["atol"]}
    found = auc(given["errors"], given["eps"], given["weights"], level=0.95)
    np.testing.assert_allclose(found["auc"], expected["auc"], **tolerance)
    np.testing.assert_allclose(found["se"], expected["se_linearised"], **tolerance)
    np.testing.assert_allclose(auc(given["errors"], given["eps"], given["weights"]), expected["auc"], **tolerance)
    np.testing.assert_allclose(edf(given["errors"], given["weights"]).auc(given["eps"]), expected["auc"], **tolerance)


def test_area_is_the_integral_of_the_edf():
    rng = np.random.default_rng(31)
    x, w = np.round(rng.gamma(4, 2, 50), 1), rng.random(50)
    F = edf(x, w)
    for eps in (1.0, 5.0, 30.0):
        cuts = np.unique(np.concatenate([[0.0, eps], x[x < eps]]))
        integral = np.sum(F(cuts[:-1]) * np.diff(cuts)) / eps
        assert auc(x, eps, w) == pytest.approx(integral, rel=1e-12)


def test_areas_at_every_error():
    F = edf([0.0, 2.0, 3.0, 3.0, np.inf], [1, 2, 3, 4, 5])
    np.testing.assert_allclose(F.areas[1:-1], F.auc(F.support[1:-1]), rtol=1e-14)
    assert np.isnan(F.areas[[0, -1]]).all()
    np.testing.assert_allclose(edf([2.0, 3.0]).areas, [0, 1 / 6])


def test_tiny_areas_keep_their_digits():
    """One of two models just below eps: half of 1e-12 relative, no difference of nearly equal numbers."""
    eps = 1 + 2.0**-40
    assert auc([1.0, 2.0], eps) == pytest.approx(0.5 * 2.0**-40 / eps, rel=1e-13)


def test_stratified_error_and_degrees_of_freedom_by_loop():
    """Sum W_j^2 s_j^2 / m_j, and Satterthwaite's df of its parts."""
    rng = np.random.default_rng(32)
    bins = np.repeat([0, 1, 2], [4, 9, 30])
    x, w = rng.gamma(4, 2, 43), 1 / (3 * np.bincount(bins)[bins])
    found = auc(x, 12.0, w, strata=bins, level=0.9)
    g = 1 - np.minimum(1, x / 12)
    parts = np.array([g[bins == b].var(ddof=1) / np.sum(bins == b) / 9 for b in range(3)])
    se, df = np.sqrt(parts.sum()), parts.sum() ** 2 / np.sum(parts**2 / (np.bincount(bins) - 1))
    np.testing.assert_allclose([found.auc, found.se, found.df], [np.sum(w * g), se, df])
    reach = student.ppf(0.95, df) * se / (found.auc.item() * (1 - found.auc.item()))
    np.testing.assert_allclose(found.lower, expit(logit(found.auc.item()) - reach))
    np.testing.assert_allclose(found.upper, expit(logit(found.auc.item()) + reach))


def long_loop(error, strata, eps):
    """AUC and standard error by definition, in long doubles; every stratum weighs the same."""
    found = []
    for upto in np.asarray(eps, dtype=np.longdouble):
        value = variance = np.longdouble(0)
        labels = np.unique(strata)
        for label in labels:
            g = np.maximum(upto - error[strata == label].astype(np.longdouble), 0) / upto
            value += g.mean() / labels.size
            variance += g.var(ddof=1) / g.size / labels.size**2
        found.append((float(value), float(np.sqrt(variance))))
    return np.array(found).T


HARD = {
    "spread": lambda rng: np.round(rng.gamma(3, 1, 3000) + 5, 2),
    "failed": lambda rng: np.where(rng.random(3000) < 0.2, np.inf, rng.gamma(3, 1, 3000) + 5),
    "a tight cluster far below the rest": lambda rng: np.r_[6 + 1e-6 * rng.random(1500), 60 + rng.random(1500)],
    "near zero": lambda rng: np.r_[np.zeros(1000), 1e-3 * rng.random(2000)],
}


@pytest.mark.parametrize("errors", HARD.values(), ids=HARD)
@pytest.mark.parametrize("count", [1, 7])
def test_many_eps_at_once_are_exact(errors, count):
    rng = np.random.default_rng(count)
    error, strata = errors(rng), rng.integers(0, count, 3000)
    # In any order, twice, on an error, and inside the cluster.
    eps = np.r_[
        30.0, 6.0000005, 6.0000001, rng.permutation(np.linspace(0.5, 70, 40)), 30.0, np.sort(error)[[1500, 2000]]
    ]
    weights = (1 / np.bincount(strata))[strata]
    found = auc(error, eps, weights, strata=strata, level=0.95)
    value, se = long_loop(error, strata, eps)
    np.testing.assert_allclose(found["auc"], value, rtol=1e-13)
    np.testing.assert_allclose(found["se"], se, rtol=1e-13)
    for i in (0, 3, 20, 43):
        alone = auc(error, eps[i], weights, strata=strata, level=0.95)
        assert str(found["reason"].values[i]) == str(alone["reason"].values)
        for name in ("auc", "se", "lower", "upper", "df"):
            np.testing.assert_allclose(found[name].values[i], alone[name].values, rtol=1e-10)


def test_a_stratum_that_failed_or_has_no_weight_among_many_eps():
    error = np.r_[np.linspace(5, 9, 40), np.full(40, np.inf), np.linspace(1, 3, 40)]
    strata, eps = np.repeat([0, 1, 2], 40), np.linspace(2.0, 20, 30)
    weights = np.repeat([1.0, 1.0, 0.0], 40)
    found = auc(error, eps, weights, strata=strata, level=0.95)
    value, se = long_loop(error[:80], strata[:80], eps)
    np.testing.assert_allclose(found["auc"], value, rtol=1e-12)
    np.testing.assert_allclose(found["se"], se, rtol=1e-12)
    assert (found["reason"].values != "").tolist() == (eps <= 5).tolist()


@pytest.mark.parametrize("errors", HARD.values(), ids=HARD)
@pytest.mark.parametrize("spans", [1, 12])
def test_unequal_weights_are_exact_at_many_eps(errors, spans):
    """n/(n-1) sum w^2 (g - gbar)^2 by definition, in long doubles; weights over one or twelve decades, and zeros."""
    rng = np.random.default_rng(spans)
    error, weights = errors(rng), 10.0 ** rng.uniform(-spans, 0, 3000)
    weights[rng.random(3000) < 0.1] = 0
    eps = np.r_[30.0, 6.0000005, rng.permutation(np.linspace(0.5, 70, 40)), 30.0, np.sort(error)[[1500, 2000]]]
    found = auc(error, eps, weights, level=0.95)
    w = weights.astype(np.longdouble) / weights.astype(np.longdouble).sum()
    for i, upto in enumerate(eps.astype(np.longdouble)):
        g = np.maximum(upto - error.astype(np.longdouble), 0) / upto
        value = w @ g
        se = np.sqrt(np.longdouble(3000) / 2999 * (w**2 @ (g - value) ** 2))
        np.testing.assert_allclose(found["auc"].values[i], float(value), rtol=1e-12)
        np.testing.assert_allclose(found["se"].values[i], float(se), rtol=1e-12)
    alone = auc(error, eps[3], weights, level=0.95)
    for name in ("auc", "se", "lower", "upper", "df"):
        np.testing.assert_allclose(found[name].values[3], alone[name].values, rtol=1e-10)


@pytest.mark.parametrize("weights", [None, [1.0, 2, 3, 4, 5, 6]])
@pytest.mark.parametrize("strata", [None, [0, 0, 0, 1, 1, 1]])
@pytest.mark.parametrize("eps", [5e-324, 1e-300, 1e-160, 1e8, 1e160, 1e300, 1.7e308])
def test_absurd_eps_reach_the_limits(weights, strata, eps):
    """0 below all errors, 1 - mean / eps above them, with the standard error of the mean over eps; without warning."""
    x = np.array([1.0, 2, 4, 7, 3, 1])
    w = np.ones(6) if weights is None else np.array(weights)
    many = auc(x, [2.0, eps, 3.0, 4.0, 5.0], weights, strata=strata, level=0.95).isel(eps=1)
    alone = auc(x, eps, weights, strata=strata, level=0.95)
    expected = 0.0 if eps < 1 else 1 - w @ x / w.sum() / eps
    for area in (alone["auc"].item(), many["auc"].item(), edf(x, weights).auc(eps), auc(x, eps, weights)):
        assert area == pytest.approx(expected, rel=1e-15, abs=1e-100)
    if eps == 1e8:
        unit = auc(x / 7, 1.0, weights, strata=strata, level=0.95)["se"].item() * 7 / eps
        assert alone["se"].item() == pytest.approx(unit, rel=1e-12)
        assert many["se"].item() == pytest.approx(unit, rel=1e-12)
    difference = auc_difference(
        x, x, [3.0, eps], weights_a=weights, strata_a=strata, strata_b=strata, simultaneous=True
    )
    assert difference["difference"].values == pytest.approx([difference["difference"].values[0], 0.0], abs=1e-7)


def test_an_eps_out_of_proportion_to_errors_below_zero_is_refused():
    for call in (lambda: auc([-1.0, 2.0], 1e-300, level=0.9), lambda: edf([-1.0, 2.0]).auc([3.0, 1e-300])):
        with pytest.raises(InputError, match=r"eps is 1e-300, out of all proportion to the lowest error -1.0"):
            call()


def test_unequal_weights_inside_strata_are_linearised():
    """R survey's svymean: sum over strata of m/(m-1) sum (u - mean u)^2 with u = w (g - mean)."""
    rng = np.random.default_rng(33)
    bins, x, w = rng.integers(0, 3, 60), rng.gamma(4, 2, 60), rng.random(60)
    found = auc(x, 12.0, w, strata=bins, level=0.95)
    share, g = w / w.sum(), 1 - np.minimum(1, x / 12)
    u = share * (g - share @ g)
    expected = sum(np.sum(bins == b) * u[bins == b].var(ddof=1) for b in range(3))
    np.testing.assert_allclose(found.se**2, expected)


def test_shapes_and_labels():
    x = [3.0, 4.0, 5.0]
    assert isinstance(auc(x, 8.0), float)
    assert auc(x, [8.0, 9.0]).shape == (2,)
    eps = xr.DataArray([8.0, 9.0], dims="cut", coords={"cut": ["a", "b"]})
    assert auc(x, eps).dims == auc(x, eps, level=0.9)["lower"].dims == ("cut",)
    assert auc(x, [8.0, 9.0], level=0.9)["auc"].sel(eps=9.0) == pytest.approx(5 / 9)
    assert auc(x, 8.0, level=0.9)["auc"].dims == ()
    assert set(auc(x, 8.0, level=0.9)) >= {"auc", "se", "lower", "upper", "df"}


@pytest.mark.parametrize(
    ("error", "options", "reason"),
    [
        ([5.0], {}, "at least 2 models"),
        ([5.0, 6.0, 7.0], {"strata": ["a", "b", "b"]}, "stratum a has one model"),
    ],
)
def test_without_a_variance_everything_but_the_area_is_nan(error, options, reason):
    found = auc(error, 10.0, level=0.95, **options)
    assert found.auc == pytest.approx(1 - np.mean(error) / 10)
    assert np.isnan([found.se, found.lower, found.upper, found.df]).all()
    assert reason in found.reason.item()


@pytest.mark.parametrize(
    ("error", "strata"), [([5.1, 5.1, 5.1], None), ([7.1, 7.1, 9.3, 9.3], [0, 0, 1, 1]), ([20.0, 30.0], None)]
)
def test_without_spread_there_is_no_interval(error, strata):
    found = auc(error, 10.0, strata=strata, level=0.95)
    assert found.se == 0
    assert np.isnan([found.lower, found.upper, found.df]).all()
    assert "no spread" in found.reason.item()


def test_a_stratum_of_weight_zero_does_not_matter():
    found = auc([5.0, 6.0, 7.0, 9.0], 10.0, [1, 1, 1, 0], strata=[0, 0, 0, -1], level=0.95)
    expected = auc([5.0, 6.0, 7.0], 10.0, level=0.95)
    for name in ("auc", "se", "lower", "upper", "df"):
        np.testing.assert_allclose(found[name], expected[name])


def test_failed_models_add_nothing():
    assert auc([5.0, np.inf], 10.0) == 0.25
    assert np.isfinite(auc([5.0, 6.0, np.inf], 10.0, level=0.95)["lower"])


def test_frequency_weights_are_replication():
    found = auc([5.0, 6.0], [10.0], [2, 3], level=0.95, kind="frequency")
    expected = auc([5.0, 5.0, 6.0, 6.0, 6.0], [10.0], level=0.95)
    xr.testing.assert_allclose(found, expected, rtol=1e-14)  # sums of counts, not of copies: equal but for rounding
    assert found.attrs == expected.attrs


@pytest.mark.parametrize("strata", [None, [0, 1, 0, 1, 1, 0, 0]])
@pytest.mark.parametrize("level", [None, 0.9])
def test_frequency_weights_are_replication_at_any_eps(strata, level):
    error, times = np.array([5.0, 7.0, 5.0, np.inf, 6.5, 9.0, 2.0]), np.array([2, 3, 1, 4, 1, 0, 5])
    labels = None if strata is None else np.repeat(strata, times)
    for eps in (4.0, [3.0, 5.5, 6.0, 9.5, 40.0, 1.0]):
        found = auc(error, eps, times, strata=strata, level=level, kind="frequency")
        expected = auc(np.repeat(error, times), eps, strata=labels, level=level)
        if level is None:
            np.testing.assert_allclose(found, expected, rtol=1e-14)
        else:
            xr.testing.assert_allclose(found, expected, rtol=1e-12)
            assert (found.attrs["n"], found.attrs["effective_n"]) == (16, 16)


def test_frequency_weights_cost_nothing_by_their_size():
    """4 10^12 models with area 0 or 1: the standard error of a share, n - 1 in the place of n."""
    times = [3 * 10**12, 10**12]
    found = auc([0.0, 10.0], 10.0, times, level=0.95, kind="frequency")
    assert found["auc"].item() == 0.75
    assert found["se"].item() == pytest.approx(np.sqrt(0.75 * 0.25 / (4e12 - 1)), rel=1e-12)
    F = edf([0.0, 10.0], times, kind="frequency")
    assert (F.n, F.effective_n, F(0.0)) == (4 * 10**12, 4e12, 0.75)
    with pytest.raises(InputError, match=r"weights stand for 1e\+16 models, more than can be counted"):
        edf([0.0, 10.0], [0, 10**16], kind="frequency")


def test_difference_is_welchs():
    """For errors below eps the areas are means, so SciPy's Welch interval of -error / eps is the answer."""
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(34)
    a, b = rng.normal(5, 1, 30), rng.normal(6, 2, 12)
    found = auc_difference(a, b, 20.0, level=0.9)
    expected = ttest_ind(-a / 20, -b / 20, equal_var=False)
    bounds = expected.confidence_interval(0.9)
    np.testing.assert_allclose([found.lower, found.upper, found.df], [bounds.low, bounds.high, expected.df])
    np.testing.assert_allclose(found.difference, auc(a, 20.0) - auc(b, 20.0))


def test_difference_without_a_variance():
    assert "at least 2" in auc_difference([1.0], [2.0, 3.0], 5.0).reason.item()
    flat = auc_difference([1.0, 1.0], [2.0, 2.0], [5.0, 6.0])
    assert np.isnan(flat.lower).all()
    assert "spread" in flat.reason.values[0]
    half = auc_difference([1.0, 1.0], [2.0, 3.0], 5.0)  # the other side's spread is all there is
    assert half.df.item() == pytest.approx(1)
    assert half.reason == ""


@pytest.mark.parametrize(
    ("eps", "options", "message"),
    [
        (0, {}, "eps is 0.0"),
        ([5, -1], {"level": 0.9}, "eps is -1.0"),
        (np.nan, {"level": 0.9}, "eps is nan"),
        ([[1.0]], {"level": 0.9}, r"eps has shape \(1, 1\)"),
        (5, {"level": 2}, "level is 2"),
        (5, {"level": 0.9, "strata": [1]}, "strata has 1 entries"),
        (5, {"weights": [-1, 1]}, r"weights\[0\] is -1"),
    ],
)
def test_bad_input(eps, options, message):
    with pytest.raises(InputError, match=message):
        auc([1.0, 2.0], eps, **options)


def test_nan_errors_are_refused():
    with pytest.raises(InputError, match=r"error\[0\] is NaN"):
        auc([np.nan, 1.0], 5.0)


def test_a_stratum_of_failures_with_unequal_weights_adds_its_share_of_the_variance():
    """Its models all have area 0, but how much of the weight they bear is chance: linearised by hand."""
    rng = np.random.default_rng(0)
    errors = np.r_[rng.gamma(9, 0.5, 12), np.full(12, 20.0)]
    weights, strata = rng.gamma(1, 1, 24), np.repeat([0, 1], 12)
    w = weights / weights.sum()
    u = w * (1 - np.minimum(1, errors / 10) - (w @ (1 - np.minimum(1, errors / 10))))
    variance = sum(12 / 11 * ((u[strata == s] - u[strata == s].mean()) ** 2).sum() for s in (0, 1))
    assert auc(errors, 10.0, weights, strata=strata, level=0.95)["se"].item() == pytest.approx(np.sqrt(variance))
    # With one weight for all of a stratum nothing of that is left to chance.
    alone = auc(errors, 10.0, np.where(strata, 2.0, weights), strata=strata, level=0.95)
    first = auc(errors, 10.0, np.where(strata, 2.0, weights), strata=np.where(strata, 1, 0), level=0.95)
    assert alone["se"].item() == first["se"].item() < np.sqrt(variance)


def test_models_of_weight_zero_leave_the_others_of_a_stratum_uncertain():
    """2 of 3 models of stratum 1 weigh nothing: which one does was chance, as svymean of R counts it."""
    error, weights = np.array([2.0, 4.0, 6.0, 3.0, 9.0, 5.0]), np.array([1.0, 1.0, 1.0, 3.0, 0.0, 0.0])
    g = 1 - error / 10
    area = weights @ g / 6
    u = weights / 6 * (g - area)
    variance = [3 / 2 * np.sum((part - part.mean()) ** 2) for part in (u[:3], u[3:])]
    found = auc(error, 10.0, weights, strata=[0, 0, 0, 1, 1, 1], level=0.95)
    assert float(found.se) == pytest.approx(np.sqrt(sum(variance)))
    assert float(found.df) == pytest.approx(sum(variance) ** 2 / (variance[0] ** 2 / 2 + variance[1] ** 2 / 2))


def test_equal_areas_have_no_spread_whatever_the_weights():
    found = auc([5.0, 5.0, 5.0, 5.0], 10.0, [0.1, 0.2, 0.3, 0.4], strata=[0, 0, 1, 1], level=0.95)
    assert np.isnan(found["lower"].item())
