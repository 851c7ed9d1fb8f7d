"""What holds of random search, ranges and fronts for every population."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edfstat.fronts import pareto_inclusion
from edfstat.ranges import best_shares
from edfstat.ranks import relative_rank
from edfstat.search_odds import best_of, models_needed, random_search

ERRORS = st.lists(st.integers(0, 400).map(lambda x: x / 4), min_size=1, max_size=40)
SIZES = st.lists(st.integers(1, 3000), min_size=1, max_size=6)


@st.composite
def weighted(draw):
    errors = draw(ERRORS)
    weights = draw(st.lists(st.integers(0, 5), min_size=len(errors), max_size=len(errors)))
    if not any(weights):
        weights[0] = 1
    return np.array(errors), np.array(weights)


@given(weighted(), SIZES)
def test_more_models_are_never_worse_and_stay_within_the_population(population, sizes):
    errors, weights = population
    found = random_search(errors, sorted(sizes), weights)
    mean = found["mean"].values
    scale = 1e-12 * max(1.0, errors.max())
    assert (np.diff(mean) <= scale).all()
    kept = errors[weights > 0]
    assert kept.min() - scale <= mean.min()
    assert mean.max() <= kept.max() + scale
    quantile = found["quantile"].values
    assert (np.diff(quantile, axis=0) <= 0).all()
    assert (np.diff(quantile, axis=1) >= 0).all()
    assert (found["std"].values >= 0).all()
    assert (found["support"].values >= 1 - 1e-12).all()


@given(weighted(), SIZES, st.randoms(use_true_random=False), st.floats(1e-3, 1e3))
def test_order_scale_and_replication_do_not_matter(population, sizes, random, factor):
    errors, weights = population
    order = list(range(errors.size))
    random.shuffle(order)
    found = random_search(errors, sizes, weights)
    for other in (
        random_search(errors[order], sizes, weights[order] * factor),
        random_search(np.repeat(errors, weights), sizes),
    ):
        for name in ("mean", "quantile", "support"):
            np.testing.assert_allclose(other[name], found[name], rtol=1e-9)
        np.testing.assert_allclose(other["std"], found["std"], rtol=1e-6, atol=1e-9)


@given(ERRORS)
def test_one_draw_is_the_population(errors):
    found = random_search(errors, 1)
    np.testing.assert_allclose(found["mean"].item(), np.mean(errors), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found["std"].item(), np.std(errors), rtol=1e-9, atol=1e-9)


@given(ERRORS, st.data())
def test_without_replacement_is_never_worse(errors, data):
    m = data.draw(st.integers(1, len(errors)))
    repeated = random_search(errors, m)["mean"].item()
    distinct = random_search(errors, m, replace=False)["mean"].item()
    assert distinct <= repeated + 1e-12 * max(1.0, repeated)


@given(weighted(), st.floats(0.001, 0.999))
def test_models_needed_is_the_smallest_number_that_does(population, probability):
    errors, weights = population
    target = float(np.median(errors))
    draws = models_needed(errors, target, probability, weights)
    hit = weights[errors <= target].sum() / weights.sum()
    if hit == 0:
        assert draws == np.inf
    else:
        assert 1 - (1 - hit) ** draws >= probability - 1e-9
        assert draws == 1 or 1 - (1 - hit) ** (draws - 1) <= probability + 1e-9


@given(weighted(), weighted(), st.integers(1, 500), st.integers(1, 500))
def test_odds_sum_to_one_and_swap(a, b, n_a, n_b):
    odds = best_of(a[0], n_a, b[0], n_b, weights_a=a[1], weights_b=b[1])
    swapped = best_of(b[0], n_b, a[0], n_a, weights_a=b[1], weights_b=a[1])
    np.testing.assert_allclose(sum(odds), 1, rtol=1e-12)
    np.testing.assert_allclose(odds, swapped[::-1], rtol=1e-9, atol=1e-15)


@given(weighted(), st.integers(1, 1000))
def test_shares_of_the_best_sum_to_one_and_go_to_nobody_without_weight(population, m):
    errors, weights = population
    shares = best_shares(errors, m, weights)
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-9)
    assert (shares[weights == 0] == 0).all()
    assert (shares >= 0).all()


@given(ERRORS)
def test_ranks_average_to_their_middle_and_follow_errors(errors):
    ranks, n = relative_rank(errors), len(errors)
    np.testing.assert_allclose(ranks.mean(), (n + 1) / (2 * n), rtol=1e-12)
    order = np.argsort(errors)
    assert (np.diff(ranks[order]) >= 0).all()


@given(weighted(), st.integers(1, 200), st.data())
def test_some_model_is_always_on_the_front(population, m, data):
    errors, weights = population
    size = errors.size
    costs = np.array(data.draw(st.lists(st.integers(0, 9), min_size=size, max_size=size)), dtype=float)
    chance = pareto_inclusion(errors, costs, m, weights)
    assert ((chance >= 0) & (chance <= 1 + 1e-12)).all()
    assert chance.sum() >= 1 - 1e-9
