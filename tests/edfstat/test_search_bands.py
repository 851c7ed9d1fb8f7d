"""Bands over all m by hand and by coverage; budgets by enumeration."""

import itertools

import numpy as np
import pytest

from edfstat import edf
from edfstat.budgets import hit_probability, search_budget, time_to_target
from edfstat.errors import InputError
from edfstat.search_bands import search_band
from edfstat.search_odds import random_search


def test_median_band_is_the_edf_band_read_at_the_level_of_each_m():
    rng = np.random.default_rng(0)
    errors = np.sort(rng.gamma(9, 1, 500))
    half = np.sqrt(np.log(2 / 0.05) / 1000)
    found = search_band(errors, [1, 4, 16, 1000])
    for m, lower, upper in zip([1, 4, 16, 1000], found["lower"].values, found["upper"].values, strict=True):
        level = 1 - 0.5 ** (1 / m)
        # By hand: the k-th of 500 errors has F = k / 500, and U >= level from F >= level - half on.
        first = int(np.ceil((level - half) * 500 - 1e-9))
        assert lower == (errors[first - 1] if first >= 1 else 0.0)
        assert upper == errors[int(np.ceil((level + half) * 500 - 1e-9)) - 1]


def test_mean_band_is_the_integral_of_the_bounds():
    errors = np.array([2.0, 5.0, 6.0])
    band = edf(errors).band(0.95)
    found = search_band(errors, 3, quantile=None, bounds=(0.0, 10.0))
    grid = np.linspace(0, 10, 200_001)[:-1]
    place = np.searchsorted(errors, grid, side="right")
    half = np.sqrt(np.log(2 / 0.05) / 6)
    upper_f = np.concatenate(([min(half, 1)], band.upper))[place]
    lower_f = np.concatenate(([0.0], band.lower))[place]
    assert found["lower"].item() == pytest.approx(((1 - upper_f) ** 3).mean() * 10, abs=1e-3)
    assert found["upper"].item() == pytest.approx(((1 - lower_f) ** 3).mean() * 10, abs=1e-3)


@pytest.mark.parametrize("quantile", [0.5, None])
def test_band_holds_the_curve_and_failures_count_at_the_upper_bound(quantile):
    errors = np.array([4.0, 5.0, 6.0, 7.0] * 20 + [np.inf] * 4)
    found = search_band(errors, [1, 2, 8], quantile=quantile)
    curve = random_search(np.minimum(errors, 100), [1, 2, 8], quantiles=0.5)
    middle = curve["mean"].values if quantile is None else curve["quantile"].values[:, 0]
    assert (found["lower"].values <= middle).all()
    assert (middle <= found["upper"].values).all()
    assert (found["upper"].values <= 100).all()


def test_band_covers_the_whole_true_curve():
    # Uniform errors on (0, 100): the median of the best of m is 100 (1 - 2^(-1/m)), the mean 100 / (m + 1).
    sizes = 2 ** np.arange(11)
    rng = np.random.default_rng(1)
    held = np.zeros(2)
    for _ in range(400):
        errors = rng.random(150) * 100
        for place, (quantile, truth) in enumerate(((0.5, 100 * (1 - 0.5 ** (1 / sizes))), (None, 100 / (sizes + 1)))):
            band = search_band(errors, sizes, quantile=quantile)
            held[place] += ((band["lower"].values <= truth) & (truth <= band["upper"].values)).all()
    # 400 trials at 95 %: fewer than 366 would have a chance below 0.1 %.
    assert (held >= 366).all()


def test_bad_bands_are_refused():
    for options, message in (
        ({"quantile": 1.0}, "quantile is 1.0"),
        ({"bounds": (3.0, 4.0)}, "bounds are"),
        ({"m": 0}, "m holds 0"),
        ({"level": 2.0}, "level"),
    ):
        with pytest.raises(InputError, match=message):
            search_band(**({"error": [2.0, 5.0], "m": 1} | options))


def exact_hit(errors, costs, target, budget, spent=0.0):
    """Chance of a hit within the budget, by walking every sequence of equally likely models."""
    chance = 0.0
    for error, cost in zip(errors, costs, strict=True):
        if spent + cost <= budget + 1e-12:
            chance += 1 if error <= target else exact_hit(errors, costs, target, budget, spent + cost)
    return chance / len(errors)


def test_hit_probability_matches_every_sequence_on_the_grid_and_brackets_it_off_the_grid():
    errors, costs = [3.0, 9.0, 8.0, 7.0], [2.5, 1.0, 0.5, 2.0]
    on = hit_probability(errors, costs, 4.0, 6.0, steps=12)
    for spent, lower, upper in zip(on["spent"].values, on["lower"].values, on["upper"].values, strict=True):
        exact = exact_hit(errors, costs, 4.0, spent)
        assert lower == pytest.approx(exact, abs=1e-12)
        assert upper == pytest.approx(exact, abs=1e-12)
    off = hit_probability(errors, [2.53, 1.01, 0.57, 1.99], 4.0, 6.0, steps=500)
    exact = exact_hit(errors, [2.53, 1.01, 0.57, 1.99], 4.0, 6.0)
    assert off["lower"].values[-1] <= exact + 1e-12
    assert exact <= off["upper"].values[-1] + 1e-12
    assert off["upper"].values[-1] - off["lower"].values[-1] < 0.05


def test_equal_costs_give_the_closed_form():
    found = hit_probability([5.0, 9.0, 9.0], [2.0] * 3, 5.0, 20.0, weights=[1, 4, 5], steps=1000)
    draws = np.floor(found["spent"].values / 2.0 + 1e-9)
    np.testing.assert_allclose(found["lower"], 1 - 0.9**draws, atol=1e-12)
    np.testing.assert_allclose(found["upper"], found["lower"], atol=1e-12)


def test_budget_buys_its_mean_number_of_models():
    found = search_budget([3.0, 4.0, 4.0, 9.0], [1.0, 1.0, 3.0, 3.0], [1.0, 4.0, 6.0])
    assert found["models"].values.tolist() == [0, 2, 3]
    assert np.isnan(found["mean"].values[0])
    assert found["mean"].values[1:].tolist() == [3.875, 3.5]
    assert found.attrs["mean_cost"] == 2.0
    # By hand: 11 draws at half an hour each.
    assert time_to_target([5.0, 6.0, 7.0, 8.0], [0.5] * 4, 5.5) == 5.5
    assert time_to_target([5.0, 6.0], [0.5] * 2, 4.0) == np.inf


def test_costs_and_budgets_that_make_no_sense_are_named():
    for call, message in (
        (lambda: search_budget([1.0], [0.0], 1.0), r"cost\[0\] is 0.0"),
        (lambda: search_budget([1.0], [1.0], -1.0), "budget is -1.0"),
        (lambda: hit_probability([1.0], [1.0], 1.0, np.inf), "budget is inf"),
        (lambda: hit_probability([1.0], [1.0], np.nan, 1.0), "target is nan"),
        (lambda: hit_probability([1.0], [1.0], 1.0, 1.0, steps=0), "steps is 0"),
        (lambda: time_to_target([1.0], [np.nan], 1.0), r"cost\[0\] is nan"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_cheap_bad_models_make_the_mean_cost_too_hopeful_or_too_dark():
    # Hits cost 10, misses 1: the mean cost, 1.9, hides that a hit needs ten hours of its own.
    found = hit_probability([5.0] + [9.0] * 9, [10.0] + [1.0] * 9, 5.0, 9.9, steps=990)
    assert found["upper"].values[-1] == 0.0
    assert list(itertools.islice(found["lower"].values, 1)) == [0.0]
