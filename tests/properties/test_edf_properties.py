"""What holds for every weighted sample: EDFs, areas, bands."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edfstat import auc, edf
from edfstat.mixtures import mixture

ERRORS = st.one_of(st.sampled_from([1.0, 2.5, 7.0, np.inf]), st.floats(0, 100))
WEIGHTS = st.floats(0, 1e6)


@st.composite
def samples(draw, weights=WEIGHTS):
    n = draw(st.integers(1, 30))
    x = draw(hnp.arrays(float, n, elements=ERRORS))
    w = draw(hnp.arrays(float, n, elements=weights))
    assume(w.sum() > 0)
    # weights a float cannot tell from zero beside the largest are no concern here
    w[w < 1e-200 * w.max()] = 0
    return x, w


@given(samples())
def test_an_edf_is_a_distribution_function(sample):
    F = edf(*sample)
    assert (np.diff(F.support) > 0).all()
    assert (np.diff(F.probabilities) >= 0).all()
    assert F.probabilities[0] > 0
    assert F.probabilities[-1] == 1
    assert F.tail[-1] == 0
    np.testing.assert_allclose(F.mass.sum(), 1)
    assert F.effective_n * (1 + 1e-12) >= 1
    assert F.effective_n <= np.count_nonzero(sample[1]) * (1 + 1e-12)


@given(samples())
def test_it_is_the_sum_that_defines_it(sample):
    x, w = sample
    F = edf(x, w)
    at = np.array([0.0, 1.0, 2.5, 50.0, np.inf])
    np.testing.assert_allclose(F(at), [(w / w.max())[x <= t].sum() / (w / w.max()).sum() for t in at], atol=1e-14)
    np.testing.assert_allclose(
        F(at, side="left"), [(w / w.max())[x < t].sum() / (w / w.max()).sum() for t in at], atol=1e-14
    )


@given(samples(), st.randoms(use_true_random=False), st.floats(1e-3, 1e3))
def test_order_and_scale_of_weights_do_not_matter(sample, random, scale):
    x, w = sample
    order = list(range(x.size))
    random.shuffle(order)
    F, G = edf(x, w), edf(x[order], scale * w[order])
    np.testing.assert_array_equal(F.support, G.support)
    np.testing.assert_allclose(F.probabilities, G.probabilities, rtol=1e-12)
    np.testing.assert_allclose(F.auc(20.0), G.auc(20.0), atol=1e-14)


@given(samples(weights=st.integers(0, 5).map(float)))
def test_whole_weights_are_replication(sample):
    x, w = sample
    F, G = edf(x, w), edf(np.repeat(x, w.astype(int)))
    np.testing.assert_array_equal(F.support, G.support)
    np.testing.assert_allclose(F.probabilities, G.probabilities, rtol=1e-14)


@given(samples(), st.floats(0, 1))
def test_quantile_is_the_inverse(sample, q):
    F = edf(*sample)
    v = F.quantile(q)
    assert F(v) >= q - 1e-12
    assert F(v, side="left") <= q or v == F.support[0]


@given(samples(), st.floats(0.1, 200))
def test_area_is_the_sum_of_the_paper_and_grows_with_eps(sample, eps):
    x, w = sample
    area = auc(x, eps, w)
    share = w / w.max()
    np.testing.assert_allclose(area, 1 - share @ np.minimum(1, x / eps) / share.sum(), atol=1e-13)
    assert -1e-15 <= area <= auc(x, 2 * eps, w) + 1e-15


@given(samples(), st.integers(1, 29))
def test_parts_make_the_whole(sample, cut):
    x, w = sample
    assume(0 < cut < x.size and w[:cut].sum() > 0 and w[cut:].sum() > 0)
    whole, joined = edf(x, w), mixture([edf(x[:cut], w[:cut]), edf(x[cut:], w[cut:])])
    assert set(joined.support) <= set(whole.support)
    np.testing.assert_allclose(joined(whole.support), whole.probabilities, atol=1e-14)


@given(samples(), st.floats(0.5, 0.99))
def test_bounds_enclose_the_estimate(sample, level):
    F = edf(*sample)
    for lower, upper in (F.band(level), F.interval(F.support, level)):
        assert (lower >= 0).all()
        assert (upper <= 1).all()
        assert (lower <= F.probabilities + 1e-12).all()
        assert (upper >= F.probabilities - 1e-12).all()
