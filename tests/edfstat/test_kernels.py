"""Sums over atoms against np.unique and plain loops, by a sort and by counting."""

import numpy as np
import pytest

from edfstat import kernels
from edfstat.counting import count_on_grid

N = 1 << 16
RNG = np.random.default_rng(11)
GRID = np.round(RNG.gamma(4, 3, N), 2)


def with_failures(x):
    return np.where(RNG.random(x.size) < 0.01, np.inf, x)


@pytest.mark.parametrize(
    "x",
    [
        GRID,
        100 - np.minimum(GRID, 100),
        with_failures(np.minimum(GRID, 99.99)),
        np.round(RNG.random(N) * 300, 1),
        np.zeros(N),
        np.full(N, np.inf),
        np.where(RNG.random(N) < 0.5, -0.0, 0.0),
    ],
    ids=["grid", "100 - accuracy", "failures", "above 100", "zero", "all failed", "signed zero"],
)
def test_counting_gives_the_very_doubles_that_a_sort_gives(x):
    found = count_on_grid(x, None)
    assert found is not None
    values, counts = np.unique(x, return_counts=True)
    np.testing.assert_array_equal(found[0], values)
    np.testing.assert_array_equal(found[1], counts)


def test_counting_adds_weights():
    w = RNG.random(N)
    values, mass = count_on_grid(GRID, w)
    distinct, place = np.unique(GRID, return_inverse=True)
    np.testing.assert_array_equal(values, distinct)
    np.testing.assert_allclose(mass, np.bincount(place, w), rtol=1e-12)


@pytest.mark.parametrize("spoiled", [0, N // 2, N - 1])
def test_counting_refuses_two_doubles_in_one_slot(spoiled):
    """One error that is the next double after a grid value must stay an atom of its own, wherever it is."""
    x = GRID.copy()
    other = GRID[N // 3]
    x[spoiled] = np.nextafter(other, np.inf)
    assert count_on_grid(x, None) is None
    support = kernels.atoms(x, None).support
    assert np.nextafter(other, np.inf) in support


@pytest.mark.parametrize("x", [RNG.random(N), np.round(GRID - 5, 2), np.full(N, 1e300), GRID[:100]])
def test_counting_is_not_tried_where_it_does_not_fit(x):
    assert count_on_grid(x, None) is None


def test_ties_are_merged_without_zero_weights():
    support, mass = kernels.merge_ties(np.array([2.0, 1.0, 2.0, 9.0]), np.array([0.25, 0.25, 0.5, 0.0]))
    assert support.tolist() == [1, 2]
    assert mass.tolist() == [0.25, 0.75]


def test_small_and_large_samples_agree():
    """The counted and the sorted route to the same atoms."""
    w = RNG.random(N)
    counted = kernels.atoms(GRID, w / w.sum())
    order = np.argsort(GRID, kind="stable")
    distinct, place = np.unique(GRID[order], return_inverse=True)
    np.testing.assert_array_equal(counted.support, distinct)
    np.testing.assert_allclose(counted.mass, np.bincount(place, w[order] / w.sum()), rtol=1e-12)


@pytest.mark.parametrize("mass", [[1.0], [0.5, 0.5], [0.2, 0.3, 0.5], [0.9, 0.05, 0.05], [1e-30, 1 - 1e-16, 1e-30]])
def test_forward_and_tail_are_monotone_and_complementary(mass):
    forward, tail = kernels.cumulate(np.array(mass))
    assert (np.diff(forward) >= 0).all()
    assert (np.diff(tail) <= 0).all()
    assert forward[-1] == 1
    assert tail[-1] == 0
    np.testing.assert_allclose(forward + tail, 1, rtol=1e-15)
    np.testing.assert_allclose(forward, np.cumsum(mass), rtol=1e-15)


def test_area_below_by_hand():
    """F is .25 on [1, 2), .75 on [2, 5): .25 at 2, 2.5 at 5."""
    area = kernels.area_below(np.array([1.0, 2.0, 5.0]), np.array([0.25, 0.75, 1.0]))
    assert area.tolist() == [0, 0.25, 2.5]
