"""EDFs against rational arithmetic, NumPy, statsmodels and cases by hand."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from edfstat import EDF, InputError, edf
from edfstat.mixtures import mixture

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "data" / "stats_oracle.json").read_text(encoding="utf-8"))[
        "cases"
    ]
}


def close(got, case, key):
    np.testing.assert_allclose(got, case["expected"][key], rtol=case["rtol"], atol=case["atol"])


@pytest.mark.parametrize("name", ["edf_ties_unweighted", "edf_extreme_weight_range"])
def test_oracle(name):
    case = CASES[name]
    given = case["inputs"]
    F = edf(given["values"], given["weights"])
    close(F(given["t"]), case, "F_le")
    close(F(given["t"], side="left"), case, "F_lt")
    close(F.effective_n, case, "n_eff_kish")
    assert F.quantile(given["q"]).tolist() == case["expected"]["quantile_inverted_cdf"]
    assert F.support.size == case["expected"]["n_atoms"]


def test_oracle_integer_weights_equal_replication():
    case = CASES["edf_integer_weights_equal_replication"]
    given = case["inputs"]
    weighted, repeated = edf(given["values"], given["weights"]), edf(given["replicated"])
    for F in (weighted, repeated):
        close(F(given["t"]), case, "F_le")
        close(F(given["t"], side="left"), case, "F_lt")
    assert weighted.effective_n == pytest.approx(100 / 30)
    counted = edf(given["values"], given["weights"], kind="frequency")
    assert counted.n == counted.effective_n == 10
    np.testing.assert_array_equal(counted.probabilities, repeated.probabilities)


def test_equal_weights_are_no_weights():
    F, G = edf([3.0, 1.0, 2.0]), edf([3.0, 1.0, 2.0], [0.1, 0.1, 0.1])
    np.testing.assert_array_equal(F.probabilities, G.probabilities)
    assert G.equal_weights
    assert F.probabilities.tolist() == [1 / 3, 2 / 3, 1.0]


def test_quantiles_are_numpys_inverted_cdf():
    rng = np.random.default_rng(5)
    x, w = np.round(rng.random(200), 2), rng.random(200)
    q = np.linspace(0.001, 1, 300)
    np.testing.assert_array_equal(edf(x, w).quantile(q), np.quantile(x, q, weights=w, method="inverted_cdf"))


def test_values_are_those_of_statsmodels():
    from statsmodels.distributions.empirical_distribution import ECDF

    x = np.round(np.random.default_rng(6).random(300), 2)
    at = np.linspace(-0.1, 1.1, 200)
    np.testing.assert_allclose(edf(x)(at), ECDF(x)(at), rtol=0, atol=1e-15)
    np.testing.assert_allclose(edf(x)(at, side="left"), ECDF(x, side="left")(at), rtol=0, atol=1e-15)


@pytest.mark.parametrize("n", [10, 40, 600])
def test_quantiles_at_knife_edges(n):
    """At q = k/n of n distinct errors the k-th is the answer, however q and F were rounded."""
    x = np.arange(1.0, n + 1)
    F = edf(x, np.where(x > 0, 0.1, 0) * (1 + 1e-16 * x))
    q = np.arange(1, n + 1) / n
    np.testing.assert_array_equal(F.quantile(q), x)
    np.testing.assert_array_equal(F.quantile(1 - (n - q * n) / n), x)
    tenths = np.cumsum(np.full(n, 1 / n))
    np.testing.assert_array_equal(F.quantile(np.minimum(tenths, 1.0)), x)


def test_both_ends_keep_their_digits():
    """Masses from 1e-20 to 1 at either end, summed exactly by fractions."""
    small = [10.0**-k for k in range(20, 4, -1)]
    weights = [*small, 1.0, *small[::-1]]
    total = sum(map(Fraction, weights))
    F = edf(np.arange(len(weights)), weights)
    forward = [float(sum(map(Fraction, weights[: k + 1])) / total) for k in range(len(weights))]
    tail = [float(sum(map(Fraction, weights[k + 1 :])) / total) for k in range(len(weights))]
    np.testing.assert_allclose(F.probabilities, forward, rtol=1e-14)
    np.testing.assert_allclose(F.tail, tail, rtol=1e-14)
    assert F.probabilities[-1] == 1
    assert F.tail[-1] == 0


@pytest.mark.parametrize("weights", [[1e308, 1e308, 0.5e308], [4e-320, 4e-320, 2e-320]])
def test_weights_near_the_ends_of_the_float_range(weights):
    np.testing.assert_allclose(edf([1.0, 2.0, 3.0], weights).probabilities, [0.4, 0.8, 1.0], rtol=1e-3)


def test_models_of_weight_zero_make_no_atoms():
    F = edf([1.0, 2.0, 3.0, 4.0], [0, 1, 1, 0])
    assert F.support.tolist() == [2.0, 3.0]
    assert F.quantile([0, 1]).tolist() == [2.0, 3.0]
    assert F.n == 4
    assert F.effective_n == 2


def test_failed_models_count_but_never_win():
    F = edf([5.0, np.inf, 7.0, np.inf])
    assert F(100.0) == 0.5
    assert F(np.inf) == 1
    assert F.quantile(0.5) == 7
    assert F.quantile(0.51) == np.inf
    assert F.auc(10.0) == pytest.approx((0.5 + 0.3) / 4)
    assert edf([np.inf]).auc(10.0) == 0


def test_nan_errors():
    with pytest.raises(InputError, match=r"error\[1\] is NaN \(1 of 3 are\).*nan='fail'.*nan='drop'"):
        edf([1.0, np.nan, 2.0])
    failed, dropped = edf([1.0, np.nan, 2.0], nan="fail"), edf([1.0, np.nan, 2.0], [1, 5, 3], nan="drop")
    assert failed.support.tolist() == [1, 2, np.inf]
    assert dropped.probabilities.tolist() == [0.25, 1]
    assert (dropped.n, dropped.dropped) == (2, 1)
    with pytest.raises(InputError, match="x is 'five'; give a number"):
        failed("five")
    with pytest.raises(InputError, match="every error is NaN"):
        edf([np.nan], nan="drop")


@pytest.mark.parametrize(
    "errors",
    [
        [1.0, None, 2.0],
        [1.0, pd.NA, 2.0],
        np.array([1.0, None, 2.0], dtype=object),
        np.ma.array([1.0, 5.0, 2.0], mask=[False, True, False]),
        np.ma.array([1, 5, 2], mask=[False, True, False]),
        pd.Series([1.0, None, 2.0], dtype=object),
        pd.Series([1.0, pd.NA, 2.0], dtype="Float64"),
    ],
)
def test_whatever_says_that_an_error_is_missing(errors: Any) -> None:
    assert edf(errors, nan="drop").support.tolist() == [1.0, 2.0]
    assert edf(errors, nan="fail").support.tolist() == [1.0, 2.0, np.inf]
    with pytest.raises(InputError, match=r"error\[1\] is"):
        edf(errors)


@pytest.mark.parametrize(
    ("error", "options", "message"),
    [
        ([1.0, -np.inf], {}, r"error\[1\] is -inf"),
        ([np.nan, -np.inf], {"nan": "fail"}, r"error\[1\] is -inf"),
        ([np.nan, -np.inf], {"nan": "drop"}, r"error\[1\] is -inf"),
        ([], {}, r"error has shape \(0,\)"),
        ([[1.0]], {}, r"error has shape \(1, 1\)"),
        (["a"], {}, "give numbers"),
        ([1.0, 2.0], {"weights": [1, -1]}, r"weights\[1\] is -1"),
        ([1.0, 2.0], {"weights": [np.nan, 1]}, r"weights\[0\] is nan"),
        ([1.0, 2.0], {"weights": [np.inf, 1]}, r"weights\[0\] is inf"),
        ([1.0, 2.0], {"weights": [0, 0]}, "weights are all zero"),
        ([1.0, 2.0], {"weights": [1]}, "1 entries for 2 models"),
        ([1.0, 2.0], {"strata": [1]}, "strata has 1 entries for 2 models"),
        ([1.0], {"nan": "skip"}, "'raise', 'fail' or 'drop'"),
        ([1.0], {"kind": "replicate"}, "'design' or 'frequency'"),
        ([1.0], {"kind": "frequency"}, "needs weights"),
        ([1.0, 2.0], {"kind": "frequency", "weights": [1, 1.5]}, r"weights\[1\] is 1.5"),
    ],
)
def test_bad_input_names_argument_value_and_remedy(error, options, message):
    with pytest.raises(InputError, match=message):
        edf(error, **options)


def test_bad_points():
    F = edf([1.0, 2.0])
    for call, message in [
        (lambda: F(np.nan), "x is nan"),
        (lambda: F(1.0, side="both"), "side is 'both'"),
        (lambda: F.quantile(1.2), "q is 1.2"),
        (lambda: F.quantile([0.5, -0.1]), "q is -0.1"),
        (lambda: F.auc(0.0), "eps is 0.0"),
        (lambda: F.auc([1.0, -2.0]), "eps is -2.0"),
        (lambda: F.auc(np.inf), "eps is inf"),
        (lambda: edf(F, [1, 2]), "part of an EDF"),
    ]:
        with pytest.raises(InputError, match=message):
            call()


def test_one_model_and_equal_errors():
    for F in (edf([4.0]), edf([4.0, 4.0, 4.0])):
        assert F.support.tolist() == [4.0]
        assert F.probabilities.tolist() == [1.0]
        assert (F(3.9), F(4.0), F(4.0, side="left")) == (0, 1, 0)
        assert F.auc(8.0) == 0.5


def test_labels_are_kept():
    at = xr.DataArray([1.0, 5.0], dims="threshold", coords={"threshold": [10, 20]}, attrs={"units": "percent"})
    F = edf(xr.DataArray([1.0, 2.0], dims="net"), xr.DataArray([1, 3], dims="net"))
    for got, expected in [
        (F(at), [0.25, 1]), (F.quantile(at / 5), [1, 2]), (F.auc(at), [0, 0.65]), (F.interval(at).lower, None),
    ]:  # fmt: skip
        assert got.dims == ("threshold",)
        assert got.coords["threshold"].values.tolist() == [10, 20]
        if expected:
            np.testing.assert_allclose(got, expected)


def test_an_edf_is_its_own_edf():
    F = edf([1.0, 2.0])
    assert edf(F) is F
    assert isinstance(F, EDF)


def test_to_xarray_and_repr():
    F = edf([2.0, 1.0, 2.0])
    ds = F.to_xarray()
    assert ds["probability"].sel(error=1.0) == pytest.approx(1 / 3)
    assert ds["mass"].sum() == 1
    assert ds.attrs["n"] == 3
    assert repr(F) == "EDF(n=3, effective_n=3, 2 distinct errors)"


def test_plot_draws_steps_at_finite_errors():
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert edf([1.0, 2.0, np.inf, np.inf]).plot(ax, label="A") is ax
    line = ax.lines[0]
    assert line.get_drawstyle() == "steps-post"
    assert line.get_xdata().tolist() == [1, 1, 2]
    assert line.get_ydata().tolist() == [0, 0.25, 0.5]
    plt.close("all")


def test_mixture_of_chunks_is_the_whole():
    rng = np.random.default_rng(7)
    x, w = np.round(rng.random(1000), 2), rng.random(1000)
    cuts = [slice(0, 100), slice(100, 730), slice(730, 1000)]
    whole = edf(x, w)
    parts = mixture([edf(x[cut], w[cut]) for cut in cuts])
    np.testing.assert_array_equal(parts.support, whole.support)
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, rtol=1e-13)
    np.testing.assert_allclose(parts.tail, whole.tail, rtol=1e-13, atol=1e-300)
    assert parts.effective_n == pytest.approx(whole.effective_n)
    assert parts.weight_sum == pytest.approx(w.sum())
    equal = mixture([edf(x[cut]) for cut in cuts])
    np.testing.assert_array_equal(equal.probabilities, edf(x).probabilities)
    assert equal.equal_weights
    assert equal.n == equal.effective_n == 1000


def test_mixture_says_how_much_of_the_weight_is_in():
    """1 of 4 models lost from one chunk and 2 of 3 from the other: 4 of 7; weighted, 9 of 1 + 9 and all of 5."""
    nan = np.nan
    chunks = [edf([1.0, nan, 3.0, 2.0], nan="drop"), edf([nan, nan, 2.0], nan="drop")]
    whole = mixture(chunks)
    assert (whole.n, whole.dropped) == (4, 3)
    assert whole.covered == pytest.approx(4 / 7)
    assert mixture(chunks, shares=[1, 3]).covered == pytest.approx(3 / 4 / 4 + 3 / 4 / 3)
    weighted = mixture([edf([nan, 3.0], [1.0, 9.0], nan="drop"), edf([2.0, 4.0], [2.0, 3.0])])
    assert weighted.covered == pytest.approx(14 / 15)


def test_mixture_weighs_a_part_by_what_was_left_in():
    """Of 1 + 2 + 1 the NaN's 2 are gone: {1, 3} have 2 of 2 + 6 together, {2} the rest."""
    F = mixture([edf([1.0, np.nan, 3.0], [1, 2, 1], nan="drop"), edf([2.0, 2.0], [2, 4])])
    np.testing.assert_allclose(F.mass, [1 / 8, 6 / 8, 1 / 8])


