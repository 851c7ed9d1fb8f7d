"""KS tests against enumeration by hand, the oracle, SciPy and closed forms."""

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from edfstat import InputError, PopulationError, adjust_pvalues, edf, ks_test
from edfstat.kolmogorov import ks_tests

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "data" / "stats_oracle.json").read_text())["cases"]
}
NAMES = {"two-sided": "two_sided", "greater": "D_plus", "less": "D_minus"}
STATISTIC = {"two-sided": "D", "greater": "D_plus", "less": "D_minus"}


def brute_gap(errors, labels, weight_of):
    """D+ and D- of one assignment, in exact arithmetic."""
    high = low = Fraction(0)
    for at in sorted(set(errors)):
        gap = sum((weight_of(i, labels) for i in range(len(errors)) if errors[i] <= at), Fraction(0))
        high, low = max(high, gap), min(low, gap)
    return {"two-sided": max(high, -low), "greater": high, "less": -low}


def brute_within_strata(a, b, bins_a, bins_b):
    """P-values by visiting every assignment within strata, weights 1/(k m_j)."""
    errors, bins = list(a) + list(b), list(bins_a) + list(bins_b)
    strata = sorted(set(bins))
    members = {j: [i for i, own in enumerate(bins) if own == j] for j in strata}
    moved = {j: sum(own == j for own in bins_a) for j in strata}

    def weight_of(i, labels):
        j = bins[i]
        if i in labels:
            return Fraction(1, len(strata) * moved[j])
        return -Fraction(1, len(strata) * (len(members[j]) - moved[j]))

    observed = brute_gap(errors, set(range(len(a))), weight_of)
    seen = dict.fromkeys(observed, 0)
    total = 0
    for parts in itertools.product(*(itertools.combinations(members[j], moved[j]) for j in strata)):
        gaps = brute_gap(errors, set(itertools.chain(*parts)), weight_of)
        total += 1
        for name, size in gaps.items():
            seen[name] += size >= observed[name]
    return {name: count / total for name, count in seen.items()}, observed


@pytest.mark.parametrize("name", ["ks_unweighted_no_ties", "ks_weighted_ties_zero"])
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("method", ["exact", "permutation", "auto"])
def test_oracle_unstratified(name, alternative, method):
    given, expected = CASES[name]["inputs"], CASES[name]["expected"]
    result = ks_test(
        given["x"],
        given["y"],
        weights_a=given["weights_x"],
        weights_b=given["weights_y"],
        alternative=alternative,
        method=method,
    )
    key = "p_perm_exact_two_sided" if alternative == "two-sided" else f"p_perm_exact_{STATISTIC[alternative]}"
    assert result.pvalue == pytest.approx(expected[key], rel=1e-10)
    assert result.statistic == pytest.approx(expected[STATISTIC[alternative]], rel=1e-10)
    assert result.effective_n == pytest.approx((expected["n_eff_x"], expected["n_eff_y"]), rel=1e-10)
    assert result.method == ("permutation" if method == "permutation" else "exact")


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("method", ["exact", "permutation", "auto"])
def test_oracle_within_strata(alternative, method):
    given, expected = CASES["ks_stratified_permutation"]["inputs"], CASES["ks_stratified_permutation"]["expected"]
    result = ks_test(
        given["x"],
        given["y"],
        strata_a=given["bin_x"],
        strata_b=given["bin_y"],
        alternative=alternative,
        method=method,
    )
    assert result.pvalue == pytest.approx(expected[f"p_perm_within_bins_{NAMES[alternative]}"], rel=1e-10)
    assert result.statistic == pytest.approx(expected[STATISTIC[alternative]], rel=1e-10)
    assert result.effective_n == pytest.approx((expected["n_eff_x"], expected["n_eff_y"]), rel=1e-10)
    assert result.n_resamples == expected["n_permutations"]


