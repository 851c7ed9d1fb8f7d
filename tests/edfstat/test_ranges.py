"""Parameter ranges and ranks against enumeration, the published formula and SciPy's ranks."""

import itertools

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from edfstat.errors import InputError
from edfstat.ranges import best_shares, parameter_range, range_pvalue
from edfstat.ranks import rank_map, relative_rank


def test_shares_match_enumeration_of_every_draw():
    errors = [3.0, 4.0, 4.0, 9.0]
    wins = np.zeros(4)
    for draw in itertools.product(range(4), repeat=3):
        best = min(errors[i] for i in draw)
        tied = [i for i in range(4) if errors[i] == best]
        # Tied models share by weight: each as likely, whichever of them was drawn.
        wins[tied] += 1 / len(tied)
    np.testing.assert_allclose(best_shares(errors, 3), wins / 64, rtol=1e-13)


def test_shares_follow_the_rank_law_and_hold_eight_effective_models():
    n, m = 400, 100
    r = np.arange(1, n + 1)
    law = ((n - r + 1) / n) ** m - ((n - r) / n) ** m
    found = parameter_range(r.astype(float), r, m)
    np.testing.assert_allclose(best_shares(r.astype(float), m), law, rtol=1e-9, atol=1e-15)
    assert found.attrs["effective_models"] == pytest.approx(8.0, abs=0.3)
    # The top 15 hold 97.5 %, and with the parameter being the rank that is the upper percentile.
    assert found.sel(level=0.975).item() == 15


def test_weights_equal_replication():
    rng = np.random.default_rng(0)
    errors, parameter, weights = rng.integers(0, 9, 12), rng.random(12), rng.integers(0, 4, 12)
    weights[0] = 1
    repeated = parameter_range(np.repeat(errors, weights), np.repeat(parameter, weights), 5)
    np.testing.assert_array_equal(parameter_range(errors, parameter, 5, weights=weights), repeated)


def test_range_agrees_with_drawing_as_published():
    rng = np.random.default_rng(3)
    errors, width = rng.normal(8, 1, 200), rng.choice([16, 32, 64, 128, 256], 200)
    best = [width[draw[np.argmin(errors[draw])]] for draw in rng.integers(0, 200, (20_000, 50))]
    found = parameter_range(errors, width, 50, levels=(0.2, 0.5, 0.8))
    exact = best_shares(errors, 50)
    for value in np.unique(width):
        share = exact[width == value].sum()
        # Five standard errors of 20,000 draws.
        assert np.mean(np.array(best) == value) == pytest.approx(share, abs=5 * np.sqrt(0.25 / 20_000))
    cumulated = {v: exact[width <= v].sum() for v in np.unique(width)}
    for level, value in zip((0.2, 0.5, 0.8), found.values, strict=True):
        assert value == min(v for v, share in cumulated.items() if share >= level)


def test_failed_models_are_left_out_and_counted():
    found = parameter_range([np.inf, 5.0, np.inf, np.inf], [1.0, 2.0, 3.0, 4.0], 2)
    assert found.values.tolist() == [2.0, 2.0, 2.0]
    assert found.attrs["failed"] == pytest.approx(9 / 16)
    with pytest.raises(InputError, match="every model of positive weight failed"):
        parameter_range([np.inf, 5.0], [1.0, 2.0], 2, weights=[1, 0])


def test_pvalue_is_uniform_enough_where_the_parameter_does_not_matter_and_small_where_it_does():
    rng = np.random.default_rng(4)
    null = [range_pvalue(rng.random(60), rng.random(60), 15, n_resamples=99, rng=rng) for _ in range(200)]
    # 200 trials at 10 %: below 4 and above 38 lie outside 99.9 %.
    assert 4 <= sum(p <= 0.1 for p in null) <= 38
    width = rng.random(60)
    assert range_pvalue(np.abs(width - 0.5), width, 15, rng=0) <= 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_draw": 0}, "n_draw is 0"),
        ({"n_draw": 1.5}, "n_draw is 1.5"),
        ({"parameter": [1.0, np.inf]}, r"parameter\[1\] is inf"),
        ({"parameter": [1.0]}, "parameter has 1 entries for 2 models"),
        ({"levels": 2}, "levels is"),
        ({"error": [np.nan, 1.0]}, "NaN"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(InputError, match=message):
        parameter_range(**({"error": [1.0, 2.0], "parameter": [1.0, 2.0], "n_draw": 1} | options))


def test_ranks_agree_with_scipy_within_every_group():
    rng = np.random.default_rng(7)
    errors, groups = rng.integers(0, 12, 200).astype(float), rng.choice(list("abc"), 200)
    errors[:9] = np.inf
    found = relative_rank(errors, groups)
    for group in "abc":
        inside = groups == group
        wanted = scipy.stats.rankdata(errors[inside]) / inside.sum()
        np.testing.assert_allclose(found[inside], wanted, rtol=1e-14)


def test_ranks_keep_labels():
    errors = xr.DataArray([7.0, 5.0], dims="model", coords={"space": ("model", ["a", "b"])})
    found = relative_rank(errors)
    assert found["space"].values.tolist() == ["a", "b"]
    assert found.values.tolist() == [1.0, 0.5]


def test_rank_map_counts_every_model_once_and_leaves_empty_cells_blank():
    rng = np.random.default_rng(8)
    rank, x, y = rng.random(300), 10 ** rng.uniform(-3, 0, 300), 10 ** rng.uniform(-5, -4, 300)
    cells = rank_map(rank, x, y, bins=(7, 5))
    counts, _, _ = np.histogram2d(np.log(y), np.log(x), [np.log(cells["y_edges"]), np.log(cells["x_edges"])])
    assert cells["count"].values.sum() == 300
    # The outermost edges are extreme models, which rounding of logarithms may put just outside NumPy's.
    assert np.abs(cells["count"].values - counts).sum() <= 4
    np.testing.assert_array_equal(np.isnan(cells["mean"]), cells["count"] == 0)
    assert np.nansum((cells["mean"] * cells["count"]).values) == pytest.approx(rank.sum())
    with pytest.raises(InputError, match="logarithmic cells need positive values"):
        rank_map(rank, x - 1, y)
