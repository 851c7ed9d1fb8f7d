"""Complexity bins and weights against the oracle, numpy.histogram and cases by hand."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from edfstat import InputError, PopulationError, complexity_bins, complexity_weights, example_population
from edfstat.complexity import most_bins
from edfstat.imbalance import standardized_difference
from edfstat.sensitivity import bin_sensitivity

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "data" / "stats_oracle.json").read_text(encoding="utf-8"))[
        "cases"
    ]
}


def tolerance(case):
    return {"rtol": case["rtol"], "atol": case["atol"]}


def test_oracle_edges_inclusive():
    case = CASES["bin_edges_inclusive"]
    found = complexity_bins(case["inputs"]["complexity"], bins=case["inputs"]["edges"])
    expected = case["expected"]
    assert found["bin"].values.tolist() == expected["bin"]
    assert found["counts"].values.tolist() == [expected["counts"]]
    weights = found["weights"].values
    np.testing.assert_allclose(np.nan_to_num(weights), expected["weights"], **tolerance(case))
    assert np.isnan(weights).sum() == expected["n_outside"] == found["outside"].item()
    np.testing.assert_allclose(found["effective_n"], expected["n_eff_kish"], **tolerance(case))


@pytest.mark.parametrize("spacing", ["uniform", "log"])
def test_oracle_common_support(spacing):
    case = CASES["bin_common_support"]
    a, b = case["inputs"]["complexity_A"], case["inputs"]["complexity_B"]
    found = complexity_bins(
        a + b, bins=case["inputs"]["k"], groups=["A"] * len(a) + ["B"] * len(b), spacing=spacing, empty="drop"
    )
    np.testing.assert_allclose(found["edges"], case["expected"][f"edges_{spacing}"], **tolerance(case))
    assert found["edges"].values[[0, -1]].tolist() == [case["expected"]["lower"], case["expected"]["upper"]]


def test_oracle_target_shares():
    case = CASES["bin_target_standardisation"]
    found = complexity_bins(case["inputs"]["bin"], bins=[0, 1, 2, 3], target=case["inputs"]["target_share"])
    np.testing.assert_allclose(found["weights"], case["expected"]["weights"], **tolerance(case))
    np.testing.assert_allclose(found["effective_n"], case["expected"]["n_eff_kish"], **tolerance(case))


@pytest.mark.parametrize("spacing", ["uniform", "log", "quantile"])
def test_bins_are_numpys(spacing):
    c = np.random.default_rng(2).lognormal(size=500)
    edges = {
        "uniform": np.linspace(c.min(), c.max(), 6),
        "log": np.geomspace(c.min(), c.max(), 6),
        "quantile": np.quantile(c, np.linspace(0, 1, 6)),
    }[spacing]
    found = complexity_bins(c, bins=5, spacing=spacing, empty="drop")
    np.testing.assert_array_equal(found["counts"].values[0], np.histogram(c, edges)[0])
    np.testing.assert_allclose(found["edges"], edges)


def test_a_range_is_strict_and_common_support_closed():
    c = [1.0, 2.0, 3.0, 4.0]
    assert np.isnan(complexity_weights(c, range=(1, 4), bins=1)).tolist() == [True, False, False, True]
    assert complexity_weights(c, bins=1).tolist() == [0.25] * 4
    groups = list("aabb")
    assert np.isnan(complexity_weights([1.0, 3.0, 2.0, 4.0], bins=1, groups=groups)).tolist() == [
        True,
        False,
        False,
        True,
    ]


def test_quantile_edges_are_of_all_groups_inside_the_range():
    c = np.array([0.0, 1, 2, 3, 4, 1, 2, 2, 2, 3, 9])
    groups = ["a"] * 5 + ["b"] * 6
    inside = c[(c >= 1) & (c <= 4)]
    found = complexity_bins(c, groups=groups, bins=2, spacing="quantile")
    np.testing.assert_allclose(found["edges"], [1, np.quantile(inside, 0.5), 4])


def test_an_empty_bin_names_itself_the_group_and_what_works():
    c = [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 1.2, 5.0]
    groups = ["A"] * 5 + ["B"] * 3
    with pytest.raises(PopulationError, match=r"bin 1 \(2\.33333 to 3\.66667\) has no model of group B; bins=2 works"):
        complexity_weights(c, bins=3, groups=groups)
    complexity_weights(c, bins=2, groups=groups)


def test_every_suggested_number_of_bins_works():
    rng = np.random.default_rng(12)
    for _ in range(20):
        c, groups = rng.lognormal(size=60), rng.integers(0, 3, 60)
        with pytest.raises(PopulationError, match="bins=") as raised:
            complexity_weights(c, bins=30, groups=groups)
        works = int(str(raised.value).split("bins=")[1].split()[0])
        complexity_weights(c, bins=works, groups=groups)


def test_what_works_in_place_of_given_edges_is_a_number_of_bins():
    """Edges may span more than the groups share: two bins are 3 to 4 to 5, and not 0 to 3 to 6."""
    c, groups = [3.0, 3.5, 4.0, 5.0, 0.0, 3.0, 3.5, 4.5, 5.0, 6.0], ["A"] * 4 + ["B"] * 6
    with pytest.raises(PopulationError, match=r"bin 0 \(0 to 2\) has no model of group A; bins=2 works"):
        complexity_weights(c, bins=[0, 2, 4, 6], groups=groups)
    assert complexity_weights(c, bins=2, groups=groups)[:4].tolist() == [0.25] * 4


def test_drop_leaves_the_bin_out_of_every_group():
    c = [1.0, 2.0, 2.5, 4.0, 1.0, 1.2, 4.0, 4.0]
    groups = list("AAAABBBB")
    found = complexity_bins(c, bins=3, groups=groups, empty="drop")
    assert found["kept"].values.tolist() == [True, False, True]
    np.testing.assert_allclose(found["weights"], [0.5, np.nan, np.nan, 0.5, 0.25, 0.25, 0.25, 0.25])
    assert found["bin"].values.tolist() == [0, -1, -1, 2, 0, 0, 2, 2]
    assert found["counts"].values.tolist() == [[1, 2, 1], [2, 0, 2]]
    assert found["share"].values.tolist() == [0.5, 0, 0.5]


def test_merge_joins_neighbours_in_every_group():
    c = [1.0, 2.0, 2.5, 4.0, 1.0, 1.2, 4.0, 4.0]
    groups = list("AAAABBBB")
    found = complexity_bins(c, bins=3, groups=groups, empty="merge")
    np.testing.assert_allclose(found["edges"], [1, 2, 4])
    assert found["counts"].values.tolist() == [[1, 3], [2, 2]]
    np.testing.assert_allclose(found["weights"], [0.5, 1 / 6, 1 / 6, 1 / 6, 0.25, 0.25, 0.25, 0.25])
    last_empty = complexity_bins([1.0, 2.0, 3.0, 1.0, 1.9, 3.0], bins=[1, 1.5, 2.5, 2.9, 3.1, 9], empty="merge")
    np.testing.assert_allclose(last_empty["edges"], [1, 1.5, 2.5, 9])
    thick = complexity_bins(np.arange(100.0), bins=40, empty="merge", min_count=10)
    assert thick["counts"].values.min() >= 10


def test_merged_target_shares_add():
    found = complexity_bins([1.0, 1.0, 3.0], bins=[1, 2, 2.5, 4], target=[0.6, 0.3, 0.1], empty="merge")
    np.testing.assert_allclose(found["share"], [0.6, 0.4])


def test_targets():
    c = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]
    groups = list("aaabbb")
    options = {"bins": [0, 0.5, 1], "groups": groups}
    np.testing.assert_allclose(complexity_bins(c, target="pooled", **options)["share"], [0.5, 0.5])
    np.testing.assert_allclose(complexity_bins(c, target="a", **options)["share"], [2 / 3, 1 / 3])
    np.testing.assert_allclose(complexity_weights(c, target="a", **options)[:3], 1 / 3)
    np.testing.assert_allclose(complexity_bins(c, target=[3, 1], **options)["share"], [0.75, 0.25])
    # a bin that should carry no weight may be empty
    np.testing.assert_allclose(complexity_weights([0.0, 1.0], bins=[0, 0.4, 0.6, 1], target=[1, 0, 1]), [0.5, 0.5])


def test_joint_grid_by_hand():
    """2 x 2 cells, in them 1, 2, 1 and 1 models: weights 1/4, 1/8, 1/8, 1/4, 1/4."""
    c = np.array([[0.0, 0], [0, 9], [1, 10], [8, 1], [10, 10]])
    found = complexity_bins(c, bins=(2, 2))
    np.testing.assert_allclose(found["weights"], [0.25, 0.125, 0.125, 0.25, 0.25])
    assert found["bin"].values.tolist() == [0, 1, 1, 2, 3]
    np.testing.assert_allclose(found["edges"], [[0, 5, 10], [0, 5, 10]])
    assert found["imbalance"].dims == ("group", "axis")
    np.testing.assert_allclose(complexity_weights(c, bins=2), found["weights"])
    mixed = complexity_bins(c, bins=(1, [0, 5, 10]))
    np.testing.assert_allclose(mixed["weights"], [1 / 4, 1 / 6, 1 / 6, 1 / 4, 1 / 6])


def test_joint_grid_counts_are_numpys():
    rng = np.random.default_rng(13)
    c = rng.random((2000, 2))
    counts, x, y = np.histogram2d(*c.T, bins=(4, 3))
    found = complexity_bins(c, bins=(4, 3))
    np.testing.assert_array_equal(found["counts"].values[0].reshape(4, 3), counts)
    np.testing.assert_allclose(found["edges"].values[0], x)
    np.testing.assert_allclose(found["edges"].values[1][:4], y)


def test_joint_grid_empty_cells():
    c = np.array([[0.0, 0], [1, 1], [2, 2], [0, 0], [1, 1], [2, 2]])
    groups = list("aaabbb")
    with pytest.raises(
        PopulationError, match=r"bin 1 \(0 to 1 by 1 to 2\) has no model of group a; bins=\(1, 1\) works"
    ):
        complexity_weights(c, bins=2, groups=groups)
    np.testing.assert_allclose(complexity_weights(c, bins=2, groups=groups, empty="drop"), [0.5, 0.25, 0.25] * 2)
    with pytest.raises(InputError, match="one measure"):
        complexity_weights(c, bins=2, groups=groups, empty="merge")
    strict = complexity_weights(c, bins=1, groups=groups, range=[(-1, 3), (0, 3)])
    np.testing.assert_allclose(strict, [np.nan, 0.5, 0.5] * 2)


def test_one_complexity_for_all():
    assert complexity_weights([5.0, 5.0], bins=1).tolist() == [0.5, 0.5]
    with pytest.raises(PopulationError, match="bins=1 works"):
        complexity_weights([5.0, 5.0], bins=4)
    assert complexity_weights([5.0], bins=1).tolist() == [1.0]


def test_labels_are_kept():
    c = xr.DataArray([1, 2, 3], dims="net", coords={"net": list("abc"), "space": ("net", ["A", "A", "A"])})
    weights = complexity_weights(c, bins=2)
    assert weights.dims == ("net",)
    assert weights["net"].values.tolist() == ["a", "b", "c"]
    found = complexity_bins(c, bins=2)
    assert found["weights"].dims == found["bin"].dims == ("net",)
    assert found["space"].values.tolist() == ["A", "A", "A"]


def test_imbalance_by_hand():
    """In one bin, log complexity 0, 2 against 2, 4: means 1 and 3, center 2, variance 1 within each group."""
    c = np.exp([0.0, 2, 2, 4])
    found = complexity_bins(c, bins=[0.5, 100], groups=list("aabb"))
    np.testing.assert_allclose(found["imbalance"], [-1, 1])
    fine = complexity_bins(np.tile(np.arange(1.0, 101), 2), groups=[0] * 100 + [1] * 100)
    np.testing.assert_allclose(fine["imbalance"], 0, atol=1e-12)


def test_imbalance_of_weighted_models_by_hand():
    """Weights 3 and 1 on 0 and 4 have mean 1 and variance 3; 1 and 1 on 2 and 4 mean 3 and variance 1; pooled 2.

    A value that is not above 0 is left out, but takes the logarithm from all.
    """
    expected = [-1 / np.sqrt(2), 1 / np.sqrt(2)]
    weights, codes = np.array([3.0, 1, 5, 5]), np.array([0, 0, 1, 1])
    logs = standardized_difference(np.exp([0.0, 4, 2, 4]), weights, codes, 2)
    np.testing.assert_allclose(logs, expected)
    plain = standardized_difference(np.array([0.0, 4, 2, 4, -7]), np.append(weights, 0), np.append(codes, 0), 2)
    np.testing.assert_allclose(plain, expected)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e6])
def test_imbalance_does_not_depend_on_the_unit(unit):
    rng = np.random.default_rng(21)
    groups = np.repeat([0, 1], 300)
    seconds = rng.lognormal(np.where(groups, -2.5, -3), np.where(groups, 0.8, 0.5))
    bins = np.quantile(seconds, [0, 0.5, 1])
    plain, scaled = (complexity_bins(seconds * u, bins=bins * u, groups=groups)["imbalance"] for u in (1.0, unit))
    assert abs(plain).max() > 0.05
    np.testing.assert_allclose(scaled, plain, rtol=1e-9)


def test_imbalance_without_spread_inside_groups():
    """Each group is of one complexity: no spread to measure a difference by, and none where it is the same one."""
    found = complexity_bins([2.0, 2, 3, 3], bins=[1, 4], groups=list("aabb"))
    assert found["imbalance"].values.tolist() == [-np.inf, np.inf]
    same = complexity_bins([0.1] * 7, bins=[0.05, 0.2], groups=list("aaabbcc"))
    assert same["imbalance"].values.tolist() == [0.0, 0.0, 0.0]


def test_most_bins_holds_what_it_says():
    rng = np.random.default_rng(14)
    c, groups = rng.gamma(2, 1, 2000), rng.integers(0, 2, 2000)
    most = most_bins(c, groups, min_count=10)
    assert complexity_bins(c, bins=most, groups=groups)["counts"].values.min() >= 10
    for more in range(most + 1, 41):
        assert complexity_bins(c, bins=more, groups=groups, empty="drop")["counts"].values.min() < 10
    assert most_bins([1.0, 2.0], min_count=10) == 1
    assert most_bins(np.arange(20.0), min_count=10) == 2, "ten and ten"
    assert most_bins(np.linspace(0, 1, 10_000)) == 40


@pytest.mark.parametrize(
    ("complexity", "options", "message"),
    [
        ([1.0, np.nan], {}, r"complexity\[1\] is nan \(1 of 2"),
        ([1.0, np.inf], {}, r"complexity\[1\] is inf"),
        ([], {}, r"complexity has shape \(0,\)"),
        (np.ones((2, 3)), {}, r"complexity has shape \(2, 3\)"),
        (["a", "b"], {}, "give numbers"),
        ([1.0, 2.0], {"bins": 0}, "bins is 0"),
        ([1.0, 2.0], {"bins": 2.5}, "bins is 2.5"),
        ([1.0, 2.0], {"bins": [1.0]}, r"bins is \[1.0\]"),
        ([1.0, 2.0], {"bins": [2.0, 1.0]}, "ascending"),
        ([1.0, 2.0], {"bins": "many"}, "bins is 'many'"),
        (np.ones((2, 2)), {"bins": (1, 2, 3)}, "3 entries for two measures"),
        ([1.0, 2.0], {"spacing": "cubic"}, "'uniform', 'log', 'quantile'"),
        ([0.0, 2.0], {"spacing": "log"}, "starts at 0"),
        ([1.0, 2.0], {"empty": "ignore"}, "'raise', 'drop', 'merge'"),
        ([1.0, 2.0], {"range": (2, 1)}, "range "),
        ([1.0, 2.0], {"range": (1, np.nan)}, "range "),
        ([1.0, 2.0], {"range": 3}, "range is 3"),
        ([1.0, 2.0], {"range": (None, 3)}, r"give \(low, high\) with low < high, both finite"),
        ([1.0, 2.0], {"range": (0, np.inf)}, r"give \(low, high\) with low < high, both finite"),
        ([1.0, 2.0], {"range": (5, 6)}, "group all has no model"),
        ([1.0, 2.0], {"groups": ["a"]}, "groups has 1 entries for 2 models"),
        ([1.0, 2.0], {"groups": ["a", "b"]}, "groups share no range of complexity: b starts at 2, above the end of a"),
        ([1.0, 2.0], {"bins": 2, "target": [1, 2, 3]}, "give 2 shares"),
        ([1.0, 2.0], {"bins": 2, "target": [1, -1]}, "give 2 shares"),
        ([1.0, 2.0], {"bins": 2, "target": "biggest"}, "target is 'biggest'"),
        ([1.0, 2.0], {"min_count": 0}, "min_count is 0"),
        ([1.0, 2.0], {"min_count": 3, "bins": 1, "empty": "drop"}, "nothing can be compared"),
        ([1.0, 2.0], {"min_count": 3, "bins": 1}, "no number of bins works"),
    ],
)
def test_bad_input_names_argument_value_and_remedy(complexity, options, message):
    with pytest.raises(InputError, match=message):
        complexity_weights(complexity, **options)


def test_sensitivity_to_the_number_of_bins():
    rng = np.random.default_rng(15)
    c, groups = rng.random(400), np.repeat(["A", "B"], 200)
    error = 10 + 5 * c + rng.random(400) + np.where(groups == "A", 0, 1)
    found = bin_sensitivity(error, c, groups, 20.0, bins=[1, 5, 300])
    assert found["auc"].dims == ("bins", "group")
    for count in (1, 5):
        w = complexity_weights(c, bins=count, groups=groups)
        g = 1 - np.minimum(1, error / 20.0)
        used = ~np.isnan(w)
        expected = [np.sum((w * g)[used & (groups == name)]) for name in "AB"]
        np.testing.assert_allclose(found["auc"].sel(bins=count), expected)
        np.testing.assert_allclose(found["auc_difference"].sel(bins=count), expected[0] - expected[1])
        at_or_below = (error[used] <= error[used][:, None]) * w[used]
        gaps = at_or_below[:, groups[used] == "A"].sum(axis=1) - at_or_below[:, groups[used] == "B"].sum(axis=1)
        np.testing.assert_allclose(found["ks"].sel(bins=count), abs(gaps).max())
    assert found["kept"].sel(bins=300) < 300
    with pytest.raises(PopulationError, match="share no range"):
        bin_sensitivity([1.0, 2.0], [1, 2], ["a", "b"], 3.0)


def test_names_of_groups_stay_where_models_have_a_group_of_their_own():
    """Every population has a coordinate ``group`` along its models: that of the files of reruns."""
    ds = example_population()
    found = complexity_bins(ds.params, groups=ds.space, empty="drop")
    bare = complexity_bins(ds.params.values, groups=ds.space.values, empty="drop")
    assert found.group.values.tolist() == bare.group.values.tolist() == ["ResNet", "Vanilla"]
    assert found.counts.sel(group="ResNet").values.tolist() == bare.counts.sel(group="ResNet").values.tolist()
    assert found.job_id.values.tolist() == ds.job_id.values.tolist()
    assert bin_sensitivity(ds.error, ds.params, ds.space, 10.0).equals(
        bin_sensitivity(ds.error.values, ds.params.values, ds.space.values, 10.0)
    )


@pytest.mark.parametrize("name", ["group", "bin", "edge", "axis", "weights", "counts", "anything"])
def test_models_may_lie_along_any_dimension(name):
    values = xr.DataArray([1.0, 2.0, 3.0, 1.0, 1.4, 3.0], dims=[name], coords={name: range(10, 16)})
    found = complexity_bins(values, groups=list("AAABBB"), bins=2)
    assert found.counts.values.tolist() == [[1, 2], [2, 1]]
    assert found.weights.dims == ((name,) if name == "anything" else ("model",))
    assert found.weights[found.weights.dims[0]].values.tolist() == [10, 11, 12, 13, 14, 15]


@pytest.mark.filterwarnings("error")
def test_models_with_labels_of_their_own_keep_these():
    labels = {"group": [4, 5, 6], "model": ("group", ["x", "y", "z"])}
    found = complexity_bins(xr.DataArray([1.0, 2.0, 3.0], dims=["group"], coords=labels), bins=1)
    assert found.weights.sel(model="y").item() == pytest.approx(1 / 3)
    assert found.group.values.tolist() == ["all"]


def test_an_index_of_several_levels_is_kept():
    levels = pd.MultiIndex.from_product([["A", "B"], [1, 2, 3]], names=["s", "i"])
    values = xr.DataArray(
        [1.0, 2.0, 3.0, 1.0, 1.4, 3.0], dims="model", coords=xr.Coordinates.from_pandas_multiindex(levels, "model")
    )
    found = complexity_bins(values, groups=list("AAABBB"), bins=2)
    assert found.sel(s="B").weights.values.tolist() == found.weights.values[3:].tolist()


def histogram_counts(complexity, groups, count, spacing):
    """Models of each group in each of `count` bins of the shared range, by NumPy's histogram."""
    parts = [complexity[groups == label] for label in np.unique(groups)]
    low, high = max(part.min() for part in parts), min(part.max() for part in parts)
    inside = complexity[(complexity >= low) & (complexity <= high)]
    edges = {
        "uniform": lambda: np.linspace(low, high, count + 1),
        "log": lambda: np.geomspace(low, high, count + 1),
        "quantile": lambda: np.quantile(inside, np.linspace(0, 1, count + 1)),
    }[spacing]()
    edges[[0, -1]] = low, high
    return np.array([np.histogram(part, edges)[0] for part in parts])


