"""Columns of tables that hold more than numbers and texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edfstat
from edfstat.errors import FormatError


def test_lists_in_a_column_of_ours_are_refused_by_row(tmp_path: Path) -> None:
    pd.DataFrame({"error": [[9.0, 5.0], [8.0, 6.0]]}).to_parquet(tmp_path / "lists.parquet")
    with pytest.raises(FormatError, match=r"row 0, column 'error'.* cannot be read as a number"):
        edfstat.load(tmp_path / "lists.parquet")
    frame = pd.DataFrame({"error": [5.0, 6.0], "lr": [np.array([0.1, 0.2]), np.array([0.1, 0.3])]})
    with pytest.raises(FormatError, match=r"row 0, column 'lr'"):
        edfstat.load(frame)


def test_lists_of_settings_are_kept_as_text(tmp_path: Path) -> None:
    """Such as the widths of stages; lists of numbers with a point are curves."""
    pd.DataFrame({"error": [5.0, 6.0], "ws": [[16, 32], [8, 8]], "tags": [["a"], []]}).to_parquet(
        tmp_path / "w.parquet"
    )
    found = edfstat.load(tmp_path / "w.parquet")
    assert found["ws"].values.tolist() == ["[16, 32]", "[8, 8]"]
    assert found["tags"].values.tolist() == ['["a"]', "[]"]


def test_what_pandas_marks_as_missing_is_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"error": [5.0, None], "status": ["ok", "diverged"], "tag": ["a", None], "k": [1, None], "job_id": ["x", None]}
    ).convert_dtypes()
    assert frame["k"].dtype == "Int64"
    frame.to_parquet(tmp_path / "na.parquet")
    for found in (edfstat.load(frame), edfstat.load(tmp_path / "na.parquet")):
        assert found["tag"].values.tolist() == ["a", ""]
        assert found["job_id"].values.tolist() == ["x", ""]
        np.testing.assert_array_equal(found["k"].values.astype(float), [1, np.nan])
        np.testing.assert_array_equal(found["error"].values, [5, np.nan])


def test_a_state_that_is_no_state_of_runs_leaves_every_model() -> None:
    """Columns of that name may hold anything, numbers for instance."""
    for state in ([1, 0, 1], [1.0, 2.0, np.nan], ["NY", "COMPLETE", "CA"]):
        frame = pd.DataFrame({"number": [0, 1, 2], "value": [5.0, 6.0, 7.0], "state": state})
        found = edfstat.load(frame, columns={"error": "value"})
        assert found["error"].values.tolist() == [5, 6, 7]
        assert set(found["status"].values) == {"ok"}


def test_how_many_runs_had_not_ended_is_noted() -> None:
    frame = pd.DataFrame({"number": [0, 1], "value": [5.0, 6.0], "state": ["COMPLETE", "RUNNING"]})
    assert "1 of 2 runs of DataFrame had not ended, and are left out." in json.loads(edfstat.load(frame).attrs["notes"])


def test_accuracy_says_the_error_only_where_nothing_else_does() -> None:
    """Beside an error it is another measurement, such as one of the training images."""
    frame = pd.DataFrame({"accuracy": [93.0, 94.5]})
    assert edfstat.load(frame)["error"].values.tolist() == [7.0, 5.5]
    for name in ("error", "val_error"):
        found = edfstat.load(frame.assign(**{name: [6.0, 5.0]}))
        assert found["error"].values.tolist() == [6.0, 5.0]
        assert found["accuracy"].values.tolist() == [93.0, 94.5]
    for accuracy in ("accuracy", "mine"):
        found = edfstat.load(
            frame.rename(columns={"accuracy": accuracy}).assign(error=[6.0, 5.0]), columns={"accuracy": accuracy}
        )
        assert found["error"].values.tolist() == [7.0, 5.5]
    with pytest.raises(FormatError, match=r"row 0, column 'accuracy': 'high' cannot be read as a number"):
        edfstat.load(pd.DataFrame({"accuracy": ["high"]}))
