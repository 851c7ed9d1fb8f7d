"""Whatever is given where a number, a size, a choice or a sample belongs: one sentence names it, never a raw error."""

import numpy as np
import pytest
import xarray as xr

from edfstat import (
    adjust_pvalues,
    auc,
    balance_weights,
    best_of,
    compare,
    complexity_weights,
    edf,
    expected_ks,
    hit_probability,
    ks_test,
    models_needed,
    parameter_range,
    pareto_inclusion,
    random_search,
    relative_rank,
    reruns,
    sample_size,
    sample_size_auc,
    search_band,
    search_budget,
    search_crossings,
)
from edfstat.area import auc_difference
from edfstat.arguments import generator, number, points, shown, whole
from edfstat.errors import InputError
from tests.edfstat.two_spaces import two_spaces

E = [5.0, 6.0, 7.0, 8.0]
NO_NUMBER = ["x", [], {}, object(), 1j, [[1, 2], [3]], np.zeros((2, 2)), lambda: 1]
CALLS = {
    "rng": lambda bad: ks_test(E * 6, E * 6, strata_a=[0] * 24, strata_b=[0] * 24, rng=bad),
    "n_resamples": lambda bad: ks_test(E, E, n_resamples=bad),
    "restrict": lambda bad: ks_test(E, E, restrict=bad),
    "alternative": lambda bad: ks_test(E, E, alternative=bad),
    "weights_b": lambda bad: ks_test(E, E, weights_b=bad),
    "strata_a": lambda bad: ks_test(E, E, strata_a=bad, strata_b=[0] * 4),
    "level": lambda bad: edf(E).band(bad),
    "x": lambda bad: edf(E).interval(bad),
    "strata": lambda bad: edf(E, strata=bad),
    "kind": lambda bad: auc(E, 10, kind=bad),
    "n": expected_ks,
    "population": lambda bad: expected_ks(2, population=bad),
    "other": lambda bad: expected_ks(2, other=bad),
    "difference": sample_size,
    "std_a": lambda bad: sample_size_auc(0.1, bad, 0.1),
    "target": lambda bad: models_needed(E, bad),
    "probability": lambda bad: models_needed(E, 6, bad),
    "m": lambda bad: random_search(E, bad),
    "replace": lambda bad: random_search(E, 1, replace=bad),
    "n_a": lambda bad: best_of(E, bad),
    "max_m": lambda bad: search_crossings(E, E, max_m=bad),
    "bounds": lambda bad: search_band(E, 1, bounds=bad),
    "cost": lambda bad: search_budget(E, bad, 3),
    "steps": lambda bad: hit_probability(E, E, 6, 9, steps=bad),
    "n_draw": lambda bad: parameter_range(E, E, bad),
    "parameter": lambda bad: parameter_range(E, bad, 2),
    "groups": lambda bad: relative_rank(E, bad),
    "complexity": lambda bad: pareto_inclusion(E, bad, 2),
    "covariates": lambda bad: balance_weights(bad, list("abab")),
    "min_count": lambda bad: complexity_weights(E, min_count=bad),
    "range": lambda bad: complexity_weights(E, range=bad),
    "method": lambda bad: adjust_pvalues([0.1], bad),
    "ds": reruns,
}


#: Lists seed NumPy's generators, F may be read at a table of errors, and covariates may be one.
LEGAL = {("rng", list), ("x", list), ("x", np.ndarray), ("covariates", np.ndarray)}
CASES = [(name, bad) for name in CALLS for bad in NO_NUMBER if (name, type(bad)) not in LEGAL]


@pytest.mark.parametrize(
    ("name", "bad"), CASES, ids=lambda part: part if isinstance(part, str) else type(part).__name__
)
def test_the_argument_is_named(name, bad):
    with pytest.raises(InputError) as refused:
        CALLS[name](bad)
    message = str(refused.value)
    assert message.startswith(name)
    assert "; " in message
    assert "\n" not in message


@pytest.mark.parametrize("bad", [-1, 1.5, "seed", True, {"a": 1}])
def test_sources_of_randomness(bad):
    with pytest.raises(InputError, match=r"rng is .*; give a numpy\.random\.Generator"):
        generator(bad)
    assert generator(7).random() == np.random.default_rng(7).random()


