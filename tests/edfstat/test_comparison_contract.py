"""The frozen table of a comparison's variables, its own copy: names and dimensions that plots and users rely on."""

from pathlib import Path

import numpy as np
import pytest

from edfstat import compare
from edfstat.population import build_population

MG, MP = "measure group", "measure pair"
FROZEN = {
    "n": "group", "n_status": "group status", "used": MG, "outside": MG, "effective_n": MG, "max_weight": MG,
    "thin_bins": MG, "empty_bins": "measure", "imbalance": MG, "bins": "measure", "lower": "measure",
    "upper": "measure", "bin_lower": "measure bin", "bin_upper": "measure bin", "bin_count": f"{MG} bin",
    "bin_error": f"{MG} bin", "best": MG, "median": MG, "edf": f"{MG} support", "edf_lower": f"{MG} support",
    "edf_upper": f"{MG} support", "auc": MG, "auc_se": MG, "auc_lower": MG, "auc_upper": MG,
    "search_mean": f"{MG} m", "search_std": f"{MG} m", "search_quantile": f"{MG} m q", "search_support": f"{MG} m",
    "models_needed": f"{MG} target", "ks": MP, "ks_sign": MP, "ks_location": MP, "pvalue": MP, "pvalue_holm": MP,
    "ks_plus": MP, "pvalue_plus": MP, "ks_minus": MP, "pvalue_minus": MP, "dominance": MP, "wasserstein": MP,
    "auc_difference": MP, "auc_difference_lower": MP, "auc_difference_upper": MP, "search_win": f"{MP} m",
    "failed": "group", "imbalance_before": MG, "bin_quantile": f"{MG} bin q", "slot_lower": "measure slot",
    "slot_upper": "measure slot", "share_before": f"{MG} slot", "share_after": f"{MG} slot",
    "auc_curve": f"{MG} eps_value", "models_needed_lower": f"{MG} target", "models_needed_upper": f"{MG} target",
    "ks_expected": MG, "train_hours": MG, "ks_method": MP, "auc_difference_curve": f"{MP} eps_value",
    "auc_difference_curve_lower": f"{MP} eps_value", "auc_difference_curve_upper": f"{MP} eps_value",
    "search_tie": f"{MP} m", "sample_size": MP, "sensitivity_bins": "measure setting",
    "sensitivity_ks": f"{MP} setting", "sensitivity_auc_difference": f"{MP} setting",
    "sensitivity_auc_difference_lower": f"{MP} setting", "sensitivity_auc_difference_upper": f"{MP} setting",
    "top_error": "group rank", "top_params": "group rank", "top_flops": "group rank", "top_net": "group rank",
    "top_source": "group rank", "top_job": "group rank",
}  # fmt: skip
ATTRIBUTES = {"by", "error", "eps", "level", "spacing", "n_resamples", "models", "warnings"}


def population(spaces, with_complexity=True):
    count = 12 * len(spaces)
    columns = {
        "error": [5.0 + 0.1 * i for i in range(count)],
        "space": [spaces[i % len(spaces)] for i in range(count)],
    }
    if with_complexity:
        columns |= {"params": np.arange(count) + 1000, "flops": np.arange(count)[::-1] + 5000}
    return build_population(columns, {"origin": "made by hand"})


@pytest.mark.parametrize("spaces", [["A"], ["A", "B"], ["A", "B", "C"]])
@pytest.mark.parametrize("with_complexity", [True, False])
def test_names_and_dimensions_are_frozen(spaces, with_complexity):
    found = compare(population(spaces, with_complexity), rng=0)
    assert {name: " ".join(array.dims) for name, array in found.data_vars.items()} == FROZEN
    assert set(found.attrs) >= ATTRIBUTES
    assert found.attrs["origin"] == "made by hand"
    assert list(found["group"].values) == spaces
    assert found.sizes["pair"] == len(spaces) * (len(spaces) - 1) // 2
    assert found["measure"].values[0] == "none"
    for array in found.data_vars.values():
        assert array.attrs["long_name"]


def test_coordinates_are_frozen():
    found = compare(population(["A", "B"]), rng=0)
    assert list(zip(found["a"].values, found["b"].values, strict=True)) == [("A", "B")]
    assert list(found["q"].values) == [0.05, 0.5, 0.95]
    assert list(found["status"].values) == ["ok", "diverged", "oom", "timeout", "error", "lost"]
    assert list(found["m"].values) == [1, 2, 4, 8]
    assert {"target", "eps_value", "setting", "rank", "support"} <= set(found.coords)


def test_the_design_page_names_every_variable():
    page = (Path(__file__).resolve().parents[2] / "docs" / "design.md").read_text(encoding="utf-8")
    table = page[page.index("## The comparison") :]
    short = {
        f"{root}_{end}" for root in ("auc_difference_curve", "sensitivity_auc_difference") for end in ("lower", "upper")
    }
    assert [name for name in FROZEN if f"`{name}`" not in table and name not in short] == []


def test_it_can_be_saved_and_read_again(tmp_path):
    import xarray as xr

    found = compare(population(["A", "B"]), rng=0)
    found.to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    again = xr.load_dataset(tmp_path / "c.nc", engine="h5netcdf")
    xr.testing.assert_equal(found, again)
