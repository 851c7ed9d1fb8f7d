"""Variance components against hand sums and statsmodels' mixed model."""

import json

import numpy as np
import pytest
import xarray as xr

from edfstat import InputError, PopulationError, reruns
from edfstat.population import build_population


def population(groups, **columns):
    errors = np.concatenate(groups)
    nets = [json.dumps({"d": i}) for i, group in enumerate(groups) for _ in group]
    return build_population({"error": errors, "net": nets, **columns})


def test_balanced_by_hand():
    """Means 2, 4, 9; MSW = (2 + 2 + 2)/3 = 2; MSB = 2 (9 + 1 + 16)/2 = 26; va = 12, ICC = 6/7, R = 2: 12/13."""
    found = reruns(population([[1.0, 3.0], [3.0, 5.0], [8.0, 10.0]]))
    assert float(found.var_seed) == pytest.approx(2.0)
    assert float(found.var_architecture) == pytest.approx(12.0)
    assert float(found.icc) == pytest.approx(6 / 7)
    assert float(found.reliability) == pytest.approx(12 / 13)
    assert found.mean_error.values.tolist() == [2.0, 4.0, 9.0]
    assert found.std_error.values.tolist() == pytest.approx([np.sqrt(2)] * 3)
    assert found.attrs["method"] == "anova"
    assert found.attrs["note"] == ""


def test_shrunken_errors_have_the_variance_of_the_architectures():
    found = reruns(population([[1.0, 3.0], [3.0, 5.0], [8.0, 10.0]]))
    assert found.shrunken_error.var(ddof=1).item() == pytest.approx(float(found.var_architecture))
    assert found.shrunken_error.mean().item() == pytest.approx(5.0)


def test_negative_variance_is_zero_and_said():
    """Equal means, so MSB = 0 < MSW."""
    found = reruns(population([[1.0, 3.0], [0.0, 4.0]]))
    assert float(found.var_architecture) == 0.0
    assert float(found.icc) == 0.0
    assert float(found.var_seed) == pytest.approx(5.0)
    assert "negative" in found.attrs["note"]


@pytest.mark.parametrize("seed", range(4))
def test_unbalanced_agrees_with_statsmodels(seed):
    from statsmodels.regression.mixed_linear_model import MixedLM

    rng = np.random.default_rng(seed)
    groups = [rng.normal(rng.normal(6, 0.8), 0.4, size) for size in rng.integers(1, 6, 25)]
    codes = np.repeat(np.arange(25), [len(group) for group in groups])
    found = reruns(population(groups))
    fit = MixedLM(np.concatenate(groups), np.ones((codes.size, 1)), codes).fit(reml=True)
    assert found.attrs["method"] == "reml"
    assert float(found.var_seed) == pytest.approx(fit.scale, rel=1e-3)
    assert float(found.var_architecture) == pytest.approx(np.asarray(fit.cov_re).item(), rel=2e-3)
    assert float(found["mean"]) == pytest.approx(np.asarray(fit.fe_params).item(), rel=1e-5)


def test_restricted_likelihood_agrees_with_anova_when_balanced():
    from edfstat.rerun_variance import _anova, _reml, _summarise

    values = np.random.default_rng(0).normal(np.repeat(np.arange(8.0), 3), 0.7)
    groups = _summarise(values, np.repeat(np.arange(8), 3), 8)
    exact, found = _anova(groups), _reml(groups)
    assert found.between == pytest.approx(exact.between, rel=1e-6)
    assert found.within == pytest.approx(exact.within, rel=1e-6)


def test_unbalanced_negative_variance_is_zero_and_said():
    found = reruns(population([[1.0, 3.0], [0.0, 4.0], [1.9, 2.0, 2.1]]))
    assert float(found.var_architecture) == 0.0
    assert "negative" in found.attrs["note"]
    # At 0 all runs are one sample around 2, of variance (1 + 1 + 4 + 4 + .01 + 0 + .01) / 6.
    assert float(found.var_seed) == pytest.approx(10.02 / 6)


def test_key_order_does_not_matter_but_settings_do():
    nets = ['{"a": 1, "b": {"c": 2, "d": 3}}', '{"b": {"d": 3, "c": 2}, "a": 1}', '{"a": 1, "b": {"c": 2, "d": 3}}']
    found = reruns(build_population({"error": [1.0, 2.0, 9.0], "net": nets, "lr": [0.1, 0.1, 0.2]}))
    assert found.runs.values.tolist() == [2, 1]
    same = reruns(build_population({"error": [1.0, 2.0, 9.0], "net": nets, "lr": [np.nan] * 3}))
    assert same.runs.values.tolist() == [3]


def test_failed_runs_and_accidents_are_counted():
    found = reruns(
        build_population(
            {
                "error": [1.0, 3.0, np.nan, 5.0, 7.0, 50.0],
                "net": ["a", "a", "a", "b", "b", "b"],
                "status": ["ok", "ok", "diverged", "ok", "ok", "timeout"],
            }
        )
    )
    assert (int(found.failed), int(found.accidents)) == (1, 1)
    assert found.runs.values.tolist() == [2, 2]
    assert found.mean_error.values.tolist() == [2.0, 6.0]


def test_runs_of_unknown_nets_are_no_trainings_of_one_model():
    """Beside two nets trained twice, by hand: MSW (2 + 2) / 2, MSB 2 (2^2 + 2^2) / 1, so va = (16 - 2) / 2."""
    found = reruns(build_population({"error": [1.0, 90.0, 3.0, 5.0, 2.0, 7.0], "net": ["a", "", "a", "b", "", "b"]}))
    assert found["net"].values.tolist() == ["a", "b"]
    assert int(found.without_net) == 2
    assert (float(found.var_seed), float(found.var_architecture)) == (2.0, 7.0)


def test_a_table_without_status_or_with_missing_nets_will_do():
    """Runs 1 and 3 of a: variance 2; the net of 9 is not known."""
    found = reruns(xr.Dataset({"error": ("model", [1.0, 3.0, 5.0, 9.0]), "net": ("model", ["a", "a", "b", None])}))
    assert float(found.var_seed) == pytest.approx(2.0)
    assert (int(found.accidents), int(found.without_net)) == (0, 1)


def test_what_cannot_be_known_is_nan_with_a_reason():
    single = reruns(population([[1.0], [2.0], [4.0]]))
    assert np.isnan(single.var_seed)
    assert np.isnan(single.icc)
    assert "no model was trained twice" in single.attrs["note"]
    one = reruns(population([[1.0, 3.0]]))
    assert float(one.var_seed) == pytest.approx(2.0)
    assert np.isnan(one.var_architecture)
    assert "one model only" in one.attrs["note"]
    constant = reruns(population([[2.0, 2.0], [2.0, 2.0]]))
    assert float(constant.var_seed) == 0.0
    assert np.isnan(constant.icc)
    assert "all errors are equal" in constant.attrs["note"]


def test_reruns_without_noise():
    found = reruns(population([[2.0, 2.0], [3.0], [4.0, 4.0, 4.0]]))
    assert float(found.var_seed) == 0.0
    assert float(found.icc) == 1.0
    assert float(found.var_architecture) == pytest.approx(1.0)


def test_refusals():
    with pytest.raises(PopulationError, match="this population has none"):
        reruns(build_population({"error": [1.0, 2.0]}))
    with pytest.raises(InputError, match="error is 'loss'"):
        reruns(population([[1.0, 2.0]]), error="loss")
    with pytest.raises(PopulationError, match="no run with a net has a finite error"):
        reruns(build_population({"error": [np.nan], "net": ["a"], "status": ["diverged"]}))