@pytest.mark.parametrize("name", ["ks_unweighted_no_ties", "ks_weighted_ties_zero", "ks_stratified_permutation"])
def test_oracle_asymptotic(name):
    given = CASES[name]["inputs"]
    extra = {
        f"{kind}_{side}": given.get(f"{word}_{xy}")
        for kind, word in (("weights", "weights"), ("strata", "bin"))
        for side, xy in (("a", "x"), ("b", "y"))
    }
    result = ks_test(given["x"], given["y"], method="asymptotic", **extra)
    assert result.pvalue == pytest.approx(CASES[name]["expected"]["p_asymptotic_kish"], rel=1e-10)
    assert (result.method, result.n_resamples) == ("asymptotic", 0)


def test_one_sided_limit_is_smirnovs():
    """exp(-2 n m / (n + m) D^2) with D = 0.1 and n = m = 100 is exp(-1); the other side's excess is 0."""
    a, b = np.arange(100.0), np.arange(100.0) + 10
    greater, less = (ks_test(a, b, alternative=side, method="asymptotic") for side in ("greater", "less"))
    assert greater.statistic == pytest.approx(0.1)
    assert greater.pvalue == pytest.approx(math.exp(-1), rel=1e-12)
    assert (less.statistic, less.pvalue) == (0, 1)


@pytest.mark.parametrize("seed", range(6))
def test_within_strata_agrees_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, 6).astype(float), rng.integers(1, 7, 6).astype(float)
    bins_a, bins_b = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 1, 1])
    expected, gaps = brute_within_strata(a.tolist(), b.tolist(), bins_a.tolist(), bins_b.tolist())
    tests = ks_tests(a, b, strata_a=bins_a, strata_b=bins_b, method="permutation")
    for name, result in zip(expected, tests, strict=True):
        assert result.pvalue == pytest.approx(expected[name], rel=1e-12)
        assert result.statistic == pytest.approx(float(gaps[name]), abs=1e-15)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_lattice_paths_agree_with_enumeration_under_ties(seed, alternative):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 5, 5).astype(float), rng.integers(0, 6, 7).astype(float)
    expected, _ = brute_within_strata(a.tolist(), b.tolist(), [0] * 5, [0] * 7)
    assert ks_test(a, b, alternative=alternative, method="exact").pvalue == pytest.approx(
        expected[alternative], rel=1e-12
    )


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 40), (60, 60), (97, 130), (400, 350)])
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_exact_without_ties_agrees_with_scipy(n, m, alternative):
    rng = np.random.default_rng(n + m)
    a, b = rng.normal(0, 1, n), rng.normal(0.2, 1.1, m)
    ours, theirs = (
        ks_test(a, b, alternative=alternative, method="exact"),
        stats.ks_2samp(a, b, alternative=alternative, method="exact"),
    )
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-14)
    assert ours.pvalue == pytest.approx(theirs.pvalue, rel=1e-9)


def test_tiny_exact_pvalues_keep_their_digits():
    """Samples apart: 2 of C(400, 200) assignments are as extreme."""
    a, b = np.arange(200.0), np.arange(200.0) + 1000
    assert ks_test(a, b, method="exact").pvalue == pytest.approx(2 / math.comb(400, 200), rel=1e-10)


def test_location_and_sign():
    """F_a - F_b is 1/2 from 1 on, 0 from 3 on and -1/2 from 4 to 6: the first of equal gaps is named."""
    result = ks_test([1.0, 6.0], [3.0, 4.0])
    assert (result.statistic, result.location, result.sign) == (0.5, 1.0, 1)
    less = ks_test([1.0, 6.0], [3.0, 4.0], alternative="less")
    assert (less.statistic, less.location, less.sign) == (0.5, 4.0, -1)
    none = ks_test([1.0, 6.0], [1.0, 6.0])
    assert (none.statistic, none.pvalue, none.sign) == (0.0, 1.0, 0)


def test_an_early_gap_of_many_models_is_named_before_an_equal_one():
    """Of a, a, a, b, a, b, b, b and 5,000 more by turns a leads by 3 at the third and again at the fifth model."""
    order = np.array([*"aaababbb", *"ab" * 5000])
    a, b = (np.flatnonzero(order == name).astype(float) for name in "ab")
    result = ks_test(a, b, alternative="greater", method="asymptotic")
    assert (result.statistic, result.location) == (pytest.approx(3 / 5004), 2)


