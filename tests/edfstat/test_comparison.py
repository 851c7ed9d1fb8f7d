"""`compare` against answers found another way: by hand, by numpy and scipy, by brute force."""

import itertools

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from statsmodels.stats.multitest import multipletests

from edfstat import PopulationError, compare, sample_size
from edfstat.comparison.pairs import _dominance
from edfstat.population import build_population
from tests.edfstat.two_spaces import two_spaces


def paper_weights(params, space, bins):
    """The paper's 1/(k m_j) written out: loops over bins and spaces, numpy.histogram's bins."""
    low = max(params[space == s].min() for s in np.unique(space))
    high = min(params[space == s].max() for s in np.unique(space))
    edges = np.linspace(low, high, bins + 1)
    weights = np.zeros(params.size)
    for s in np.unique(space):
        for j in range(bins):
            last = j == bins - 1
            in_bin = (params >= edges[j]) & ((params <= edges[j + 1]) if last else (params < edges[j + 1]))
            members = in_bin & (space == s)
            weights[members] = 1 / (bins * members.sum())
    return weights, low, high


def brute_ks(ea, wa, eb, wb):
    points = np.union1d(ea, eb)
    gaps = [wa[ea <= x].sum() / wa.sum() - wb[eb <= x].sum() / wb.sum() for x in points]
    return max(gaps), -min(gaps)


def test_four_models_by_hand():
    """A has 1, 3; B has 2, 4: F_A - F_B is 1/2, 0, 1/2, 0, and 2 is the area between the curves at eps 4."""
    ds = build_population({"error": [1.0, 3.0, 2.0, 4.0], "space": ["A", "A", "B", "B"]})
    found = compare(ds, eps=4.0).sel(measure="none")
    assert found["ks"].item() == pytest.approx(0.5)
    assert found["ks_plus"].item() == pytest.approx(0.5)
    assert found["ks_minus"].item() == 0
    assert found["wasserstein"].item() == pytest.approx(1.0)
    # 1 - mean(min(1, e/4)): A 1 - (1/4 + 3/4)/2 = 1/2, B 1 - (2/4 + 1)/2 = 1/4.
    np.testing.assert_allclose(found["auc"].values, [0.5, 0.25])
    assert found["auc_difference"].item() == pytest.approx(0.25)
    np.testing.assert_array_equal(found["support"].values, [1, 2, 3, 4])
    np.testing.assert_allclose(found["edf"].values, [[0.5, 0.5, 1, 1], [0, 0.5, 0.5, 1]])
    # Best of 2 with replacement: A is 1 with chance 3/4 else 3; B is 2 with chance 3/4 else 4.
    np.testing.assert_allclose(found["search_mean"].sel(m=2).values, [1.5, 2.5])
    assert found["search_win"].sel(m=2).item() == pytest.approx(1 - (1 / 4) * (3 / 4))
    assert found["pvalue"].item() == pytest.approx(scipy.stats.ks_2samp([1, 3], [2, 4]).pvalue)


def test_weighted_results_are_the_paper_s():
    ds = two_spaces()
    found = compare(ds, rng=1, eps=14.0, n_resamples=99)
    one = found.sel(measure="params")
    error, params, space = (ds[name].values for name in ("error", "params", "space"))
    bins = int(one["bins"])
    weights, low, high = paper_weights(params, space, bins)
    assert (one["lower"].item(), one["upper"].item()) == (low, high)
    a, b = space == "small", space == "large"
    plus, minus = brute_ks(error[a], weights[a], error[b], weights[b])
    assert one["ks_plus"].item() == pytest.approx(plus)
    assert one["ks_minus"].item() == pytest.approx(minus)
    assert one["ks"].item() == pytest.approx(max(plus, minus))
    for name, mine in (("small", a), ("large", b)):
        group = one.sel(group=name)
        w = weights[mine]
        assert group["auc"].item() == pytest.approx(np.sum(w * (1 - np.minimum(1, error[mine] / 14))))
        assert group["effective_n"].item() == pytest.approx(w.sum() ** 2 / (w**2).sum())
        assert group["max_weight"].item() == pytest.approx(w.max())
        assert group["used"].item() == (w > 0).sum()
        assert group["outside"].item() == ((params[mine] < low) | (params[mine] > high)).sum()
        at = one["support"].values[150]
        assert group["edf"].values[150] == pytest.approx(w[error[mine] <= at].sum())
    moved = scipy.stats.wasserstein_distance(error[a], error[b], weights[a], weights[b])
    assert one["wasserstein"].item() == pytest.approx(moved)


