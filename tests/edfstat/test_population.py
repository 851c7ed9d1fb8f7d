"""The data model refuses what it should, naming the variable and the models, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import edfstat
from edfstat import PopulationError, validate
from edfstat.joining import concat_populations
from edfstat.notes import notes_of
from edfstat.population import build_population


def population(error: Any = (5.0, 6.0), status: Any = ("ok", "ok"), **more: Any) -> xr.Dataset:
    count = len(error)
    coords = {"space": ("model", ["A"] * count), "status": ("model", list(status))}
    return xr.Dataset({"error": ("model", np.array(error)), **more}, coords=coords)


@pytest.mark.parametrize(
    "ds",
    [
        population(),
        population(error=[0, 100]),
        population(error=np.array([5.0, 6.0], dtype=np.float32)),
        population(error=[5.0, np.nan], status=["ok", "diverged"]),
        population(error=[5.0, np.nan], status=["ok", "lost"]),
        population(epochs=("model", [100, 100]), params=("model", [1, 2])),
        population(test_error=(("model", "epoch"), [[50.0, 5.0], [6.0, np.nan]])),
        population(anything_else=("model", ["x", "y"])),
    ],
)
def test_what_is_valid(ds: xr.Dataset) -> None:
    assert validate(ds) is None


@pytest.mark.parametrize(
    ("ds", "message"),
    [
        (population(error=[5.0, 100.5]), r"^error is outside 0 to 100 percent in 1 of 2 models: model 1 has 100.5$"),
        (population(error=[-1.0, 101.0]), r"in 2 of 2 models: model 0 has -1"),
        (population(error=[5.0, np.inf], status=["ok", "diverged"]), "model 1 has inf"),
        (population(error=[5.0, np.nan]), "^error is NaN though the status is ok in 1 of 2 models: model 1"),
        (population(status=["ok", "fine"]), "status is none of .* model 1 has fine"),
        (population(params=("model", [1, -1])), "params is negative in 1 of 2 models: model 1 has -1"),
        (population(params=("model", [1.0, 2.0])), "params has type float64; it should be int64"),
        (population(params=("other", [1, 2])), r"params has dimensions \('other',\)"),
        (population(test_error=(("model", "epoch"), [[5.0, 5.0], [6.0, 101.0]])), "test_error .* model 1 has 101"),
        (population().assign_coords(space=("model", np.array(["A", np.nan], object))), "space is no text in 1 of 2"),
        (population().assign_coords(space=("model", np.array([1, 2], object))), "space is no text in 2 of 2 models"),
        (population().drop_vars("error"), "needs 'error'"),
        (population().drop_vars("status"), "needs 'status'"),
        (population().isel(model=[]), "at least one entry"),
        (population().rename(model="network"), "dimension 'model'"),
        (population()["error"], "is an xarray Dataset; this is a DataArray"),
        ([5.0, 6.0], r"is an xarray Dataset; this is a list; make one by edfstat\.build_population"),
        (pd.DataFrame({"error": [5.0]}), r"this is a DataFrame; make one by edfstat\.load\(df\)"),
    ],
)
def test_what_is_refused(ds: Any, message: str) -> None:
    with pytest.raises(PopulationError, match=message):
        validate(ds)


def test_only_populations_must_lie_within_0_and_100() -> None:
    assert edfstat.edf([-5.0, 250.0])(0.0) == 0.5


def test_joined_populations_keep_what_only_some_have() -> None:
    first = build_population({
        "error": [5.0, 6.0], "space": ["A", "A"], "params": [10, 20], "seed": [1, 2], "lr": [0.1, 0.2],
        "whole": [1, 2], "text": np.array(["x", ""], dtype=object), "flag": [True, False],
        "both": [1, 2], "source": "a.csv",
    })  # fmt: skip
    second = build_population({
        "error": [7.0], "space": ["B"], "both": np.array(["y"], dtype=object), "source": "b.csv"
    })  # fmt: skip
    for order in ([first, second], [second, first]):
        joined = concat_populations(order).sortby("space")
        validate(joined)
        assert "params" not in joined.variables
        assert "seed" not in joined.variables
        assert notes_of(joined) == [
            "The models of b.csv have no params, so params is left out for all.",
            "The models of b.csv have no seed, so seed is left out for all.",
        ]
        np.testing.assert_array_equal(joined["lr"].values, [0.1, 0.2, np.nan])
        np.testing.assert_array_equal(joined["whole"].values, [1.0, 2.0, np.nan])
        np.testing.assert_array_equal(joined["flag"].values, [1.0, 0.0, np.nan])
        assert joined["text"].values.tolist() == ["x", "", ""]
        assert joined["both"].values.tolist() == ["1", "2", "y"]
    thrice = concat_populations([concat_populations([first, second]), second])
    assert notes_of(thrice) == notes_of(concat_populations([first, second]))
    assert notes_of(concat_populations([first, first])) == []


def test_a_note_is_in_the_warnings_of_a_comparison() -> None:
    first = build_population({"error": [5.0, 6.0, 7.0], "space": ["A"] * 3, "params": [10, 20, 30]})
    joined = concat_populations([first, build_population({"error": [7.0, 8.0, 9.0], "space": ["B"] * 3})])
    comparison = edfstat.compare(joined)
    assert "The models of B have no params, so params is left out for all." in comparison.attrs["warnings"]
    assert "notes" not in comparison.attrs


@pytest.mark.parametrize("notes", ["no JSON", 5, None, "{}", "[[1]]"])
def test_notes_of_another_program_are_no_notes(notes: Any) -> None:
    assert notes_of(population().assign_attrs(notes=notes)) in ([], ["[1]"])