@pytest.mark.parametrize("seed", range(8))
def test_gaps_of_many_models_are_those_of_a_plain_count(seed):
    """5,000 and 5,000 different errors: the count of a less that of b, also up to an error that is one of them."""
    order = np.random.default_rng(seed).permutation(10_000)
    a, b = np.sort(order[:5000]).astype(float), np.sort(order[5000:]).astype(float)
    count = np.cumsum(np.isin(np.arange(10_000), a) * 2 - 1)
    for restrict in (9999, int(count.argmax()), int(count.argmax()) - 1):
        result = ks_test(a, b, alternative="greater", method="asymptotic", restrict=restrict)
        assert result.statistic == pytest.approx(max(count[: restrict + 1].max(), 0) / 5000, abs=1e-12)
        if result.statistic:
            assert result.location == count[: restrict + 1].argmax(), "the first of equal gaps"


def test_swapping_samples_swaps_the_one_sided_tests():
    a, b, bins = [5.0, 6.0, 4.0, 4.5], [5.5, 6.0, 7.0, 4.4], [0, 0, 1, 1]
    there, back = ks_tests(a, b, strata_a=bins, strata_b=bins), ks_tests(b, a, strata_a=bins, strata_b=bins)
    assert there.greater.pvalue == back.less.pvalue
    assert there.less.statistic == back.greater.statistic
    assert there.two_sided.pvalue == back.two_sided.pvalue


@pytest.mark.parametrize("strata", [False, True])
def test_drawn_pvalue_is_near_the_exact_one_and_of_the_right_form(strata, monkeypatch):
    """13 models in 3 bins: 300 assignments; drawn ones must come within 4 standard errors."""
    given, expected = CASES["ks_stratified_permutation"]["inputs"], CASES["ks_stratified_permutation"]["expected"]
    monkeypatch.setattr("edfstat.permutations.ENUMERATED", 10)
    extra = {"strata_a": given["bin_x"], "strata_b": given["bin_y"]} if strata else {}
    exact = expected["p_perm_within_bins_two_sided"] if strata else None
    if exact is None:
        exact = brute_within_strata(given["x"], given["y"], [0] * 6, [0] * 7)[0]["two-sided"]
    drawn = ks_test(given["x"], given["y"], method="permutation", n_resamples=4999, rng=1, **extra)
    assert abs(drawn.pvalue - exact) < 4 * math.sqrt(exact * (1 - exact) / 4999)
    assert drawn.n_resamples == 4999
    assert drawn.pvalue * 5000 == pytest.approx(round(drawn.pvalue * 5000), abs=1e-9)


def test_drawn_pairs_are_near_the_exact_pvalue(monkeypatch):
    given, expected = CASES["ks_weighted_ties_zero"]["inputs"], CASES["ks_weighted_ties_zero"]["expected"]
    monkeypatch.setattr("edfstat.permutations.ENUMERATED", 10)
    drawn = ks_test(
        given["x"],
        given["y"],
        weights_a=given["weights_x"],
        weights_b=given["weights_y"],
        alternative="less",
        method="permutation",
        n_resamples=4999,
        rng=2,
    )
    exact = expected["p_perm_exact_D_minus"]
    assert abs(drawn.pvalue - exact) < 4 * math.sqrt(exact * (1 - exact) / 4999)


def test_assignments_that_leave_a_sample_without_weight_are_left_out():
    """Weights 1 | 1, 0: of 3 assignments, the one that gives sample a the weightless model does not count."""
    result = ks_test([1.0], [2.0, 3.0], weights_a=[1.0], weights_b=[1.0, 0.0], method="permutation")
    assert (result.n_resamples, result.pvalue) == (2, 1.0)