def test_auto_takes_the_most_bins_that_leave_ten_models():
    ds = two_spaces()
    one = compare(ds, n_resamples=9, rng=0).sel(measure="params")
    params, space = ds["params"].values, ds["space"].values
    low, high = one["lower"].item(), one["upper"].item()
    fewest = {
        k: min(np.histogram(params[space == s], np.linspace(low, high, k + 1))[0].min() for s in ("small", "large"))
        for k in range(1, 41)
    }
    best = max(k for k, fewest_models in fewest.items() if fewest_models >= 10)
    assert 2 < best < 40
    assert one["bins"].item() == best
    assert one["thin_bins"].values.tolist() == [0, 0]
    np.testing.assert_array_equal(
        one["bin_count"].values[0, :best],
        np.histogram(params[space == "small"], np.linspace(low, high, best + 1))[0],
    )


def test_errors_by_bin_are_numpys():
    ds = two_spaces(100)
    ds["error"][:] = ds["error"].round(1)
    one = compare(ds, complexity="params", bins=4, n_resamples=9, rng=0).sel(measure="params")
    error, params, space = (ds[name].values for name in ("error", "params", "space"))
    edges = [*one["bin_lower"].values, one["bin_upper"].values[-1]]
    for name in ("small", "large"):
        for j in range(4):
            inside = (params >= edges[j]) & ((params <= edges[j + 1]) if j == 3 else (params < edges[j + 1]))
            mine, found = error[inside & (space == name)], one.sel(group=name).isel(bin=j)
            assert found["bin_count"].item() == mine.size
            assert found["bin_error"].item() == pytest.approx(mine.mean())
            expected = np.quantile(mine, [0.05, 0.5, 0.95], method="inverted_cdf")
            np.testing.assert_array_equal(found["bin_quantile"], expected)


def test_complexity_reverses_the_raw_order():
    """The large space wins as it is, because its models are larger, and loses at equal size."""
    found = compare(two_spaces(1000, shift=0.8), rng=0)
    assert found["median"].sel(measure="none", group="large") < found["median"].sel(measure="none", group="small")
    assert found["dominance"].sel(measure="params").item() == "a"
    assert found["auc_difference"].sel(measure="params").item() > 0 > found["auc_difference"].sel(measure="none").item()
    assert abs(found["imbalance_before"].sel(measure="params")).min() > 0.3
    assert abs(found["imbalance"].sel(measure="params")).max() < 0.05


@pytest.mark.parametrize("unit", [1.0, 1e3, 1e6])
def test_imbalance_is_seen_in_any_unit(unit):
    """Latency of hundredths of a second: the imbalance is said, in seconds and in us."""
    ds = two_spaces(300, shift=0.8)
    latency = np.random.default_rng(5).lognormal(-4, 0.3, 600) * np.where(ds["space"].values == "large", 1.2, 1.0)
    ds["latency"] = "model", latency * unit
    found = compare(ds, complexity="latency", bins=2, rng=0, n_resamples=9)
    before = found["imbalance_before"].sel(measure="latency").values
    logs = [np.log(latency[ds["space"].values == name]) for name in found["group"].values]
    pooled = np.sqrt((logs[0].var() + logs[1].var()) / 2)
    np.testing.assert_allclose(before[1] - before[0], (logs[1].mean() - logs[0].mean()) / pooled)
    assert abs(found["imbalance"].sel(measure="latency")).min() > 0.1
    assert sum("standard deviations of log latency" in line for line in found.attrs["warnings"]) == 2