def test_numbers_of_any_type_are_numbers():
    for three in (3, 3.0, np.float32(3), np.int64(3), np.array(3), xr.DataArray(3.0)):
        assert number(three, "x") == 3.0
        assert whole(three, "x", "give one") == 3
    assert number(10**400, "x") == np.inf
    assert points(np.array([1, 2], dtype=object), "x").tolist() == [1.0, 2.0]
    assert edf(np.array([2, 1], dtype=object)).support.tolist() == [1.0, 2.0]
    assert len(shown("long" * 99)) == 80
    assert (shown(np.float32(2.5)), shown(np.int64(3))) == ("2.5", "3")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare(two_spaces(9), level=np.float64(95)), "level is 95.0; give a confidence level"),
        (lambda: search_crossings(E, E, quantile=1), "quantile is 1; give a level inside 0 to 1, or None for the mean"),
        (lambda: search_band(E, 1, quantile=0), "quantile is 0; give a level inside 0 to 1, or None for the mean"),
        (lambda: search_crossings(E, E, max_m=2**63), f"max_m is {2**63}; give a whole number of models"),
        (lambda: sample_size(1.5), "difference is 1.5; give a gap between EDFs above 0 and at most 1"),
        (lambda: sample_size(0.1, power=1), "power is 1; give a chance above 0 and below 1"),
        (lambda: sample_size_auc(0.1, 0.1, np.inf), "std_b is inf; give a standard deviation of at least 0"),
        (lambda: models_needed(E, 6, 2), "probability is 2; give a value from 0 to 1"),
        (lambda: hit_probability(E, E, 6, 0), "budget is 0; give a positive number in the unit of the cost"),
    ],
)
def test_numbers_out_of_range_are_shown_as_they_were_given(call, message):
    with pytest.raises(InputError) as refused:
        call()
    assert str(refused.value).startswith(message)


def test_missing_labels_and_masked_entries_are_refused():
    with pytest.raises(InputError, match=r"strata\[1\] is nan; give every model a label"):
        edf([1.0, 2.0], strata=[0, np.nan])
    with pytest.raises(InputError, match=r"strata\[1\] is None"):
        edf([1.0, 2.0], strata=["a", None])
    with pytest.raises(InputError, match="strata mixes kinds of labels"):
        edf([1.0, 2.0], strata=np.array(["a", 1], dtype=object))
    with pytest.raises(InputError, match="strata is -1, outside every bin, for 1 of 2"):
        edf([1.0, 2.0], strata=[0, -1])
    assert edf([1.0, 2.0], [1, 0], strata=[0, -1]).n == 2  # it has no weight
    outside = complexity_weights([1.0, 2.0, 5.0], bins=1, range=(0, 3))
    with pytest.raises(InputError, match=r"weights\[2\] is nan; .*leave models without one out"):
        edf([1.0, 2.0, 3.0], outside)
    with pytest.raises(InputError, match=r"error\[1\] is masked"):
        edf(np.ma.masked_array([1.0, 2.0], mask=[False, True]))


def test_differences_name_the_side():
    with pytest.raises(InputError, match=r"error_b\[0\] is NaN"):
        auc_difference(E, [np.nan], 10)
    with pytest.raises(InputError, match=r"weights_a\[0\] is -1"):
        auc_difference(E, E, 10, weights_a=[-1, 1, 1, 1])


def test_what_was_dropped_is_told_by_weight():
    F = edf([1.0, np.nan, 3.0], [1, 2, 1], nan="drop")
    assert (F.dropped, F.covered) == (1, 0.5)


def test_a_probability_near_one_is_taken_as_it_stands():
    """ceil(log(1 - p) / log(1 - F)) of these two doubles, by 60-digit arithmetic; half a unit of p spans 5 draws."""
    weights = [9.313225746154785e-10, 1.7462298274040222e-10, 0.03125]
    assert models_needed([6.7, 2.0, 14.5], 2.0, 0.999999999, weights) == 3708573003.0
