"""What holds for every set of complexities: weights add up, bins are shared, order does not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edfstat import PopulationError, complexity_bins, complexity_weights


@st.composite
def populations(draw):
    n = draw(st.integers(6, 60))
    c = draw(hnp.arrays(float, n, elements=st.floats(1, 1000)))
    # two groups with the same lowest and highest complexity, so that they share a range
    c[:4] = [1, 1, 1000, 1000]
    groups = np.array(draw(hnp.arrays(int, n, elements=st.integers(0, 1))))
    groups[:4] = [0, 1, 0, 1]
    return c, groups


OPTIONS = st.fixed_dictionaries(
    {"bins": st.integers(1, 12), "spacing": st.sampled_from(["uniform", "log", "quantile"])}
)


@given(populations(), OPTIONS, st.sampled_from(["drop", "merge"]))
def test_weights_sum_to_one_and_each_bin_to_its_share(population, options, empty):
    c, groups = population
    try:
        found = complexity_bins(c, groups=groups, empty=empty, **options)
    except PopulationError:
        # no bin holds both groups
        assert empty == "drop"
        return
    kept = found["kept"].values
    np.testing.assert_allclose(found["share"].values[kept], 1 / kept.sum())
    for g in (0, 1):
        mine = found["weights"].values[groups == g]
        np.testing.assert_allclose(np.nansum(mine), 1)
        bins = found["bin"].values[groups == g]
        for number in np.flatnonzero(kept):
            np.testing.assert_allclose(mine[bins == number].sum(), 1 / kept.sum())
    if empty == "merge":
        assert found["counts"].values.min() >= 1


@given(populations(), OPTIONS, st.randoms(use_true_random=False))
def test_order_of_models_does_not_matter(population, options, random):
    c, groups = population
    order = list(range(c.size))
    random.shuffle(order)
    first = complexity_weights(c, groups=groups, empty="merge", **options)
    second = complexity_weights(c[order], groups=groups[order], empty="merge", **options)
    np.testing.assert_allclose(first[order], second)


@given(populations(), OPTIONS)
def test_scale_of_complexity_does_not_matter(population, options):
    """A power of two scales floats without rounding; log edges are left out, which it moves by rounding."""
    c, groups = population
    options = options | {"spacing": "uniform"}
    first = complexity_weights(c, groups=groups, empty="merge", **options)
    np.testing.assert_array_equal(first, complexity_weights(8 * c, groups=groups, empty="merge", **options))


@given(populations(), OPTIONS)
def test_raise_says_a_number_that_works(population, options):
    c, groups = population
    try:
        weights = complexity_weights(c, groups=groups, **options)
    except PopulationError as error:
        works = int(str(error).split("bins=")[1].split()[0])
        weights = complexity_weights(c, groups=groups, **(options | {"bins": works}))
    np.testing.assert_allclose(np.nansum(weights), 2)


@given(populations())
def test_groups_of_one_law_get_the_same_weights(population):
    c, _ = population
    twice = complexity_weights(np.tile(c, 2), groups=np.repeat([0, 1], c.size), empty="merge")
    np.testing.assert_array_equal(twice[: c.size], twice[c.size :])
    assert twice[: c.size].sum() == pytest.approx(1)