def test_bands_and_draws_needed_of_a_hundred_models():
    """Half width sqrt(log(2 / 0.05) / 200), also below the first error; draws by Clopper and Pearson's interval."""
    errors = np.arange(150) / 2
    ds = build_population({"error": np.r_[errors[:100], errors[50:]], "space": ["A"] * 100 + ["B"] * 100})
    found = compare(ds, n_resamples=9, rng=0).sel(measure="none", group="B")
    width = np.sqrt(np.log(40) / 200)
    below, at = found.sel(support=20.0), found.sel(support=44.5)
    assert (below["edf"].item(), below["edf_lower"].item()) == (0, 0)
    assert below["edf_upper"].item() == pytest.approx(width)
    assert (at["edf"].item(), at["edf_lower"].item()) == pytest.approx((0.4, 0.4 - width))
    assert at["edf_upper"].item() == pytest.approx(0.4 + width)
    hits = [int((errors[50:] <= target).sum()) for target in found["target"].values]
    assert max(hits) > 0
    for hit, one in zip(hits, (found.sel(target=target) for target in found["target"].values), strict=True):
        chance = scipy.stats.binomtest(hit, 100).proportion_ci(0.95)
        draws = [np.ceil(np.log(0.05) / np.log1p(-p)) if p else np.inf for p in (chance.high, hit / 100, chance.low)]
        ours = [one[f"models_needed{end}"].item() for end in ("_lower", "", "_upper")]
        assert ours == draws


def test_models_to_plan_are_those_of_so_many_pairs_and_such_weights():
    ds = two_spaces(200, shift=0.3)
    third = two_spaces(200, shift=0.3, seed=1).isel(model=slice(0, 200))
    third["space"] = "model", ["third"] * 200
    found = compare(xr.concat([ds, third], "model"), complexity="params", bins=5, n_resamples=9, rng=0)
    for measure in ("none", "params"):
        effective = found.sel(measure=measure).set_index(group="group")
        for place, (a, b) in enumerate(zip(found["a"].values, found["b"].values, strict=True)):
            one = found.sel(measure=measure).isel(pair=place)
            waste = max(float(effective["used"].sel(group=g) / effective["effective_n"].sel(group=g)) for g in (a, b))
            expected = sample_size(one["ks"].item(), level=0.05 / 3) * waste
            assert one["sample_size"].item() == pytest.approx(expected, abs=1)


def test_holm_is_over_the_pairs_of_a_measure():
    rng = np.random.default_rng(3)
    error = np.concatenate([rng.normal(20 + i * 0.35, 1, 60) for i in range(4)])
    found = compare(build_population({"error": error, "space": np.repeat(list("ABCD"), 60)}), rng=0)
    p = found["pvalue"].sel(measure="none").values
    np.testing.assert_allclose(found["pvalue_holm"].sel(measure="none"), multipletests(p, method="holm")[1])
    assert p.size == 6


def test_raw_pvalue_without_ties_is_scipys_exact():
    rng = np.random.default_rng(5)
    a, b = rng.normal(30, 1, 40), rng.normal(30.5, 1, 55)
    ds = build_population({"error": np.r_[a, b], "space": ["A"] * 40 + ["B"] * 55})
    found = compare(ds).sel(measure="none")
    expected = scipy.stats.ks_2samp(a, b, method="exact")
    assert found["ks"].item() == pytest.approx(expected.statistic)
    assert found["pvalue"].item() == pytest.approx(expected.pvalue)


def test_area_differences_of_every_pair_and_eps_are_scipys():
    """The area up to eps is the mean of 1 - min(1, e / eps), so SciPy's Welch interval of that is the answer."""
    rng = np.random.default_rng(9)
    parts = [rng.gamma(4, 2 + i, 40 + 20 * i) for i in range(3)]
    space = np.repeat(list("ABC"), [part.size for part in parts])
    found = compare(build_population({"error": np.concatenate(parts), "space": space}), level=0.9, rng=0)
    for place, (a, b) in enumerate([(0, 1), (0, 2), (1, 2)]):
        for eps in found["eps_value"].values[[3, 12, 24]]:
            first, second = (1 - np.minimum(1, parts[k] / eps) for k in (a, b))
            expected = scipy.stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.9)
            one = found.isel(measure=0, pair=place).sel(eps_value=eps)
            ends = one["auc_difference_curve_lower"].item(), one["auc_difference_curve_upper"].item()
            np.testing.assert_allclose(ends, expected, rtol=1e-9)
            assert one["auc_difference_curve"].item() == pytest.approx(first.mean() - second.mean())


