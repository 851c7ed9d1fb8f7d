"""Pareto fronts against enumeration and quadratic brute force."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from edfstat.errors import InputError
from edfstat.fronts import attainment, dominating_mass, pareto_front, pareto_inclusion

CASES = json.loads((Path(__file__).parents[1] / "data" / "stats_oracle.json").read_text())["cases"]


def dominates(e1, c1, e2, c2):
    return e1 <= e2 and c1 <= c2 and (e1 < e2 or c1 < c2)


def test_inclusion_matches_the_oracle():
    case = next(case for case in CASES if case["id"] == "pareto_inclusion")
    given = case["inputs"]
    found = pareto_inclusion(given["errors"], given["complexity"], given["m"])
    np.testing.assert_allclose(found, case["expected"]["p_on_front"], rtol=1e-12)
    mass = dominating_mass(given["errors"], given["complexity"])
    np.testing.assert_allclose(mass, case["expected"]["dominating_mass"], rtol=1e-12)


def test_inclusion_matches_enumeration_with_ties_weights_and_equals():
    errors, costs, weights, m = [5.0, 5.0, 4.0, 5.0, 3.0], [2.0, 2.0, 3.0, 1.0, 3.0], [1, 2, 3, 0, 2], 3
    chance = np.zeros(5)
    for draw in itertools.product(range(5), repeat=m):
        p = np.prod([weights[i] / 8 for i in draw])
        for i in set(draw):
            if not any(dominates(errors[j], costs[j], errors[i], costs[i]) for j in draw):
                chance[i] += p
    np.testing.assert_allclose(pareto_inclusion(errors, costs, m, weights), chance, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 3, 17, 64, 65, 200])
def test_dominating_mass_matches_brute_force(n):
    rng = np.random.default_rng(n)
    for _ in range(10):
        errors, costs, weights = rng.integers(0, 9, n) * 1.0, rng.integers(0, 9, n) * 1.0, rng.random(n)
        weights /= weights.sum()
        brute = [
            sum(w for e, c, w in zip(errors, costs, weights, strict=True) if dominates(e, c, errors[i], costs[i]))
            for i in range(n)
        ]
        np.testing.assert_allclose(dominating_mass(errors, costs, weights), brute, atol=1e-13)
        front = set(np.flatnonzero(np.array(brute) == 0).tolist())
        assert set(pareto_front(errors, costs).tolist()) == front


def test_failed_models_are_on_no_front():
    assert pareto_inclusion([np.inf, 5.0], [1.0, 2.0], 3).tolist() == [0.0, pytest.approx(1 - 1 / 8)]
    assert pareto_front([np.inf, 5.0], [1.0, 2.0]).tolist() == [1]


def test_failed_models_of_equal_cost_do_not_dominate_each_other():
    errors, costs = [np.inf, 4.0, np.inf, np.inf, 5.0], [2.0, 3.0, 2.0, 3.0, 1.0]
    mass = [
        sum(dominates(*pair, e, c) for pair in zip(errors, costs, strict=True)) / 5
        for e, c in zip(errors, costs, strict=True)
    ]
    np.testing.assert_allclose(dominating_mass(errors, costs), mass, rtol=1e-12)
    assert pareto_front(errors, costs).tolist() == [4, 1]
    assert pareto_inclusion(errors, costs, 3)[[0, 2, 3]].tolist() == [0, 0, 0]


def test_inclusion_of_rare_models_in_huge_searches_keeps_its_digits():
    # Nothing dominates the first: 1 - (1 - p)^m with p = 1e-12 and m = 1000, by its series.
    chance = pareto_inclusion([1.0, 2.0], [1.0, 2.0], 1000, [1e-12, 1.0])[0]
    assert chance == pytest.approx(1e-9 - 999 / 2 * 1e-21, rel=1e-12)


def test_attainment_is_the_joint_law_at_every_budget():
    rng = np.random.default_rng(1)
    errors, costs, weights = rng.random(60), rng.random(60), rng.random(60)
    weights /= weights.sum()
    found = attainment(errors, costs, 7, weights, levels=(0.1, 0.5, 0.9))
    for level, curve in zip((0.1, 0.5, 0.9), found["error"].values, strict=True):
        for budget, error in zip(found["complexity"].values, curve, strict=True):

            def chance(e, budget=budget):
                return 1 - (1 - weights[(costs <= budget) & (errors <= e)].sum()) ** 7

            if np.isnan(error):
                assert chance(np.inf) < level
            else:
                assert chance(error) >= level - 1e-9
                below = errors[errors < error]
                assert below.size == 0 or chance(below.max()) < level


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"m": 0}, "m is 0"),
        ({"complexity": [1.0, np.nan]}, r"complexity\[1\] is nan"),
        ({"complexity": [1.0]}, "complexity has 1 entries"),
        ({"error": [np.nan, 1.0]}, "NaN"),
        ({"weights": [1.0, -1.0]}, r"weights\[1\]"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(InputError, match=message):
        pareto_inclusion(**({"error": [1.0, 2.0], "complexity": [1.0, 2.0], "m": 2} | options))
