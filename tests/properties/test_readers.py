"""Readers meet anything: they give a valid population or one clear refusal, never another error."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edfstat
from edfstat.errors import FormatError

SAMPLE = (Path(__file__).parents[1] / "data" / "published" / "ResNet.json").read_bytes()[:4000]
KEYS = st.sampled_from(
    ["params", "flops", "net", "optim", "min_test_top1", "test_ep_top1", "train_ep_loss", "job_id", "status"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | KEYS, inner, max_size=4),
    max_leaves=8,
)


def attempt(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        for errors in ("raise", "skip"):
            try:
                edfstat.validate(edfstat.load(path, curves=True, errors=errors, cache=False))
            except FormatError as refused:
                said = str(refused)
            else:
                said = name
            assert name in said


@settings(max_examples=60)
@given(jobs=st.lists(st.dictionaries(KEYS, VALUES, max_size=9), max_size=4))
def test_any_jobs(jobs: list[Any]) -> None:
    attempt("ResNet.json", json.dumps(jobs).encode())
    attempt("r.jsonl", b"\n".join(json.dumps(job).encode() for job in jobs))


@settings(max_examples=60)
@given(at=st.integers(0, len(SAMPLE)), cut=st.integers(0, 20), new=st.binary(max_size=6))
def test_damaged_files(at: int, cut: int, new: bytes) -> None:
    attempt("ResNet.json", SAMPLE[:at] + new + SAMPLE[at + cut :])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small population in every format, as bytes."""
    folder = tmp_path_factory.mktemp("written")
    population = edfstat.load(Path(__file__).parents[1] / "data" / "published" / "ResNet.json", curves=True)
    for suffix in ("nc", "parquet", "csv", "jsonl", "jsonl.gz"):
        edfstat.save(population.isel(model=slice(0, 6)), folder / f"results.{suffix}")
    with zipfile.ZipFile(folder / "results.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("nds/ResNet.json", SAMPLE + b"]")
    _study(folder / "results.db")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _study(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.executescript("""
            CREATE TABLE studies (study_id INTEGER, study_name TEXT);
            CREATE TABLE trials (trial_id INTEGER, number INTEGER, study_id INTEGER, state TEXT);
            CREATE TABLE trial_values (trial_id INTEGER, objective INTEGER, value REAL);
            CREATE TABLE trial_user_attributes (trial_id INTEGER, key TEXT, value_json TEXT);
            CREATE TABLE trial_params (trial_id INTEGER, param_name TEXT, param_value REAL, distribution_json TEXT);
            INSERT INTO studies VALUES (1, 'wide');
            INSERT INTO trials VALUES (1, 0, 1, 'COMPLETE'), (2, 1, 1, 'FAIL');
            INSERT INTO trial_values VALUES (1, 0, 8.25);
            INSERT INTO trial_params VALUES (1, 'depth', 4, '{"name": "IntDistribution", "attributes": {}}');
        """)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # h5netcdf, closing what it never opened
@pytest.mark.parametrize("suffix", ["nc", "parquet", "csv", "jsonl", "jsonl.gz", "zip", "db"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_of_every_format(written: dict[str, bytes], suffix: str, data: st.DataObject) -> None:
    whole = written[f"results.{suffix}"]
    at = data.draw(st.integers(0, len(whole)), label="place")
    gone = data.draw(st.integers(0, 50) | st.just(len(whole)), label="letters gone")
    new = data.draw(st.binary(max_size=8), label="letters put in")
    attempt(f"results.{suffix}", whole[:at] + new + whole[at + gone :])


ENTRY_KEYS = st.sampled_from(
    ["cfg", "complexity", "test_epoch", "train_epoch", "log_file", "top1_err", "epoch_ind", "OPTIM", "summary",
     "config", "state", "number", "values", "params", "user_attrs", "error", "id"]
)  # fmt: skip
ENTRIES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["ok", "PRUNED"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ENTRY_KEYS | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "marks", [{"log_file": "x"}, {"summary": {}}, {"number": 0, "state": "COMPLETE"}], ids=["pycls", "wandb", "optuna"]
)
@settings(max_examples=80)
@given(entries=st.lists(st.dictionaries(ENTRY_KEYS, ENTRIES, max_size=7), min_size=1, max_size=3))
def test_exports_of_any_content(marks: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    attempt("runs.json", json.dumps([marks | entry for entry in entries]).encode())


CELLS = st.text(alphabet='0123456789.,-eE"naN[] \n', max_size=8) | st.sampled_from(["error", "params", "status", "ok"])


@settings(max_examples=80)
@given(lines=st.lists(st.lists(CELLS, max_size=4), max_size=5))
def test_tables_of_any_content(lines: list[list[str]]) -> None:
    attempt("runs.csv", ("error,params,status\n" + "\n".join(map(",".join, lines))).encode())