def test_weights_given_with_strata_equal_the_default_ones():
    given = CASES["ks_stratified_permutation"]["inputs"]
    weights = []
    for bins in (given["bin_x"], given["bin_y"]):
        counts = np.bincount(bins)
        weights.append(1 / (3 * counts[bins]))
    extra = {"strata_a": given["bin_x"], "strata_b": given["bin_y"]}
    plain = ks_test(given["x"], given["y"], **extra)
    for scale in (1.0, 7.0):
        weighted = ks_test(given["x"], given["y"], weights_a=weights[0] * scale, weights_b=weights[1], **extra)
        assert weighted.statistic == pytest.approx(plain.statistic, rel=1e-12)
        assert weighted.pvalue == plain.pvalue


def test_pairs_keep_their_weights_also_where_one_sample_has_equal_ones():
    """Every assignment of the pairs as given; b's best-of-all weights 1, 2, 3 against a's 1 and 1."""
    errors, weights = [1.0, 4.0, 2.0, 3.0, 5.0], [1, 1, 1, 2, 3]

    def gap(chosen):
        rest = [i for i in range(5) if i not in chosen]
        shares = [
            [Fraction(sum(weights[i] for i in side if errors[i] <= at), sum(weights[i] for i in side)) for at in errors]
            for side in (chosen, rest)
        ]
        return max(abs(f - g) for f, g in zip(*shares, strict=True))

    sizes = [gap(chosen) for chosen in itertools.combinations(range(5), 2)]
    exact = sum(size >= gap((0, 1)) for size in sizes) / len(sizes)
    for scale in (1.0, 1e-300, 1e307):
        given = {"weights_a": [scale] * 2, "weights_b": [scale, 2 * scale, 3 * scale]}
        result = ks_test(errors[:2], errors[2:], method="permutation", **given)
        assert result.pvalue == pytest.approx(exact, abs=1e-12)
        assert result.statistic == pytest.approx(float(gap((0, 1))), rel=1e-12)


def test_equal_weights_are_no_weights_whatever_their_scale():
    a, b = [1.0, 4.0, 4.0, 6.0], [2.0, 4.0, 7.0]
    plain = ks_test(a, b, method="permutation")
    for scale_a, scale_b in ((5, 1), (1 / 4, 1 / 3), (1e308, 1e-308)):
        given = {"weights_a": [scale_a] * 4, "weights_b": [scale_b] * 3}
        assert ks_test(a, b, method="permutation", **given) == plain


def test_equal_weights_with_strata_share_by_models():
    """Three models of a in bin 0, one in bin 1, weights equal: F_a at 2 is 3/4; without weights it is 1/2."""
    given = {"strata_a": [0, 0, 0, 1], "strata_b": [0, 1]}
    errors = ([1.0, 2.0, 2.0, 9.0], [5.0, 8.0])
    assert ks_test(*errors, weights_a=[7] * 4, weights_b=[1, 1], **given).statistic == 0.75
    assert ks_test(*errors, **given).statistic == 0.5


def test_target_shares_follow_the_stratum():
    """Shares 3/4 and 1/4; one model of a against two of b in each bin: F_a - F_b at 1 is 3/4, then less."""
    result = ks_test(
        [1.0, 5.0],
        [2.0, 3.0, 4.0, 6.0],
        weights_a=[0.75, 0.25],
        weights_b=[0.375, 0.375, 0.125, 0.125],
        strata_a=["low", "high"],
        strata_b=["low", "low", "high", "high"],
    )
    assert (result.statistic, result.location) == (0.75, 1.0)
    # 9 assignments; a's low model is the best of its bin in 3 of them, whatever happens in the other.
    assert result.n_resamples == 9
    assert result.pvalue == pytest.approx(6 / 9)


def test_restrict_looks_at_good_models_only():
    a, b = [1.0, 2.0, 8.0, 9.0], [1.5, 3.0, 4.0, 5.0]
    assert ks_test(a, b).statistic == 0.5
    assert ks_test(a, b, restrict=2.5).statistic == 0.25
    nothing = ks_test(a, b, restrict=0.5)
    assert (nothing.statistic, nothing.pvalue) == (0.0, 1.0)
    for restrict in (1.2, 2.5, 4.5):
        paths = ks_test(a, b, restrict=restrict, method="exact").pvalue
        assert paths == pytest.approx(ks_test(a, b, restrict=restrict, method="permutation").pvalue, rel=1e-12)


