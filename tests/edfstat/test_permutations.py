"""The permutation engine: draws are uniform with the right counts, and gaps are those of a plain cumulative sum."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from edfstat import ks_test, label_gaps, permutations
from edfstat.label_gaps import arrange, gap_finder


def layout_of(errors, codes, count_a, restrict=np.inf):
    errors, codes = np.asarray(errors, dtype=float), np.asarray(codes)
    return arrange(errors[:count_a], errors[count_a:], codes[:count_a], codes[count_a:], restrict)


def plain_gaps(labels, layout, weights, shares_a, shares_b):
    """Gaps of one assignment, by definition."""
    stratum = np.repeat(np.arange(layout.sizes.size), layout.sizes)
    steps = np.zeros(labels.size)
    for j in range(layout.sizes.size):
        for share, who in ((shares_a[j], labels), (-shares_b[j], ~labels)):
            inside = (stratum == j) & who
            if inside.any():
                steps[inside] += share * weights[inside] / weights[inside].sum()
    gap = np.cumsum(steps[layout.place])[layout.ends]
    return max(gap.max(initial=0), 0), max(-gap.min(initial=0), 0)


@pytest.fixture(params=["block by block", "in full"])
def way(request, monkeypatch):
    """Both ways to find gaps, of which the quicker one is chosen by how many blocks matter."""
    monkeypatch.setattr(label_gaps, "_CELL_COST", 0 if request.param == "block by block" else np.inf)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("restrict", [np.inf, 5.0])
@pytest.mark.parametrize(("n", "k"), [(40, 1), (900, 4), (4000, 25)])
@pytest.mark.usefixtures("way")
def test_gaps_are_those_of_the_definition(ties, restrict, n, k):
    rng = np.random.default_rng(n + k)
    errors = rng.gamma(5, 1, n)
    if ties:
        errors = np.where(rng.random(n) < 0.3, 4.0, errors.round(1))
    codes = np.append(np.arange(k), np.append(np.arange(k), rng.integers(0, k, n - 2 * k)))
    rng.shuffle(codes[2 * k :])
    layout, _ = layout_of(errors, np.append(codes[k : n // 2], np.append(codes[:k], codes[n // 2 :])), n // 2, restrict)
    shares_a, shares_b = rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k))
    labels = permutations.draw_labels(layout, 30, rng)
    for weights in (np.ones(n), rng.random(n)):
        found = gap_finder(layout, weights, shares_a, shares_b)(labels, None)
        for row, plus, minus in zip(labels, found.plus, found.minus, strict=True):
            assert (plus, minus) == pytest.approx(plain_gaps(row, layout, weights, shares_a, shares_b), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.usefixtures("way")
def test_thresholds_never_change_what_is_reached(ties):
    rng = np.random.default_rng(1)
    n, k = 3000, 10
    errors = rng.gamma(5, 1, n).round(1 if ties else 9)
    layout, _ = layout_of(errors, np.tile(np.arange(k), n // k), n // 2)
    share = np.full(k, 1 / k)
    find = gap_finder(layout, np.ones(n), share, share)
    labels = permutations.draw_labels(layout, 200, rng)
    exact = find(labels, None)
    for quantile in (0.05, 0.5, 0.95):
        thresholds = np.array([0.0, np.quantile(exact.plus, quantile), np.quantile(exact.minus, 1 - quantile)])
        thresholds[0] = thresholds.max()
        quick = permutations._reached(find(labels, thresholds), thresholds)
        assert (quick == permutations._reached(exact, thresholds)).all()
        assert 0 < quick.sum() < quick.size


def test_draws_keep_the_counts_of_every_stratum():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2, 3, 4], [1000, 2, 700, 50, 3])
    taken = np.concatenate([np.arange(3), [1000], np.arange(1002, 1700), np.arange(1702, 1752), []]).astype(int)
    rest = np.setdiff1d(np.arange(codes.size), taken)
    layout, _ = layout_of(rng.random(codes.size), codes[np.append(taken, rest)], taken.size)
    labels = permutations.draw_labels(layout, 100, rng)
    counts = np.add.reduceat(labels, layout.starts, axis=1, dtype=int)
    assert (counts == layout.moved).all()
    assert layout.moved.tolist() == [3, 1, 698, 50, 0]


@pytest.mark.parametrize(("size", "moved"), [(5, 1), (5, 2), (6, 3), (7, 6)])
def test_draws_are_uniform(size, moved):
    """Each subset comes equally often: chi-square at 1 in a million."""
    from scipy.stats import chi2

    layout, _ = layout_of(np.arange(size), np.zeros(size, dtype=int), moved)
    draws = 40_000
    labels = permutations.draw_labels(layout, draws, np.random.default_rng(size))
    keys = labels @ (1 << np.arange(size))
    subsets = [sum(1 << i for i in chosen) for chosen in itertools.combinations(range(size), moved)]
    counts = np.array([(keys == key).sum() for key in subsets])
    assert counts.sum() == draws
    expected = draws / len(subsets)
    assert ((counts - expected) ** 2 / expected).sum() < chi2.isf(1e-6, len(subsets) - 1)


def test_draws_of_a_large_stratum_are_exchangeable():
    """Every model and every pair of neighbours is labelled about equally often, whatever the byte threshold."""
    size, moved, draws = 300, 101, 4000
    layout, _ = layout_of(np.arange(size), np.zeros(size, dtype=int), moved)
    labels = permutations.draw_labels(layout, draws, np.random.default_rng(0))
    single = moved / size
    assert np.abs(labels.mean(axis=0) - single).max() < 5 * math.sqrt(single * (1 - single) / draws)
    pair = moved * (moved - 1) / (size * (size - 1))
    assert np.abs((labels[:, 1:] & labels[:, :-1]).mean(axis=0) - pair).max() < 5 * math.sqrt(pair * (1 - pair) / draws)


def test_all_assignments_come_once():
    layout, _ = layout_of(np.arange(7), [0, 0, 1, 0, 1, 1, 1], 3)
    labels = np.concatenate(list(permutations._all_labels(layout)))
    assert len(labels) == math.comb(3, 2) * math.comb(4, 1) == len({row.tobytes() for row in labels})
    assert permutations.count_assignments(layout.sizes, layout.moved) == 12


def test_counting_stops_just_above_the_limit():
    assert permutations.count_assignments(np.array([10**6]), np.array([5 * 10**5])) == permutations.ENUMERATED + 1
    assert permutations.count_assignments(np.array([20_000]), np.array([19_999])) == 20_000
    assert permutations.count_assignments(np.array([20_001]), np.array([1])) == permutations.ENUMERATED + 1


def test_slack_counts_equal_statistics():
    """.1 + .2 - .3 is not 0 in binary, but a statistic that differs so little is the same."""
    assert label_gaps.SLACK == 1e-12
    gaps = label_gaps.Gaps(np.array([0.3]), np.array([0.1]), np.array([True]))
    assert permutations._reached(gaps, np.array([0.1 + 0.2, 0.1 + 0.2, 0.3])).tolist() == [[True, True, False]]


def test_drawn_assignments_that_need_a_weighted_model_are_uniform_among_those_that_have_it():
    """Of the 6 ways in a stratum of 4, two weighted, 4 leave one to each sample; of 40 ways in one of 40, two do."""
    codes = np.repeat([0, 1], [4, 40])
    layout, _ = layout_of(np.arange(44.0), np.r_[0, 0, 1, np.delete(codes, [0, 1, 4])], 3)
    weighted = np.isin(np.arange(44), [0, 3, 9, 30])  # rows: stratum 0, then stratum 1
    needs = permutations.Needs(weighted, np.array([True, True]), np.array([True, True]))
    seen = []

    def find_gaps(labels, thresholds):
        seen.append(labels.copy())
        return label_gaps.Gaps(np.zeros(len(labels)), np.zeros(len(labels)), np.ones(len(labels), dtype=bool))

    rng = np.random.default_rng(3)
    permutations._sampled_tails(layout, find_gaps, np.zeros(3), 8000, rng, None, needs)
    labels = np.concatenate(seen)
    assert layout.moved.tolist() == [2, 1]
    assert (np.add.reduceat(labels, layout.starts, axis=1) == layout.moved).all()
    ways, counts = np.unique(labels, axis=0, return_counts=True)
    assert len(ways) == 8  # 4 times 2
    assert stats.chisquare(counts).pvalue > 1e-4


def test_many_strata_with_one_weighted_model_a_side_end():
    """One assignment in (3/2)^300 leaves a weight to both samples everywhere: waiting for one would never end."""
    rng = np.random.default_rng(0)
    strata, weights = np.repeat(np.arange(300), 2), np.tile([1.0, 0.0], 300)
    a, b = rng.normal(0, 1, 600), rng.normal(0, 1, 600)
    sides = {"weights_a": weights, "weights_b": weights, "strata_a": strata, "strata_b": strata}
    found = ks_test(a, b, **sides, n_resamples=499, method="permutation", rng=0)
    assert found.n_resamples == 499
    assert found.pvalue > 0.01
    assert ks_test(a, b + 3, **sides, n_resamples=499, method="permutation", rng=0).pvalue == 1 / 500
