"""Random search: the oracle, exact rational arithmetic, enumeration, and the knife edges of rounding."""

import itertools
import json
import math
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from edfstat import edf
from edfstat.crossings import search_crossings
from edfstat.errors import InputError
from edfstat.search_odds import best_of, draws_needed, models_needed, random_search

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "data" / "stats_oracle.json").read_text())["cases"]
}
LAWS = [name for name in CASES if name.startswith("rs_") and name != "rs_crossing_point"]


def floats(values):
    return np.array(values, dtype=float)


@pytest.mark.parametrize("name", LAWS)
def test_law_of_the_best_matches_the_oracle(name):
    case = CASES[name]
    given, expected = case["inputs"], case["expected"]
    replace = "without_replacement" not in name
    found = random_search(
        floats(given["values"]),
        given["m"],
        given.get("weights") if replace else None,
        replace=replace,
        quantiles=given.get("q", [0.5]),
    )
    np.testing.assert_allclose(found["mean"], floats(expected["mean"]), rtol=case["rtol"], atol=case["atol"])
    if "std" in expected:
        atol = 1e-12 * np.abs(floats(given["values"])).max()
        np.testing.assert_allclose(found["std"], floats(expected["std"]), rtol=1e-9, atol=atol)
    if "quantile" in expected:
        np.testing.assert_array_equal(found["quantile"], floats(expected["quantile"]))


def exact_law(values, weights, m):
    """Mean, variance and 1 / sum q^2 of the best of m, in rational arithmetic from the definition."""
    total = sum(map(Fraction, weights))
    atoms = sorted({v for v, w in zip(values, weights, strict=True) if w})
    mass = [sum(Fraction(w) for v, w in zip(values, weights, strict=True) if v == a) / total for a in atoms]
    above = [1 - sum(mass[: k + 1]) for k in range(len(atoms))]
    q = [(above[k - 1] if k else 1) ** m - above[k] ** m for k in range(len(atoms))]
    mean = sum(Fraction(a) * p for a, p in zip(atoms, q, strict=True))
    variance = sum((Fraction(a) - mean) ** 2 * p for a, p in zip(atoms, q, strict=True))
    return mean, variance, 1 / sum(p * p for p in q)


