"""Invariances of the KS tests and of the distance between two EDFs."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edfstat import edf, expected_ks, ks_test, sample_size, wasserstein
from edfstat.kolmogorov import ks_tests

errors = st.lists(st.one_of(st.integers(0, 8).map(float), st.just(math.inf)), min_size=1, max_size=12)
finite = st.lists(st.integers(0, 8).map(float), min_size=1, max_size=12)
weight = st.one_of(st.just(0.0), st.floats(0.01, 50))


@st.composite
def weighted(draw):
    values = draw(errors)
    weights = draw(st.lists(weight, min_size=len(values), max_size=len(values)))
    assume(max(weights) > 0)
    return np.array(values), np.array(weights)


@given(weighted(), weighted())
def test_statistic_is_the_largest_gap_of_the_edfs(a, b):
    f, g = edf(*a), edf(*b)
    at = np.union1d(f.support, g.support)
    gaps = f(at) - g(at)
    found = ks_tests(a[0], b[0], weights_a=a[1], weights_b=b[1], method="asymptotic")
    assert found.greater.statistic == pytest.approx(max(gaps.max(), 0), abs=1e-12)
    assert found.less.statistic == pytest.approx(max(-gaps.min(), 0), abs=1e-12)
    assert found.two_sided.statistic == pytest.approx(np.abs(gaps).max(), abs=1e-12)
    if found.two_sided.statistic > 1e-9:
        where = f(found.two_sided.location) - g(found.two_sided.location)
        assert where * found.two_sided.sign == pytest.approx(found.two_sided.statistic, abs=1e-12)


@given(weighted(), weighted())
@settings(max_examples=60)
def test_symmetric(a, b):
    there = ks_tests(a[0], b[0], weights_a=a[1], weights_b=b[1], n_resamples=9, rng=0, method="asymptotic")
    back = ks_tests(b[0], a[0], weights_a=b[1], weights_b=a[1], n_resamples=9, rng=0, method="asymptotic")
    assert there.greater.statistic == pytest.approx(back.less.statistic, abs=1e-15)
    assert there.greater.pvalue == pytest.approx(back.less.pvalue, rel=1e-9)
    assert there.two_sided.pvalue == pytest.approx(back.two_sided.pvalue, rel=1e-9)


@given(weighted())
def test_no_gap_to_itself(a):
    result = ks_test(a[0], a[0], weights_a=a[1], weights_b=a[1])
    assert (result.statistic, result.pvalue) == (0.0, 1.0)
    assert wasserstein(a[0], a[0], weights_a=a[1], weights_b=a[1]) == 0.0


@given(errors, errors, st.randoms())
def test_exact_pvalue_depends_on_ranks_only(a, b, random):
    base = ks_test(a, b)
    shuffled_a, shuffled_b = random.sample(a, len(a)), random.sample(b, len(b))
    assert ks_test(shuffled_a, shuffled_b).pvalue == base.pvalue
    grown = ks_test(np.exp(np.array(a) / 3), np.exp(np.array(b) / 3))
    assert (grown.pvalue, grown.statistic) == (base.pvalue, base.statistic)


@given(
    st.lists(st.integers(0, 4).map(float), min_size=1, max_size=6),
    st.lists(st.integers(0, 4).map(float), min_size=1, max_size=6),
)
@settings(max_examples=50)
def test_lattice_paths_are_the_enumeration(a, b):
    for alternative in ("two-sided", "greater", "less"):
        paths = ks_test(a, b, alternative=alternative, method="exact")
        visited = ks_test(a, b, alternative=alternative, method="permutation")
        assert visited.n_resamples == math.comb(len(a) + len(b), len(a))
        assert paths.pvalue == pytest.approx(visited.pvalue, rel=1e-10)


@given(weighted(), weighted(), st.floats(0.01, 100))
def test_scale_of_weights_does_not_move_the_statistic(a, b, scale):
    base = ks_test(a[0], b[0], weights_a=a[1], weights_b=b[1], method="asymptotic")
    scaled = ks_test(a[0], b[0], weights_a=a[1] * scale, weights_b=b[1], method="asymptotic")
    assert scaled.statistic == pytest.approx(base.statistic, abs=1e-12)
    assert scaled.effective_n == pytest.approx(base.effective_n, rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1), st.booleans()), min_size=4, max_size=10), st.randoms())
@settings(max_examples=50)
def test_order_of_models_and_names_of_strata_do_not_matter(models, random):
    sides = [[m for m in models if m[2] is which] for which in (True, False)]
    for side in sides:
        assume({m[1] for m in side} == {0, 1})

    def test(first, second, names):
        return ks_test(
            [float(m[0]) for m in first],
            [float(m[0]) for m in second],
            strata_a=[names[m[1]] for m in first],
            strata_b=[names[m[1]] for m in second],
        )

    base = test(*sides, (0, 1))
    again = test(*(random.sample(side, len(side)) for side in sides), ("z", "b"))
    assert again.pvalue == base.pvalue
    assert again.statistic == pytest.approx(base.statistic, abs=1e-14)


@given(finite, finite, finite)
def test_distance_is_a_metric(a, b, c):
    assert wasserstein(a, b) == pytest.approx(wasserstein(b, a), abs=1e-14)
    assert wasserstein(a, c) <= wasserstein(a, b) + wasserstein(b, c) + 1e-12
    assert wasserstein(a, b) >= abs(np.mean(a) - np.mean(b)) - 1e-12


@given(finite, st.floats(0, 100))
def test_distance_of_a_shift_is_the_shift(a, shift):
    assert wasserstein(a, np.array(a) + shift) == pytest.approx(shift, abs=1e-10)


@given(st.floats(0.02, 1), st.floats(0.5, 0.99), st.floats(0.001, 0.2))
def test_sample_size_grows_with_what_is_asked(difference, power, level):
    base = sample_size(difference, power=power, level=level)
    assert sample_size(difference / 2, power=power, level=level) >= base
    assert sample_size(difference, power=min(power + 0.005, 0.995), level=level) >= base
    assert sample_size(difference, power=power, level=level / 2) >= base


@given(st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=30)
def test_more_models_bring_the_sample_closer(n, m):
    assert expected_ks(n + 1)[0] < expected_ks(n)[0]
    assert expected_ks(n, other=m)[0] == pytest.approx(expected_ks(m, other=n)[0], rel=1e-12)
    assert expected_ks(n, population=n + m)[0] < expected_ks(n)[0]
