"""The variables of a comparison: dimensions, unit and meaning. docs/design.md holds the same table."""

from __future__ import annotations

from typing import Any, NamedTuple

import xarray as xr

__all__ = ["COMPARISON_VARIABLES", "Columns", "ComparisonVariable", "label_variables"]

#: Variables of a comparison in the making: dimensions and values by name.
Columns = dict[str, tuple[tuple[str, ...], Any]]


class ComparisonVariable(NamedTuple):
    """What one variable of a comparison is."""

    dims: tuple[str, ...]
    units: str
    long_name: str


_G, _MG, _MGM, _MP = ("group",), ("measure", "group"), ("measure", "group", "m"), ("measure", "pair")
_MGS, _MGB, _MB = ("measure", "group", "support"), ("measure", "group", "bin"), ("measure", "bin")
_MGH, _MGE, _MPE = ("measure", "group", "slot"), ("measure", "group", "eps_value"), ("measure", "pair", "eps_value")
_MPS, _MPM, _GR = ("measure", "pair", "setting"), ("measure", "pair", "m"), ("group", "rank")
_SHARE, _COUNT, _ERROR = "1", "models", "percent"

_ROWS: list[tuple[str, tuple[str, ...], str, str]] = [
    ("n", _G, _COUNT, "models of the group that count (ok and diverged)"),
    ("n_status", ("group", "status"), _COUNT, "models by how their run ended"),
    ("failed", _G, _COUNT, "models that count but reached no finite error"),
    ("used", _MG, _COUNT, "models with a positive weight"),
    ("outside", _MG, _COUNT, "models outside the compared range of complexity"),
    ("effective_n", _MG, _COUNT, "effective number of models, (sum w)^2 / sum w^2"),
    ("max_weight", _MG, _SHARE, "largest share of one model"),
    ("thin_bins", _MG, "bins", "bins used with fewer than 10 models"),
    ("empty_bins", ("measure",), "bins", "bins dropped because some group has no model there"),
    ("imbalance", _MG, "standard deviations", "residual difference of log complexity from all groups"),
    ("imbalance_before", _MG, "standard deviations", "the same without weights, over all models"),
    ("bins", ("measure",), "bins", "bins used"),
    ("lower", ("measure",), "complexity", "lower end of the compared range"),
    ("upper", ("measure",), "complexity", "upper end of the compared range"),
    ("bin_lower", _MB, "complexity", "lower edge of the bin"),
    ("bin_upper", _MB, "complexity", "upper edge of the bin"),
    ("bin_count", _MGB, _COUNT, "models in the bin"),
    ("bin_error", _MGB, _ERROR, "mean error of the models in the bin that reached one"),
    ("bin_quantile", (*_MGB, "q"), _ERROR, "quantiles of the error of the models in the bin"),
    ("slot_lower", ("measure", "slot"), "complexity", "lower edge of the histogram interval"),
    ("slot_upper", ("measure", "slot"), "complexity", "upper edge of the histogram interval"),
    ("share_before", _MGH, _SHARE, "share of the group's models in the interval"),
    ("share_after", _MGH, _SHARE, "share of the group's weight in the interval"),
    ("best", _MG, _ERROR, "lowest error"),
    ("median", _MG, _ERROR, "weighted median error"),
    ("edf", _MGS, _SHARE, "weighted share of models with at most this error"),
    ("edf_lower", _MGS, _SHARE, "lower end of the simultaneous band of the EDF"),
    ("edf_upper", _MGS, _SHARE, "upper end of the simultaneous band of the EDF"),
    ("auc", _MG, _SHARE, "area under the EDF up to eps"),
    ("auc_se", _MG, _SHARE, "standard error of the area"),
    ("auc_lower", _MG, _SHARE, "lower end of the interval of the area"),
    ("auc_upper", _MG, _SHARE, "upper end of the interval of the area"),
    ("auc_curve", _MGE, _SHARE, "area under the EDF up to each eps"),
    ("search_mean", _MGM, _ERROR, "mean error of the best of m random draws"),
    ("search_std", _MGM, _ERROR, "standard deviation of the error of the best of m random draws"),
    ("search_quantile", (*_MGM, "q"), _ERROR, "quantiles of the error of the best of m random draws"),
    ("search_support", _MGM, _COUNT, "effective number of models behind the best of m"),
    ("models_needed", (*_MG, "target"), "draws", "random draws that reach the target error with 95 % probability"),
    ("models_needed_lower", (*_MG, "target"), "draws", "lower end of the interval of the draws needed"),
    ("models_needed_upper", (*_MG, "target"), "draws", "upper end of the interval of the draws needed"),
    ("train_hours", _MG, "h", "mean time to train one model on one device, where known"),
    ("ks_expected", _MG, _SHARE, "KS distance of a sample this large from its own law, on average"),
    ("ks", _MP, _SHARE, "two-sample KS statistic"),
    ("ks_sign", _MP, "", "+1 where the EDF of a lies above at the largest gap, -1 where that of b does"),
    ("ks_location", _MP, _ERROR, "an error at which the largest gap is reached"),
    ("pvalue", _MP, _SHARE, "p-value of the two-sided KS test"),
    ("pvalue_holm", _MP, _SHARE, "the same, Holm-adjusted over the pairs of the measure"),
    ("ks_method", _MP, "", "how the p-value was found"),
    ("ks_plus", _MP, _SHARE, "largest excess of the EDF of a over that of b"),
    ("pvalue_plus", _MP, _SHARE, "p-value of it: a has more low-error models"),
    ("ks_minus", _MP, _SHARE, "largest excess of the EDF of b over that of a"),
    ("pvalue_minus", _MP, _SHARE, "p-value of it: b has more low-error models"),
    ("dominance", _MP, "", "a or b where that one lies above wherever the EDFs demonstrably differ, else empty"),
    ("wasserstein", _MP, "error points", "area between the two EDFs"),
    ("auc_difference", _MP, _SHARE, "area of a minus area of b"),
    ("auc_difference_lower", _MP, _SHARE, "lower end of the interval of the difference"),
    ("auc_difference_upper", _MP, _SHARE, "upper end of the interval of the difference"),
    ("auc_difference_curve", _MPE, _SHARE, "area of a minus area of b, up to each eps"),
    ("auc_difference_curve_lower", _MPE, _SHARE, "lower end of its interval, pointwise"),
    ("auc_difference_curve_upper", _MPE, _SHARE, "upper end of its interval, pointwise"),
    ("search_win", _MPM, _SHARE, "chance that the best of m of a is lower than that of b"),
    ("search_tie", _MPM, _SHARE, "chance that the two are equal"),
    (
        "sample_size",
        _MP,
        _COUNT,
        "models per group that show a KS distance as seen among so many pairs, with power 0.8",
    ),
    ("sensitivity_bins", ("measure", "setting"), "bins", "bins used under the setting"),
    ("sensitivity_ks", _MPS, _SHARE, "KS statistic under other bins"),
    ("sensitivity_auc_difference", _MPS, _SHARE, "AUC difference under other bins"),
    ("sensitivity_auc_difference_lower", _MPS, _SHARE, "lower end of its interval"),
    ("sensitivity_auc_difference_upper", _MPS, _SHARE, "upper end of its interval"),
    ("top_error", _GR, _ERROR, "error of the group's best models, over all complexities"),
    ("top_params", _GR, "1", "their trainable parameters"),
    ("top_flops", _GR, "1", "their operations of one forward pass"),
    ("top_net", _GR, "", "their architecture as JSON text"),
    ("top_source", _GR, "", "file that they were read from"),
    ("top_job", _GR, "", "identifier of their runs"),
]

#: Every variable that `compare` returns.
COMPARISON_VARIABLES: dict[str, ComparisonVariable] = {
    name: ComparisonVariable(dims, units, long_name) for name, dims, units, long_name in _ROWS
}


def label_variables(comparison: xr.Dataset) -> xr.Dataset:
    """The comparison with unit and meaning on every variable."""
    for name, array in comparison.data_vars.items():
        known = COMPARISON_VARIABLES[str(name)]
        array.attrs["long_name"] = known.long_name
        if known.units:
            array.attrs["units"] = known.units
    return comparison