def test_the_effective_number_is_at_most_the_number():
    """Of these twelve weights, equal but for a rounding, (sum w)^2 / sum w^2 comes out above 12."""
    assert edf(np.arange(12.0), [np.nextafter(0.1, 1), *[0.1] * 11]).effective_n <= 12


def test_mixture_in_chosen_shares():
    """Half of {1, 2}, half of {2, 2, 3}: 1 has .25, 2 has .25 + 1/3, and n_eff = 1 / (.25/2 + .25/3)."""
    F = mixture([edf([1.0, 2.0]), edf([2.0, 2.0, 3.0])], shares=[3, 3])
    np.testing.assert_allclose(F.mass, [0.25, 0.25 + 1 / 3, 1 / 6])
    assert F.effective_n == pytest.approx(4.8)
    assert mixture([edf([1.0]), edf([2.0])], shares=[1, 0]).support.tolist() == [1.0]
    with pytest.raises(InputError, match="edfs is empty"):
        mixture([])
    with pytest.raises(InputError, match="shares"):
        mixture([edf([1.0])], shares=[1, 2])


def test_errors_may_be_negative():
    """-log likelihoods and the like: eq. 5's sum, 1 - mean(min(1, e / eps)), by hand 1 - (-.5 + .5 + 1) / 3."""
    assert edf([-1.0, 1.0, 3.0]).auc(2.0) == pytest.approx(1 - 1 / 3)


@pytest.mark.parametrize("errors", [None, np.ma.masked, np.ma.array(1.0, mask=True), [[None, 1.0]], "x", object()])
@pytest.mark.parametrize("nan", ["raise", "drop", "fail"])
def test_what_is_no_list_of_errors(errors: Any, nan: Any) -> None:
    with pytest.raises(InputError, match="error"):
        edf(errors, nan=nan)


@pytest.mark.parametrize("nan", ["fail", "drop"])
def test_frequency_weights_count_what_is_missing(nan):
    error, times = np.array([7.0, np.nan, 5.0, 7.0, np.inf]), np.array([2, 3, 1, 4, 0])
    found, expected = edf(error, times, nan=nan, kind="frequency"), edf(np.repeat(error, times), nan=nan)
    for name in ("support", "mass", "probabilities", "tail"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("n", "effective_n", "dropped", "weight_sum", "equal_weights"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.covered == pytest.approx(expected.covered)
    assert found.band().lower.tolist() == expected.band().lower.tolist()
