"""Exports of other programs, written here by hand in their form."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edfstat
from edfstat.errors import FormatError, InputError
from edfstat.notes import notes_of


def test_pycls_sweep(tmp_path: Path) -> None:
    job = {
        "cfg": {"OPTIM": {"BASE_LR": 0.1, "WEIGHT_DECAY": 5e-5, "MAX_EPOCH": 3}, "TRAIN": {"DATASET": "imagenet"},
                "RNG_SEED": 4, "REGNET": {"DEPTH": 12}},
        "complexity": {"params": 5_000_000, "flops": 400_000_000, "acts": 7_000_000},
        "test_epoch": {"epoch_ind": [1, 2, 3], "top1_err": [40.0, 30.0, 31.0], "min_top1_err": [40.0, 30.0, 30.0]},
        "test_ema_epoch": {"min_top1_err": [39.0, 29.0, 28.5]},
        "train_epoch": {"loss": [3.0, 2.0, 1.0], "top1_err": [50.0, 40.0, 35.0]},
        "log_file": "logs/001/stdout.log", "err_file": "", "err": "",
    }  # fmt: skip
    started = {"log_file": "logs/002/stdout.log", "err": "killed", "cfg": job["cfg"], "complexity": job["complexity"]}
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps([job, started], sort_keys=True))
    ds = edfstat.load(path, curves=True, space="RegNet")
    assert ds["error"].values[0] == 30.0
    assert ds["final_error"].values[0] == 31.0
    assert ds["ema_error"].values[0] == 28.5
    assert ds["status"].values.tolist() == ["ok", "lost"]
    assert ds["acts"].values[0] == 7_000_000
    assert ds["test_error"].values[0].tolist() == [40.0, 30.0, 31.0]
    assert json.loads(ds["net"].values[0]) == {"REGNET": {"DEPTH": 12}}


def test_a_pycls_run_killed_between_training_and_testing(tmp_path: Path) -> None:
    """Its curves differ in length; where all runs are like it, none is of the longest."""
    entry = {
        "log_file": "a",
        "train_epoch": {"loss": [2.0, 1.5], "top1_err": [60.0, 50.0]},
        "test_epoch": {"top1_err": [55.0]},
    }
    (tmp_path / "sweep.json").write_text(json.dumps([entry]))
    ds = edfstat.load(tmp_path / "sweep.json", curves=True)
    assert ds["train_loss"].values.tolist() == [[2.0, 1.5]]
    np.testing.assert_array_equal(ds["test_error"].values, [[55.0, np.nan]])


def test_wandb_json(tmp_path: Path) -> None:
    runs = [
        {
            "id": "a",
            "state": "finished",
            "config": {"lr": {"value": 0.1}, "_wandb": {}},
            "summary": {"err": 7.5, "params": 10},
        },
        {"id": "b", "state": "crashed", "config": {"lr": {"value": 0.2}}, "summary": {"params": 20}},
        {"id": "c", "state": "running", "config": {}, "summary": {}},
    ]
    path = tmp_path / "runs.json"
    path.write_text(json.dumps(runs))
    ds = edfstat.load(path, columns={"error": "err"})
    assert ds["job_id"].values.tolist() == ["a", "b"]
    assert ds["status"].values.tolist() == ["ok", "error"]
    assert ds["lr"].values.tolist() == [0.1, 0.2]


def stored_study(path: Path) -> Path:
    """What Optuna keeps of a study of three trials."""
    with sqlite3.connect(path) as base:
        base.executescript("""
            CREATE TABLE studies (study_id INTEGER, study_name TEXT);
            CREATE TABLE trials (trial_id INTEGER, number INTEGER, study_id INTEGER, state TEXT);
            CREATE TABLE trial_values (trial_id INTEGER, objective INTEGER, value REAL);
            CREATE TABLE trial_user_attributes (trial_id INTEGER, key TEXT, value_json TEXT);
            CREATE TABLE trial_params (trial_id INTEGER, param_name TEXT, param_value REAL, distribution_json TEXT);
            INSERT INTO studies VALUES (1, 'wide');
            INSERT INTO trials VALUES (1, 0, 1, 'COMPLETE'), (2, 1, 1, 'FAIL'), (3, 2, 1, 'RUNNING');
            INSERT INTO trial_values VALUES (1, 0, 8.25);
            INSERT INTO trial_user_attributes VALUES (1, 'params', '1000'), (2, 'params', '2000');
            INSERT INTO trial_params VALUES
                (1, 'block', 1, '{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "b"]}}'),
                (1, 'depth', 4, '{"name": "IntDistribution", "attributes": {}}'),
                (1, 'epochs', 20, '{"name": "IntDistribution", "attributes": {}}'),
                (2, 'epochs', 10, '{"name": "IntDistribution", "attributes": {}}');
        """)
    base.close()
    return path


@pytest.mark.parametrize(
    "damage",
    [
        """trial_params SET distribution_json = '{"name"'""",
        """trial_params SET distribution_json = '{"name": "CategoricalDistribution"}'""",
        "trial_params SET distribution_json = '[]'",
        "trial_params SET distribution_json = NULL",
        "trial_params SET param_value = 7",
        "trial_params SET param_value = 9e999",
        "trial_user_attributes SET value_json = 'x'",
        "trials SET study_id = 5",
    ],
)
def test_a_damaged_storage_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = stored_study(tmp_path / "study.db")
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(f"UPDATE {damage}")
    with pytest.raises(FormatError, match=r"study\.db is no Optuna storage \(.*\); give the file"):
        edfstat.load(path)


def test_optuna_storage_and_json(tmp_path: Path) -> None:
    path = stored_study(tmp_path / "study.db")
    ds = edfstat.load(f"sqlite:///{path}")
    assert ds["error"].values[0] == 8.25
    assert ds["status"].values.tolist() == ["ok", "error"]
    assert json.loads(ds["net"].values[0]) == {"block": "b", "depth": 4, "epochs": 20}
    assert ds["epochs"].values.tolist() == [20.0, 10.0]  # as of an export of the same study
    assert ds["params"].values.tolist() == [1000, 2000]
    assert set(ds["space"].values) == {"wide"}
    exported = tmp_path / "trials.json"
    exported.write_text(json.dumps([{"number": 0, "state": "COMPLETE", "values": [8.25], "params": {"depth": 4}}]))
    assert edfstat.load(exported)["error"].values.tolist() == [8.25]


def test_optuna_trials_that_did_not_end_are_told_apart(tmp_path: Path) -> None:
    states = ["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING", "TrialState.COMPLETE", 0, 1, 2, 3, 4]
    trials = [{"number": i, "state": state, "values": [8.0]} for i, state in enumerate(states)]
    path = tmp_path / "trials.json"
    path.write_text(json.dumps(trials))
    ds = edfstat.load(path)
    assert dict(zip(ds["job_id"].values.tolist(), ds["status"].values.tolist(), strict=True)) == {
        "0": "ok", "1": "lost", "2": "error", "5": "ok", "7": "ok", "8": "lost", "9": "error",
    }  # fmt: skip


def test_rows_left_out_are_named_as_they_stand_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("error,params\n5,10\n6\n7,\n8,9\n200,9\n")
    with pytest.raises(FormatError, match="row 1 has 1 fields for 2 columns"):
        edfstat.load(path)
    ds = edfstat.load(path, errors="skip")
    assert ds["error"].values.tolist() == [5.0, 8.0]
    said = json.loads(ds.attrs["skipped_jobs"])
    assert ["row 1 has" in said[0], "row 4, column 'error'" in said[1], "row 2, column 'params'" in said[2]] == [
        True
    ] * 3


def test_no_other_data_base() -> None:
    with pytest.raises(InputError, match="no SQLite storage"):
        edfstat.load("mysql://host/base")


def test_tables(tmp_path: Path) -> None:
    frame = pd.DataFrame({"val_acc": [90.0, 80.5], "n_params": [10, 20], "who": ["x", "y"]})
    ds = edfstat.load(frame, columns={"accuracy": "val_acc"}, space="S")
    assert ds["error"].values.tolist() == [10.0, 19.5]
    assert ds["params"].values.tolist() == [10, 20]
    assert ds["who"].values.tolist() == ["x", "y"]
    path = tmp_path / "runs.csv"
    path.write_text("err,params\n7.5,10\n-3,20\n6.5,many\n")
    with pytest.raises(FormatError, match="row 2, column 'params'"):
        edfstat.load(path)
    kept = edfstat.load(path, errors="skip")
    assert kept["error"].values.tolist() == [7.5]
    assert kept.attrs["skipped"] == 2
    path.write_text("a,b\n1,2\n")
    with pytest.raises(FormatError, match="no column of errors"):
        edfstat.load(path)
    with pytest.raises(FormatError, match="fractions"):
        edfstat.load(pd.DataFrame({"acc": [0.9, 0.8]}))


@pytest.mark.parametrize("error", ["nan", "", "inf"])
def test_a_training_that_failed_is_not_advised_away(tmp_path: Path, error: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(f"space,error\nA,{error}\nA,5\n")
    with pytest.raises(FormatError, match=r"row 0, column 'error': .*if the training failed, .*status \(diverged\)"):
        edfstat.load(path)
    path.write_text("space,error,status\nA,,diverged\nA,5,\n")  # as it says
    assert edfstat.load(path)["status"].values.tolist() == ["diverged", "ok"]
    path.write_text("space,error\nA,-1\n")
    with pytest.raises(FormatError, match=r"\(0 to 100\); correct it"):
        edfstat.load(path)


@pytest.mark.parametrize(
    "dtype", ["int8", "int64", "uint8", "uint64", "float16", "float32", "float64", "Int64", "object"]
)
def test_tables_of_every_type_of_number(dtype: str) -> None:
    frame = pd.DataFrame({name: [7, 3, 5] for name in ("error", "params", "lr", "other")}).astype(dtype)
    frame["status"] = pd.Series(["", "ok", "diverged"], dtype=object)
    before = frame.copy()
    ds = edfstat.load(frame)
    for name in ("error", "params", "lr", "other"):
        assert ds[name].values.tolist() == [7, 3, 5]
    assert [ds[name].dtype for name in ("error", "params", "lr")] == [float, int, float]
    assert ds["other"].dtype == (int if dtype in ("Int64", "object") else np.dtype(dtype))
    ds["error"].values[0], ds["params"].values[0] = 50.0, 9
    pd.testing.assert_frame_equal(frame, before)  # what is loaded is a copy, statuses filled in or not


@pytest.mark.parametrize(
    ("params", "dtype"),
    [
        ([1.0, 2.5, 4.0], "float64"), ([1.0, float("inf"), 4.0], "float64"), ([1, 2**63, 4], "uint64"),
        ([1.0, 2.0**63, 4.0], "float64"), (["1", "inf", "4"], "object"), (["1", "1e400", "4"], "object"),
        ([1.0, float("nan"), 4.0], "float64"), ([1, None, 4], "Int64"),
    ],
)  # fmt: skip
def test_a_number_that_is_no_count_is_named_by_its_row(params: list[object], dtype: str) -> None:
    frame = pd.DataFrame({"error": [5.0, 6.0, 7.0], "params": pd.Series(params, dtype=dtype)})
    with pytest.raises(FormatError, match=r"row 1, column 'params': .*(cannot be read|missing)"):
        edfstat.load(frame)
    assert edfstat.load(frame, errors="skip")["params"].values.tolist() == [1, 4]


@pytest.mark.parametrize("block", [1, 2, 3, 256])
def test_rows_are_counted_alike_however_a_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("edfstat.formats.csv_files.BLOCK", block)
    path = tmp_path / "runs.csv"
    path.write_text('\nerror,job_id\n\n1,a\n2\n\n\n3,"c\nc"\n4,d,d\n5,e\n-6,f\n7,g\n')
    ds = edfstat.load(path, errors="skip")
    assert ds["error"].values.tolist() == [1, 3, 5, 7]
    assert ds["job_id"].values.tolist() == ["a", "c\nc", "e", "g"]
    said = json.loads(ds.attrs["skipped_jobs"])
    assert [text.split(": ")[1].split(",")[0].split(" has")[0] for text in said] == ["row 1", "row 3", "row 5"]


OPTUNA = """,number,value,datetime_start,params_lr,state
0,0,5.1,2024-01-01 00:00:00,0.1,COMPLETE
1,1,6.2,2024-01-01 00:00:00,0.1,COMPLETE
2,2,55.0,2024-01-01 00:00:00,0.1,PRUNED
3,3,,2024-01-01 00:00:00,0.1,FAIL
4,4,,2024-01-01 00:00:00,0.1,RUNNING
5,5,,2024-01-01 00:00:00,0.1,COMPLETE
"""


def test_a_study_as_csv_is_read_as_its_json_is(tmp_path: Path) -> None:
    csv, json_file = tmp_path / "study.csv", tmp_path / "study.json"
    csv.write_text(OPTUNA)
    values = [5.1, 6.2, 55.0, None, None, None]
    states = [line.rsplit(",", 1)[1] for line in OPTUNA.splitlines()[1:]]
    trials = [{"number": i, "value": v, "state": s} for i, (v, s) in enumerate(zip(values, states, strict=True))]
    json_file.write_text(json.dumps(trials))
    table = pd.read_csv(csv)
    for given in (csv, json_file, table, table.assign(state="TrialState." + table["state"])):
        for columns in (None, {"error": "value"}):
            ds = edfstat.load(given, columns=columns)
            assert ds["status"].values.tolist() == ["ok", "ok", "lost", "error", "lost"]
            assert ds["job_id"].values.tolist() == ["0", "1", "2", "3", "5"]
            np.testing.assert_array_equal(ds["error"].values, [5.1, 6.2, 55.0, np.nan, np.nan])
    two = OPTUNA.replace("value", "values_0").replace(",datetime", ",values_1,datetime")
    csv.write_text(two.replace(",2024", ",9,2024"))
    ds = edfstat.load(csv)
    assert ds["error"].values.tolist()[:3] == [5.1, 6.2, 55.0]
    assert ds["values_1"].values.tolist() == [9] * 5
    csv.write_text(OPTUNA.replace("6.2", "-6.2"))
    with pytest.raises(FormatError, match="row 1, column 'value'"):
        edfstat.load(csv)
    csv.write_text("\n".join(OPTUNA.splitlines()[:1] + OPTUNA.splitlines()[5:6]))
    with pytest.raises(FormatError, match="no run that has ended"):
        edfstat.load(csv)


def test_wandb_csv(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(
        '"Name","ID","State","val_err"\n"a","x1","finished","7.5"\n"b","x2","crashed",""\n"c","x3","running","50"\n'
        '"d","x4","killed","9"\n"e","x5","failed","NaN"\n'
    )
    for given in (path, pd.read_csv(path)):
        ds = edfstat.load(given, columns={"error": "val_err"})
        assert ds["status"].values.tolist() == ["ok", "error", "lost", "error"]
        assert ds["job_id"].values.tolist() == ["x1", "x2", "x4", "x5"]
        np.testing.assert_array_equal(ds["error"].values, [7.5, np.nan, 9, np.nan])
        assert ds["Name"].values.tolist() == ["a", "b", "d", "e"]
    with pytest.raises(FormatError, match="no column of errors"):
        edfstat.load(path)


def test_states_that_are_no_runs_stay_a_column() -> None:
    ds = edfstat.load(pd.DataFrame({"error": [5.0, 6.0], "Name": ["a", "b"], "State": ["Ohio", "Utah"]}))
    assert ds["State"].values.tolist() == ["Ohio", "Utah"]
    assert ds["status"].values.tolist() == ["ok", "ok"]
    frame = pd.DataFrame({"value": [5.0, 6.0], "number": [1, 2], "state": ["Ohio", "Utah"]})
    ds = edfstat.load(frame, columns={"error": "value"})
    assert ds["state"].values.tolist() == ["Ohio", "Utah"]
    assert ds["status"].values.tolist() == ["ok", "ok"]


def test_columns_with_types_keep_them() -> None:
    frame = pd.DataFrame({
        "error": [5.0, 6.0], "id": ["0012", "7"], "empty": ["", ""], "flag": ["True", "False"], "mixed": [1, "a"],
        "maybe": [True, None], "whole": [1, 2],
    })  # fmt: skip
    ds = edfstat.load(frame.rename(columns={"id": "mine"}))
    assert ds["mine"].values.tolist() == ["0012", "7"]
    assert ds["empty"].values.tolist() == ["", ""]
    assert ds["flag"].values.tolist() == ["True", "False"]
    assert ds["mixed"].values.tolist() == ["1", "a"]
    np.testing.assert_array_equal(ds["maybe"].values, [1, np.nan])
    assert ds["whole"].dtype == int


@pytest.mark.parametrize("mark", [",", ";", "\t", "|", ", "])
@pytest.mark.parametrize("name", ["runs.csv", "RUNS.TSV"])
def test_tables_by_the_mark_between_their_cells(tmp_path: Path, mark: str, name: str) -> None:
    path = tmp_path / name
    path.write_text('space,error,"note"\nA,7.75,x y\nB,6.5,"a;b|c"\n'.replace(",", mark))
    ds = edfstat.load(path)
    assert ds["space"].values.tolist() == ["A", "B"]
    assert ds["error"].values.tolist() == [7.75, 6.5]
    assert ds["note"].values.tolist() == ["x y", "a;b|c"]


def test_spaces_around_names_are_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(" space ,error \nA,7.75\n")
    assert edfstat.load(path)["error"].values.tolist() == [7.75]


def test_counts_in_millions_are_refused_by_what_counts_are(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("error,params\n7.75,0.056\n")
    with pytest.raises(FormatError, match=r"'params': '0.056' cannot be read as a count, which is a whole number"):
        edfstat.load(path)


def test_errors_that_look_like_fractions_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("error\n" + "0.05\n" * 20)
    (said,) = notes_of(edfstat.load(path))
    assert "runs.csv" in said
    assert "Errors are percent" in said
    path.write_text("error\n" + "0.05\n" * 19 + "1.5\n")
    assert notes_of(edfstat.load(path)) == []