def test_failed_models_count_as_worst():
    finite, failed = ks_test([1.0, 2.0, 99.0], [3.0, 4.0, 5.0]), ks_test([1.0, 2.0, np.inf], [3.0, 4.0, 5.0])
    assert (finite.statistic, finite.pvalue) == (failed.statistic, failed.pvalue)
    all_failed = ks_test([np.inf, np.inf], [np.inf])
    assert (all_failed.statistic, all_failed.pvalue) == (0.0, 1.0)


def test_stored_distributions_give_the_same():
    rng = np.random.default_rng(5)
    a, b = rng.normal(5, 1, 300).round(1), rng.normal(5.1, 1, 200).round(1)
    assert ks_test(edf(a), edf(b)) == ks_test(a, b)
    weights = rng.random(300)
    stored = ks_test(edf(a, weights), edf(b), method="asymptotic")
    given = ks_test(a, b, weights_a=weights, method="asymptotic")
    assert stored.statistic == pytest.approx(given.statistic, abs=1e-14)
    assert stored.pvalue == pytest.approx(given.pvalue, rel=1e-12)
    with pytest.raises(InputError, match="give their errors instead of an EDF"):
        ks_test(edf(a, weights), edf(b), method="permutation")
    with pytest.raises(InputError, match="part of the EDF a"):
        ks_test(edf(a), b, weights_a=weights)


def test_a_stored_distribution_with_strata_is_permuted_within_them():
    a, b, bins = [5.0, 6.0, 4.0, 4.5], [5.5, 6.0, 7.0, 4.4], [0, 0, 1, 1]
    stored = ks_test(edf(a, strata=bins), edf(b, strata=bins))
    assert stored == ks_test(a, b, strata_a=bins, strata_b=bins)
    with pytest.raises(InputError, match="strata_a is given but b is an EDF without strata"):
        ks_test(a, edf(b), strata_a=bins)
    with pytest.raises(InputError, match="strata_b is given but a is an EDF without strata"):
        ks_test(edf(a), b, strata_b=bins)


def test_auto_chooses():
    rng = np.random.default_rng(0)
    a, b, w = rng.normal(size=4000), rng.normal(size=4000), rng.random(4000)
    bins = rng.integers(0, 3, 4000)
    assert ks_test(a[:500], b[:500]).method == "exact"
    assert ks_test(a, b).method == "asymptotic"
    assert ks_test([0.5], np.arange(100_000.0)).method == "asymptotic", "exact up to 100,000 models"
    assert ks_test([0.5], np.arange(99_999.0)).method == "exact"
    assert ks_test(a, b, weights_a=w, weights_b=w).method == "asymptotic"
    assert ks_test(a, b, strata_a=bins, strata_b=bins, n_resamples=99).method == "permutation"
    with pytest.raises(InputError, match="use method='permutation'"):
        ks_test(a, b, strata_a=bins, strata_b=bins, method="exact")


def test_stopping_early_keeps_the_pvalue():
    rng = np.random.default_rng(0)
    a, b, bins = rng.normal(size=300), rng.normal(size=300), rng.integers(0, 3, 300)
    full = ks_tests(a, b, strata_a=bins, strata_b=bins, method="permutation", rng=1)
    early = ks_tests(a, b, strata_a=bins, strata_b=bins, rng=2, stop_after=200)
    for long, short in zip(full, early, strict=True):
        assert short.n_resamples < long.n_resamples
        assert short.pvalue == pytest.approx(200 / short.n_resamples)
        assert abs(short.pvalue - long.pvalue) < 4 * long.pvalue / math.sqrt(200)


def test_reproducible_by_seed():
    rng = np.random.default_rng(0)
    a, b, bins = rng.normal(size=100), rng.normal(size=100), rng.integers(0, 3, 100)
    first, second = (ks_test(a, b, strata_a=bins, strata_b=bins, rng=3) for _ in range(2))
    assert first == second
    assert first == ks_test(a, b, strata_a=bins, strata_b=bins, rng=np.random.default_rng(3))