def root(value):
    getcontext().prec = 60
    return float((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())


@pytest.mark.parametrize("m", [1, 2, 3, 7, 64, 600, 1024])
def test_law_of_the_best_matches_rational_arithmetic(m):
    rng = np.random.default_rng(5)
    values, weights = rng.integers(0, 60, 90) / 4, rng.integers(0, 1000, 90)
    weights[values.argmin()] = 1
    mean, variance, support = exact_law(values.tolist(), weights.tolist(), m)
    found = random_search(values, m, weights)
    assert found["mean"].item() == pytest.approx(float(mean), rel=1e-13)
    assert found["std"].item() == pytest.approx(root(variance), rel=1e-12)
    assert found["support"].item() == pytest.approx(float(support), rel=1e-12)


def test_powers_up_to_a_million_keep_their_digits_where_the_best_mass_is_tiny():
    weights = [1, 10**9, 10**9]
    sizes = [2**k for k in range(21)]
    found = random_search([1.0, 2.0, 4.0], sizes, weights)
    for index in (0, 5, 10):
        mean, variance, _ = exact_law([1, 2, 4], weights, sizes[index])
        assert found["mean"].values[index] == pytest.approx(float(mean), rel=1e-14)
        assert found["std"].values[index] == pytest.approx(root(variance), rel=1e-12)
    # At 2^20 the second atom alone competes: E = 2 - P(hit the first), P = 1 - (1 - p)^m, by decimal arithmetic.
    getcontext().prec = 60
    hit = 1 - (1 - Decimal(1) / Decimal(2 * 10**9 + 1)) ** (2**20)
    assert 2 - found["mean"].values[20] == pytest.approx(float(hit), rel=1e-11)


def test_blocks_sizes_in_any_order_and_single_sizes_agree():
    rng = np.random.default_rng(1)
    values, weights = rng.gamma(9, 1, 50_000), rng.random(50_000)
    sizes = np.array([1024, 1, 3, 2, 700, 512, 1, 256])
    together = random_search(values, sizes, weights)
    for index, m in enumerate(sizes):
        alone = random_search(values, int(m), weights)
        for name in ("mean", "std", "support"):
            assert together[name].values[index] == pytest.approx(alone[name].item(), rel=1e-11)
    # From the definition, in plain NumPy, where it is accurate: m = 3.
    order = np.argsort(values)
    above = 1 - np.cumsum(weights[order] / weights.sum())
    power = np.concatenate(([1.0], np.maximum(above, 0) ** 3))
    q = power[:-1] - power[1:]
    mean = q @ values[order]
    assert together["mean"].values[2] == pytest.approx(mean, rel=1e-11)
    assert together["std"].values[2] == pytest.approx(np.sqrt(q @ (values[order] - mean) ** 2), rel=1e-9)


def test_without_replacement_agrees_with_rational_binomials_on_both_sides_of_the_switch():
    rng = np.random.default_rng(2)
    values = rng.integers(0, 80, 300) / 8
    for m in (1, 5, 64, 65, 120, 299, 300):
        atoms = sorted(set(values.tolist()))
        above = [Fraction(math.comb(int((values > a).sum()), m), math.comb(300, m)) for a in atoms]
        q = [(above[k - 1] if k else 1) - above[k] for k in range(len(atoms))]
        mean = sum(Fraction(a) * p for a, p in zip(atoms, q, strict=True))
        variance = sum((Fraction(a) - mean) ** 2 * p for a, p in zip(atoms, q, strict=True))
        found = random_search(values, m, replace=False)
        assert found["mean"].item() == pytest.approx(float(mean), rel=1e-12)
        assert found["std"].item() == pytest.approx(root(variance), rel=1e-8, abs=1e-12)


def test_drawing_every_model_finds_the_best_without_spread():
    found = random_search([5.0, 3.0, 9.0, 3.5], 4, replace=False)
    assert (found["mean"].item(), found["std"].item(), found["support"].item()) == (3.0, 0.0, 1.0)


def test_failed_models_never_win_but_make_means_infinite():
    found = random_search([4.0, np.inf, np.inf, np.inf], [1, 1000], quantiles=[0.2, 0.5, 1.0])
    assert np.isinf(found["mean"]).all()
    assert np.isnan(found["std"]).all()
    assert found["quantile"].values.tolist() == [[4.0, np.inf, np.inf], [4.0, 4.0, np.inf]]
    # Two failures cannot fill three places.
    finite = random_search([4.0, 6.0, np.inf, np.inf], [2, 3], replace=False)
    assert finite["mean"].values.tolist() == [np.inf, pytest.approx(4 * 3 / 4 + 6 * 1 / 4)]
    everything = random_search([np.inf, np.inf], 3)
    assert np.isinf(everything["mean"].item())
    assert np.isnan(everything["std"].item())


def test_one_model_and_equal_errors_are_defined():
    for values in ([6.5], [6.5] * 7):
        found = random_search(values, [1, 2**20], [2.0] * len(values))
        assert found["mean"].values.tolist() == [6.5, 6.5]
        assert found["std"].values.tolist() == [0.0, 0.0]
        assert found["support"].values.tolist() == [1.0, 1.0]


def test_quantile_knife_edges_have_slack():
    # 1 - 0.9^2 = 0.19 and 3 x 0.1 in ten equal models.
    values = np.arange(10.0)
    assert random_search(values, 2, quantiles=0.19)["quantile"].item() == 0.0
    assert random_search(values, 1, quantiles=[0.1 + 0.2, 0.3, 0.7, 0.7 + 1e-9])["quantile"].values.tolist() == [
        [2.0, 2.0, 6.0, 7.0]
    ]
    assert random_search(values, 1, quantiles=[0, 1])["quantile"].values.tolist() == [[0.0, 9.0]]
    # Whatever is possible, also where F rounds to 1 before it.
    assert random_search([1.0, 2.0], 1, [1, 1e-20], quantiles=[1])["quantile"].values.tolist() == [[2.0]]


def test_an_edf_stands_for_its_sample_and_options_are_recorded():
    F = edf([3.0, 4.0, 4.0, 9.0], [1, 2, 3, 4])
    found = random_search(F, [1, 5])
    np.testing.assert_array_equal(found["mean"], random_search([3.0, 4.0, 4.0, 9.0], [1, 5], [1, 2, 3, 4])["mean"])
    assert found.attrs["n"] == 4
    assert found["mean"].attrs["units"] == "percent"
    with pytest.raises(InputError, match="replace=False"):
        random_search(F, 1, replace=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"m": 0}, "m holds 0"),
        ({"m": 2.5}, "m holds 2.5"),
        ({"m": []}, "m is"),
        ({"m": "many"}, "m is"),
        ({"m": 5, "replace": False}, "m holds 5, more than the 3 models"),
        ({"m": 1, "weights": [1, 1, 1], "replace": False}, "replace=False"),
        ({"m": 1, "weights": [1, -1, 1]}, r"weights\[1\]"),
        ({"m": 1, "weights": [0, 0, 0]}, "zero"),
        ({"m": 1, "quantiles": 1.5}, "quantiles "),
        ({"m": 1, "quantiles": [np.nan]}, "quantiles "),
        ({"m": 1, "error": [1, np.nan, 2]}, r"error\[1\] is NaN"),
        ({"m": 1, "error": [1, -np.inf, 2]}, "-inf"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(InputError, match=message):
        random_search(**({"error": [1.0, 2.0, 3.0]} | options))


@pytest.mark.parametrize(
    ("share", "probability", "draws"),
    [
        # By hand: 1 - 0.9^2 = 0.19, 1 - 0.5^3 = 0.875, 1 - 0.1^6 = 0.999999, and p <= F needs one.
        (0.1, 0.19, 2.0),
        (0.5, 0.875, 3.0),
        (0.9, 0.999999, 6.0),
        (0.9, 0.9999, 4.0),
        (0.25, 0.25, 1.0),
        (0.25, 0.2500001, 2.0),
        (0.3, 0.1, 1.0),
        # ceil(log(0.05) / log1p(-1e-9)) in 60 digits: 2995732272.056...
        (1e-9, 0.95, 2995732273.0),
    ],
)
def test_models_needed_at_knife_edges(share, probability, draws):
    assert models_needed([1.0, 2.0], 1.0, probability, [share, 1 - share]) == draws


def test_models_needed_matches_rational_search():
    for n in range(2, 25):
        for probability in (Fraction(1, 2), Fraction(3, 4), Fraction(9, 10), Fraction(19, 20)):
            miss = Fraction(n - 1, n)
            draws = next(m for m in itertools.count(1) if 1 - miss**m >= probability)
            assert models_needed(np.arange(n), 0.0, float(probability)) == draws


@pytest.mark.parametrize(
    ("weights", "within", "draws"),
    [
        ([13, 10, 6, 6, 1, 2, 1, 4, 16, 13, 18, 10, 12, 19, 14, 13, 11, 11, 18, 6, 16, 13, 1, 8, 17], 14, 2),
        ([19, 8, 14, 19, 13, 16, 14, 14, 8, 17, 3, 11, 14, 17, 10, 8, 6, 9, 10, 14, 17, 2, 18, 11], 9, 4),
    ],
)
def test_models_needed_for_a_chance_that_some_draws_have_exactly(weights, within, draws):
    """1 - (1 - F)^draws in whole numbers; the sums and logarithms of doubles come out one draw higher."""
    share = Fraction(sum(weights[:within]), sum(weights))
    chance = float(1 - (1 - share) ** draws)
    assert models_needed(np.arange(len(weights)), within - 1, chance, weights) == draws


def test_draws_needed_of_many_chances_by_search():
    """By whole powers in fractions, with chances that nothing, everything and something reaches."""
    hit = np.array([[0.0, 1.0, 0.95], [0.5, 0.03, 0.0001]])
    found = draws_needed(hit, 1 - hit, 0.95)
    assert found[0].tolist() == [math.inf, 1.0, 1.0]
    for share, draws in zip([Fraction(1, 2), Fraction(3, 100), Fraction(1, 10_000)], found[1], strict=True):
        miss, wanted = 1 - share, Fraction(5, 100)
        assert miss ** int(draws) <= wanted < miss ** int(draws - 1)


def test_models_needed_at_the_ends():
    errors = [5.0, 6.0, np.inf]
    assert models_needed(errors, 4.9) == math.inf
    assert models_needed(errors, 4.9, 0.0) == 1.0
    assert models_needed(errors, 5.0, 1.0) == math.inf
    assert models_needed([5.0, 6.0], 6.0, 1.0) == 1.0
    assert models_needed([1.0, 5.0], 2.0, weights=[0.0, 1.0]) == math.inf
    # F is 1 whatever the sum of the weights rounds to.
    assert models_needed(np.arange(10), 9.0, 1.0, np.full(10, 0.1)) == 1.0
    for options, message in (
        ({"probability": 1.1}, "probability is 1.1"),
        ({"probability": math.nan}, "probability is nan"),
        ({"target": math.nan}, "target is nan"),
    ):
        with pytest.raises(InputError, match=message):
            models_needed(**({"error": errors, "target": 5.0} | options))


def test_fallacy_matches_the_oracle():
    case = CASES["fallacy_small_finite_ties"]
    given, expected = case["inputs"], case["expected"]
    odds = best_of(given["values"], given["n_small"], n_b=given["n_large"], replace=False)
    wanted = [expected["p_small_better"], expected["p_tie"], expected["p_large_better"]]
    np.testing.assert_allclose(odds, wanted, rtol=1e-12)


@pytest.mark.parametrize("replace", [True, False])
def test_best_of_matches_enumeration(replace):
    a, b, n_a, n_b = [3.0, 4.0, 4.0, 7.0, np.inf], [2.0, 4.0, 7.0, np.inf], 2, 3
    draw = (lambda values, n: itertools.product(values, repeat=n)) if replace else itertools.combinations
    pairs = [(min(x), min(y)) for x in draw(a, n_a) for y in draw(b, n_b)]
    wanted = [np.mean([test(x, y) for x, y in pairs]) for test in (lambda x, y: x < y, float.__eq__, float.__gt__)]
    np.testing.assert_allclose(best_of(a, n_a, b, n_b, replace=replace), wanted, rtol=1e-12)


def test_best_of_draws_as_many_of_both_where_one_number_is_given():
    a, b = [1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]
    assert best_of(a, 3, b) == best_of(a, 3, b, 3) != best_of(a, 3, b, 1)


def test_best_of_under_weights_equals_replication():
    weighted = best_of([3.0, 5.0, 4.0], 3, [4.0, 3.5], 2, weights_a=[1, 2, 3], weights_b=[3, 1])
    replicated = best_of([3.0, 5, 5, 4, 4, 4], 3, [4.0, 4, 4, 3.5], 2)
    np.testing.assert_allclose(weighted, replicated, rtol=1e-13)


def test_of_one_continuous_population_the_smaller_sample_wins_by_its_share():
    # 100 against 1000 of an endless population: 1/11, the paper's nine losses in ten.
    odds = best_of(np.arange(2_000_000.0), 100, n_b=1000)
    assert odds.win == pytest.approx(1 / 11, abs=1e-3)
    assert sum(odds) == pytest.approx(1, abs=1e-12)


def test_best_of_refuses_what_has_no_law():
    with pytest.raises(InputError, match="weights_a are given with replace=False"):
        best_of([1.0, 2.0], 1, weights_a=[1, 1], replace=False)
    with pytest.raises(InputError, match="n_b holds 3, more than the 2 models"):
        best_of([1.0, 2.0], 1, n_b=3, replace=False)
    with pytest.raises(InputError, match="weights_b are given without error_b"):
        best_of([1.0, 2.0], 1, weights_b=[1, 1])
    with pytest.raises(InputError, match=r"error_b\[0\] is NaN"):
        best_of([1.0, 2.0], 1, [np.nan], 1)
    with pytest.raises(InputError, match="n_a is"):
        best_of([1.0, 2.0], [1, 2])


def test_crossing_matches_the_oracle():
    given, expected = CASES["rs_crossing_point"]["inputs"], CASES["rs_crossing_point"]["expected"]
    found = search_crossings(
        given["values_A"], given["values_B"], weights_a=given["weights_A"], weights_b=given["weights_B"]
    )
    assert found["crossing_m"].values == pytest.approx([expected["m_real"]], rel=1e-9)
    assert found["from_m"].values.tolist() == [expected["A_better_from_integer_m"]]
    assert found["leader"].values.tolist() == ["a"]
    assert (found.attrs["first_leader"], found.attrs["possible"]) == ("b", 1)


def test_two_crossings_are_found_and_dominance_has_none():
    # b has the best and the worst models, a the middle: a's mean leads in between only.
    found = search_crossings([0.0, 50.0], [1.0, 5.0, 49.0], weights_a=[0.001, 0.999], weights_b=[0.02, 0.03, 0.95])
    signs = np.sign(found["difference"].values)
    assert found.sizes["crossing"] == np.count_nonzero(np.diff(signs[signs != 0]))
    assert found.sizes["crossing"] <= found.attrs["possible"]
    none = search_crossings([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert (none.sizes["crossing"], none.attrs["possible"], none.attrs["first_leader"]) == (0, 0, "a")
    same = search_crossings([1.0, 2.0], [1.0, 2.0])
    assert (same.sizes["crossing"], same.attrs["first_leader"]) == (0, "")
    assert same["win"].values == pytest.approx(same["lose"].values)


def test_quantile_curves_cross_exactly_where_failures_make_means_infinite():
    a, b = [4.0] + [np.inf] * 9, [5.0, 5.0, np.inf]
    with pytest.raises(InputError, match=r"quantile=0\.5"):
        search_crossings(a, b)
    found = search_crossings(a, b, quantile=0.5)
    # The median of a is 4 once 1 - 0.9^m >= 1/2: m = log(1/2) / log(0.9) = 6.58; b's is 5 from the first draw.
    assert found["crossing_m"].values == pytest.approx([math.log(0.5) / math.log(0.9)], rel=1e-12)
    assert found["from_m"].values.tolist() == [7]
    assert found["leader"].values.tolist() == ["a"]
    for m in range(1, 12):
        median_a, median_b = (random_search(x, m, quantiles=0.5)["quantile"].item() for x in (a, b))
        assert (median_a < median_b) == (m >= 7)


@pytest.mark.parametrize(
    ("a", "b", "weights"),
    [
        ([5.0, 10.0], [5.0, 6.0, 6.0], [0.3, 0.4, 0.3]),
        ([5.0, 5.0, 9.0, 9.0], [5.0, 6.0, 6.0, 9.5], None),
    ],
)
def test_who_leads_after_a_crossing_is_known_where_both_have_the_same_best(a, b, weights):
    found = search_crossings(a, b, weights_b=weights)
    (start,) = found["from_m"].values
    of_a, of_b = (random_search(e, [start], w)["mean"].item() for e, w in ((a, None), (b, weights)))
    assert found["leader"].values.tolist() == ["a" if of_a < of_b else "b"]


def test_who_leads_from_one_model_on_is_no_crossing():
    found = search_crossings([7.0, 10.0, 9.0, 15.0], [10.0, 10.0, 9.0, 14.0], quantile=0.5)
    assert found.attrs["first_leader"] == "a"
    assert found["crossing_m"].size == 0
    for m in (1, 2, 3, 10, 100):
        medians = [random_search(e, [m], quantiles=[0.5])["quantile"].item() for e in ([7, 9, 10, 15], [9, 10, 10, 14])]
        assert medians[0] <= medians[1]


def test_who_leads_after_a_tie_from_one_model_on_is_no_crossing():
    """The medians are 3.5 and 3.5 for one model, 1.5 and 3.5 for more: b leads nowhere, though its worst is better."""
    a, b = [1.5, 1.5, 3.5, 5.0, 5.0], [3.5]
    found = search_crossings(a, b, quantile=0.5)
    assert found.attrs["first_leader"] == ""
    assert found["crossing_m"].size == 0
    for m in range(1, 12):
        assert np.quantile(a, 1 - 0.5 ** (1 / m), method="inverted_cdf") == (3.5 if m == 1 else 1.5)


def test_a_weight_too_small_to_be_met_needs_models_without_end():
    assert models_needed([5.0, 7.0, 8.0], 6, weights=[1e-320, 1, 1]) == math.inf
    assert models_needed([5.0, 7.0, 8.0], 6, weights=[1e-300, 1, 1]) == pytest.approx(-math.log(0.05) * 2e300)