def test_auc_difference_is_welchs():
    rng = np.random.default_rng(6)
    a, b = rng.normal(10, 1, 30), rng.normal(10.3, 2, 50)
    ds = build_population({"error": np.r_[a, b], "space": ["A"] * 30 + ["B"] * 50})
    found = compare(ds, eps=12.0).sel(measure="none")
    ga, gb = (1 - np.minimum(1, e / 12) for e in (a, b))
    expected = scipy.stats.ttest_ind(ga, gb, equal_var=False).confidence_interval(0.95)
    ends = found["auc_difference_lower"].item(), found["auc_difference_upper"].item()
    assert ends == pytest.approx((expected.low, expected.high))


def test_diverged_models_count_as_worse_than_any():
    error = [5.0, 6.0, np.nan, 90.0, 5.0, 6.0, 7.0, 8.0]
    status = ["ok", "ok", "diverged", "diverged"] + ["ok"] * 4
    found = compare(build_population({"error": error, "status": status, "space": ["A"] * 4 + ["B"] * 4}), eps=10.0)
    a = found.sel(measure="none", group="A")
    assert (a["n"].item(), a["failed"].item()) == (4, 1)
    assert a["edf"].values[-1] == pytest.approx(0.75)
    assert a["auc"].item() == pytest.approx((0.5 + 0.4 + 0 + 0) / 4)
    assert a["search_mean"].sel(m=1).item() == np.inf
    np.testing.assert_array_equal(a["top_error"], [5.0, 6.0, 90.0, np.nan, np.nan])


def test_an_excess_of_the_other_is_looked_at_without_adjustment():
    """Of several pairs, where 0.03 would be 0.09 to Holm: b lies above somewhere too surely to call a better."""
    rows = {"pvalue_holm": [0.002] * 3, "pvalue_plus": [0.001, 0.03, 0.001], "pvalue_minus": [0.03, 0.001, 0.06]}
    assert _dominance(rows, 0.05) == ["", "", "a"]


def test_the_same_seed_gives_the_same_comparison():
    ds = two_spaces(80, shift=0.1)
    first, again, other = (compare(ds, rng=seed, n_resamples=199) for seed in (7, 7, 8))
    assert first.identical(again)
    assert first["ks"].equals(other["ks"])


def test_eps_is_one_stated_value_whatever_the_group_sizes():
    """Pooled with equal shares: 95 % of A (1..100) and B (all 50) stay below 90, whatever the number of copies of B."""
    error = [float(i) for i in range(1, 101)] + [50.0] * 10
    ds = build_population({"error": error, "space": ["A"] * 100 + ["B"] * 10})
    more = build_population({"error": error + [50.0] * 90, "space": ["A"] * 100 + ["B"] * 100})
    assert compare(ds).attrs["eps"] == compare(more).attrs["eps"] == 90.0


@pytest.mark.parametrize(
    ("errors", "eps", "end"),
    [
        ([5.0, 40.0, 10.0, 60.0], 20.0, 34.7),  # twice eps less the lower end, 5 + 2 % of 15
        ([5.0, 40.0, 10.0, 60.0], 50.0, 61.2),  # 2 % beyond the largest error
        ([5.0, 40.0, 10.0, 99.0], 72.0, 100.0),  # no error is larger
        ([5.0, 6.0, 7.0, 8.0], 30.0, 30.0),  # never below the eps that is used
        ([5.0, 6.0, 7.0, 8.0], 120.0, 120.0),
    ],
)
def test_areas_are_shown_up_to_errors_that_exist(errors, eps, end):
    found = compare(build_population({"error": errors, "space": ["A", "A", "B", "B"]}), eps=eps, n_resamples=9)
    grid = found["eps_value"].values
    assert grid[-1] == pytest.approx(end)
    assert (np.diff(grid) > 0).all()
    assert eps in grid
    np.testing.assert_allclose(found["auc_curve"].sel(eps_value=eps), found["auc"])


def test_a_given_range_is_open_and_shared():
    ds = two_spaces(200)
    one = compare(ds, complexity="params", range=(4000, 8000), bins=4, n_resamples=19, rng=0).sel(measure="params")
    params, space = ds["params"].values, ds["space"].values
    inside = (params > 4000) & (params < 8000)
    assert one["used"].values.tolist() == [(inside & (space == s)).sum() for s in ("small", "large")]
    np.testing.assert_allclose(one["bin_lower"], [4000, 5000, 6000, 7000])