@pytest.mark.parametrize("spacing", ["uniform", "log", "quantile"])
@pytest.mark.parametrize("law", ["smooth", "whole numbers", "far from zero", "clusters"])
def test_most_bins_by_counting_in_every_number_of_bins(spacing, law):
    rng = np.random.default_rng(sum(map(ord, spacing + law)))
    for min_count in (1, 2, 5):
        complexity = {
            "smooth": lambda: rng.lognormal(0, 0.5, 300),
            "whole numbers": lambda: rng.integers(1, 40, 300).astype(float),
            "far from zero": lambda: 1e9 + rng.integers(0, 90, 300),
            "clusters": lambda: np.where(rng.random(300) < 0.5, rng.uniform(1, 2, 300), rng.uniform(5, 9, 300)),
        }[law]()  # fmt: skip
        groups = rng.integers(0, 2, 300)
        held = [histogram_counts(complexity, groups, count, spacing).min() for count in range(1, 121)]
        most = max([count for count, least in enumerate(held, 1) if least >= min_count], default=1)
        assert most_bins(complexity, groups, spacing=spacing, limit=120, min_count=min_count) == most


def test_most_bins_of_many_models_with_a_gap_do_not_try_every_number():
    """The middle third is empty: of 5 bins the third lies in it, and so does one of any more; 4 all reach out of it."""
    complexity = np.r_[np.linspace(0, 1, 400_000), np.linspace(2, 3, 400_000)]
    assert most_bins(complexity, limit=100_000) == 4


def test_the_number_of_bins_that_is_proposed_works_with_the_target_that_was_given():
    rng = np.random.default_rng(4)
    complexity, groups = np.r_[rng.uniform(0, 3, 50), rng.uniform(0.5, 4, 30)], np.repeat(["A", "B"], [50, 30])
    for target in (None, "pooled", "A", np.arange(1.0, 31)):
        with pytest.raises(PopulationError, match=r"bins=\d+ works") as refused:
            complexity_bins(complexity, bins=30, groups=groups, target=target)
        works = int(re.search(r"bins=(\d+) works", str(refused.value)).group(1))
        listed = isinstance(target, np.ndarray)
        assert (f"works with a target of {works} shares" in str(refused.value)) == listed
        complexity_bins(complexity, bins=works, groups=groups, target=target[:works] if listed else target)
