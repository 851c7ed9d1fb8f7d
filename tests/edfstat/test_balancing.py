"""Entropy balancing against SciPy's constrained optimiser and a closed form."""

import numpy as np
import pytest
import xarray as xr

from edfstat import InputError, PopulationError, balance_weights


def moments(w, x, groups):
    return np.array([w[groups == g] @ x[groups == g] for g in np.unique(groups)])


def test_weighted_means_are_those_of_all_models():
    rng = np.random.default_rng(21)
    groups = np.repeat(["a", "b", "c"], [100, 200, 300])
    logs = rng.normal(size=(600, 2)) + np.where(groups == "a", 0.5, 0)[:, None]
    x = np.column_stack([logs, logs**2])
    w = balance_weights(x, groups)
    np.testing.assert_allclose(moments(w, x, groups), np.tile(x.mean(axis=0), (3, 1)), atol=1e-10)
    assert (w > 0).all()
    np.testing.assert_allclose([w[groups == g].sum() for g in "abc"], 1)


def test_two_values_in_closed_form():
    """Models at 0, 0, 1 and target mean 1/2: half the weight at 1."""
    w = balance_weights([0.0, 0.0, 1.0], [0, 0, 0], target=[0.5])
    np.testing.assert_allclose(w, [0.25, 0.25, 0.5], rtol=1e-12)


def test_weights_have_the_largest_entropy():
    from scipy.optimize import minimize

    rng = np.random.default_rng(22)
    x = rng.random(12)
    w = balance_weights(x, np.zeros(12), target=[0.6])
    constraints = [{"type": "eq", "fun": lambda v: v.sum() - 1}, {"type": "eq", "fun": lambda v: v @ x - 0.6}]
    best = minimize(
        lambda v: np.sum(v * np.log(v)),
        np.full(12, 1 / 12),
        bounds=[(1e-9, 1)] * 12,
        constraints=constraints,
        tol=1e-12,
    )
    np.testing.assert_allclose(w, best.x, atol=1e-5)


def test_targets_and_labels():
    x = xr.DataArray([1.0, 2.0, 4.0, 2.0, 3.0, 3.5], dims="net", coords={"net": list("uvwxyz")})
    groups = np.array(list("aaabbb"))
    w = balance_weights(x, groups, target="a")
    assert w.dims == ("net",)
    assert w["net"].values.tolist() == list("uvwxyz")
    np.testing.assert_allclose(w.values[:3], 1 / 3)
    np.testing.assert_allclose(w.values[3:] @ x.values[3:], 7 / 3)


def test_scale_and_shift_of_covariates_do_not_matter():
    rng = np.random.default_rng(23)
    x, groups = rng.random((80, 2)), rng.integers(0, 2, 80)
    np.testing.assert_allclose(
        balance_weights(x, groups), balance_weights(x * [1e9, 1e-6] + [1e10, 5], groups), rtol=1e-5
    )


def test_collinear_and_constant_covariates():
    rng = np.random.default_rng(24)
    x, groups = rng.random(80), np.repeat([0, 1], 40)
    np.testing.assert_allclose(
        balance_weights(np.column_stack([x, 2 * x, np.ones(80)]), groups), balance_weights(x, groups), rtol=1e-6
    )


def test_outside_the_hull_is_an_error():
    with pytest.raises(PopulationError, match="group low cannot be balanced: no positive weights of its 2 models"):
        balance_weights([0.0, 1.0, 9.0, 10.0], ["low", "low", "top", "top"])


@pytest.mark.parametrize(
    ("covariates", "options", "message"),
    [
        ([1.0, np.nan], {}, r"covariates\[1\] is \[?nan"),
        ([], {}, r"covariates has shape \(0,\)"),
        ([1.0, 2.0], {"target": [1, 2]}, "give 1 finite means"),
        ([1.0, 2.0], {"target": "c"}, "target is 'c'"),
    ],
)
def test_bad_input(covariates, options, message):
    with pytest.raises(InputError, match=message):
        balance_weights(covariates, ["a", "a"], **options)