def test_empty_bins_are_dropped_for_all():
    params = [1, 2, 3, 11, 12, 29, 30, 1, 2, 3, 28, 29, 30, 30]
    error = list(range(5, 19))
    ds = build_population({"error": [float(e) for e in error], "params": params, "space": ["A"] * 7 + ["B"] * 7})
    one = compare(ds, bins=3, rng=0).sel(measure="params")
    assert one["empty_bins"].item() == 1
    assert one["bins"].item() == 2
    assert one["used"].values.tolist() == [5, 7]
    assert one["outside"].values.tolist() == [0, 0], "all lie between 1 and 30"
    # Each of the two kept bins carries half: A's first bin holds 3 models, its last 2.
    assert one["max_weight"].sel(group="A").item() == pytest.approx(1 / 4)


def test_sensitivity_repeats_the_comparison_under_other_bins():
    ds = two_spaces()
    one = compare(ds, rng=0, n_resamples=19).sel(measure="params").isel(pair=0)
    assert one["sensitivity_ks"].sel(setting="as compared").item() == pytest.approx(one["ks"].item())
    half = one["sensitivity_bins"].sel(setting="half the bins").item()
    assert half == one["bins"].item() // 2
    again = compare(ds, rng=0, n_resamples=19, bins=int(half)).sel(measure="params").isel(pair=0)
    assert one["sensitivity_ks"].sel(setting="half the bins").item() == pytest.approx(again["ks"].item())
    assert np.isnan(one["sensitivity_ks"].sel(setting="uniform bins").item())


def test_training_hours_are_seconds_times_iterations():
    """CIFAR-10 in batches of 128: 391 iterations an epoch; 0.1 s x 391 x 100 epochs are 3910 s, 1.0861 h."""
    columns = {"error": [5.0, 6.0, 5.0, 6.0], "space": list("AABB"), "dataset": "cifar10", "epochs": [100.0] * 4}
    ds = build_population(columns | {"iter_time": [0.1, 0.3, 0.2, np.nan]})
    hours = compare(ds)["train_hours"].sel(measure="none").values
    np.testing.assert_allclose(hours, [2 * 3910 / 3600] * 2)
    assert np.isnan(compare(two_spaces(20))["train_hours"]).all()
    # In each of two bins half of the weight, of A on 0.1 s and on two models of 0.3 s, of B on those that are known.
    more = build_population(
        {"error": [5.0] * 6, "space": list("AAABBB"), "dataset": "cifar10", "epochs": [100.0] * 6,
         "params": [1, 4, 4, 1, 1, 4], "iter_time": [0.1, 0.3, 0.3, 0.2, np.nan, 0.4]}
    )  # fmt: skip
    hours = compare(more, bins=2)["train_hours"].sel(measure="params").values * 3600 / 39_100
    np.testing.assert_allclose(hours, [0.5 * 0.1 + 0.5 * 0.3, (0.25 * 0.2 + 0.5 * 0.4) / 0.75])


def test_best_models_come_with_their_architecture():
    ds = two_spaces(30, net=[f'{{"d": {i}}}' for i in range(60)])
    found = compare(ds, complexity="none")
    small = ds["space"].values == "small"
    best = np.flatnonzero(small)[np.argsort(ds["error"].values[small])[:5]]
    np.testing.assert_array_equal(found["top_error"].sel(group="small"), ds["error"].values[best])
    assert list(found["top_net"].sel(group="small").values) == list(ds["net"].values[best])
    np.testing.assert_array_equal(found["top_params"].sel(group="small"), ds["params"].values[best])


def test_groups_that_share_no_complexity():
    ds = build_population({"error": [1.0, 2, 3, 4], "params": [1, 2, 30, 40], "space": list("AABB")})
    found = compare(ds)
    assert list(found["measure"].values) == ["none"]
    assert any("share no range of params" in w for w in found.attrs["warnings"])
    with pytest.raises(PopulationError, match=r"share no range of params \(A 1 to 2, B 30 to 40\)"):
        compare(ds, complexity="params")


EDGE = {
    "one model": {"error": [5.0], "space": ["A"], "params": [10]},
    "one model each": {"error": [5.0, 6.0], "space": ["A", "B"], "params": [10, 10]},
    "one group": {"error": [5.0, 6.0, 7.0], "space": ["A"] * 3, "params": [10, 20, 30]},
    "equal errors": {"error": [5.0] * 20, "space": ["A", "B"] * 10, "params": list(range(20))},
    "errors of zero": {"error": [0.0] * 4, "space": list("AABB")},
    "all of one group failed": {
        "error": [5.0, 6.0, np.nan, np.nan], "status": ["ok"] * 2 + ["diverged"] * 2, "space": list("AABB"),
    },
    "no name": {"error": [5.0, 6.0], "space": ["", "B"]},
}  # fmt: skip