def test_labelled_arrays_are_taken():
    a = xr.DataArray([1.0, 2.0], dims="model", coords={"space": ("model", ["A", "A"])})
    bins = xr.DataArray([0, 1], dims="model")
    assert ks_test(a, a, strata_a=bins, strata_b=bins).pvalue == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alternative": "smaller"}, "alternative is 'smaller'"),
        ({"method": "bootstrap"}, "method is 'bootstrap'"),
        ({"n_resamples": 0}, "n_resamples is 0"),
        ({"weights_a": [1.0, -1.0]}, r"weights_a\[1\] is -1"),
        ({"weights_b": [0.0, 0.0]}, "weights_b are all zero"),
        ({"weights_b": [1.0]}, "weights_b has 1 entries for 2 models"),
        ({"strata_a": [0, 1]}, "strata_b is not given"),
        ({"strata_a": [0, -1], "strata_b": [0, 0]}, "strata_a is -1, outside every bin, for 1 of 2"),
        ({"strata_a": [0.0, np.nan], "strata_b": [0, 0]}, r"strata_a\[1\] is nan"),
        ({"restrict": np.nan}, "restrict is nan"),
        ({"strata_a": [0], "strata_b": [0, 0]}, "strata_a has 1 entries"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(InputError, match=message):
        ks_test([1.0, 2.0], [1.5, 2.5], **arguments)


def test_errors_are_checked():
    with pytest.raises(InputError, match=r"b\[0\] is NaN"):
        ks_test([1.0], [np.nan])
    with pytest.raises(InputError, match=r"a\[0\] is -inf"):
        ks_test([-np.inf], [1.0])
    with pytest.raises(PopulationError, match="stratum 2 holds no model of b"):
        ks_test([1.0, 2.0], [1.0, 2.0], strata_a=[1, 2], strata_b=[1, 1])


def test_holm_is_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).random(50) ** 4
    p[:4] = 0.0, p[9], 1.0, p[20]
    np.testing.assert_allclose(adjust_pvalues(p), multipletests(p, method="holm")[1], rtol=1e-14)
    assert adjust_pvalues(np.empty(0)).size == 0


def test_adjust_pvalues():
    """Holm by hand: .01 x 3, then max(.03, .03 x 2), then max(.06, .04)."""
    assert adjust_pvalues([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_pvalues([0.01, np.nan, 0.5]).tolist() == pytest.approx([0.02, np.nan, 0.5], nan_ok=True)
    assert adjust_pvalues([0.02, 0.03], method="bonferroni").tolist() == pytest.approx([0.04, 0.06])
    table = xr.DataArray([[0.01, 0.2], [0.5, 0.9]], dims=("measure", "pair"), coords={"measure": ["none", "flops"]})
    assert adjust_pvalues(table).coords["measure"].values.tolist() == ["none", "flops"]
    with pytest.raises(InputError, match=r"p holds 1\.5"):
        adjust_pvalues([1.5])
    with pytest.raises(InputError, match="method is 'best'"):
        adjust_pvalues([0.5], method="best")


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_small_sample_against_a_large_one_is_exact(alternative, swapped):
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.3, size=12), rng.normal(size=3000)
    a, b = (b, a) if swapped else (a, b)
    found = ks_test(a, b, alternative=alternative)
    assert found.method == "exact"
    assert found.pvalue == pytest.approx(stats.ks_2samp(a, b, alternative=alternative, method="exact").pvalue, rel=1e-9)


def test_few_models_against_a_published_population_are_tested_exactly():
    """25,000 models, as the largest of the published files has: nearly the law of one sample."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.4, size=30), np.sort(rng.normal(size=25_000))
    found = ks_test(a, b)
    assert found.method == "exact"
    assert found.pvalue == pytest.approx(stats.kstwo.sf(found.statistic, 30), rel=0.02)