@pytest.mark.parametrize("columns", EDGE.values(), ids=EDGE)
def test_edges_work(columns):
    found = compare(build_population(columns), rng=0)
    assert np.isfinite(found["auc"].sel(measure="none")).all()
    assert ((found["pvalue"] > 0) & (found["pvalue"] <= 1)).all()
    assert (found["edf_lower"] <= found["edf"]).all()
    assert (found["edf"] <= found["edf_upper"]).all()


def test_equal_errors_are_no_difference():
    found = compare(build_population(EDGE["equal errors"]), rng=0)
    assert (found["ks"] == 0).all()
    assert (found["pvalue"] == 1).all()
    assert (found["dominance"] == "").all()
    assert (found["wasserstein"] == 0).all()


def test_who_is_better_does_not_depend_on_the_order_of_groups():
    """Each difference is significant by scipy's tests and Holm's, and goes one way, whichever group comes first."""
    rng = np.random.default_rng(54)
    errors = {name: rng.normal(mean, 1.0, 60) for name, mean in (("A", 10.0), ("B", 10.5), ("C", 10.2))}
    expected = {}
    for order in itertools.permutations("ABC"):
        pairs = list(itertools.combinations(order, 2))
        tests = [
            [scipy.stats.ks_2samp(errors[a], errors[b], side).pvalue for side in ("two-sided", "greater", "less")]
            for a, b in pairs
        ]
        adjusted = multipletests([p for p, _, _ in tests], method="holm")[1]
        assert adjusted.max() <= 0.05
        assert all(min(one, other) <= 0.05 < max(one, other) for _, one, other in tests)
        better = {frozenset(pair): pair[int(plus > minus)] for pair, (_, plus, minus) in zip(pairs, tests, strict=True)}
        expected |= better
        found = compare(
            build_population({"error": np.concatenate([errors[g] for g in order]), "space": np.repeat(order, 60)})
        ).sel(measure="none")
        named = {
            frozenset((a, b)): {"a": a, "b": b, "": ""}[side]
            for a, b, side in zip(found["a"].values, found["b"].values, found["dominance"].values, strict=True)
        }
        assert named == better == expected


def test_a_bin_that_is_left_out_is_not_thin():
    """Of the bins 0 to 10 to 20 to 30 the third holds nobody of B, so the 4 of A there weigh nothing."""
    params = [*range(1, 21), 25, 26, 27, 30, *range(1, 16), 30]
    ds = build_population({"error": np.arange(40.0), "params": params, "space": ["A"] * 24 + ["B"] * 16})
    found = compare(ds, bins=3, range=(0, 30)).sel(measure="params")
    assert found["bin_count"].values.tolist() == [[9, 10, 4], [9, 6, 0]]
    assert found["thin_bins"].values.tolist() == [1, 2]


def test_a_failed_group_is_dominated():
    error = [5.0 + i / 10 for i in range(10)] + [np.nan] * 10
    status = ["ok"] * 10 + ["diverged"] * 10
    ds = build_population({"error": error, "status": status, "space": ["A"] * 10 + ["B"] * 10})
    found = compare(ds).sel(measure="none")
    assert found["dominance"].item() == "a"
    assert found["best"].sel(group="B").item() == np.inf
    assert np.isinf(found["models_needed"].sel(group="B")).all()


def test_a_pair_without_a_difference_takes_few_of_many_permutations():
    """Its test ends at the thousandth permutation that reaches D (Besag & Clifford), so p is 1000 / drawn."""
    ds = two_spaces(200, shift=0.0)
    found = compare(ds, complexity="params", rng=0, n_resamples=20_000)
    p = found["pvalue"].sel(measure="params").item()
    assert p > 0.1
    assert 1000 / p == pytest.approx(round(1000 / p), abs=1e-6)
    assert 1000 / p < 20_000
    few = compare(ds, complexity="params", rng=1, n_resamples=999)["pvalue"].sel(measure="params").item()
    assert p == pytest.approx(few, abs=0.08)
