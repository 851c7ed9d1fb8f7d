"""Optuna studies in an SQLite file, read straight from its tables: no Optuna and no pickle."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import xarray as xr

from edfstat.errors import FormatError, InputError
from edfstat.formats.exports import flat_run, parameter_columns
from edfstat.formats.places import home_path, shown
from edfstat.formats.published import Reading
from edfstat.formats.run_states import objective_columns, optuna_status
from edfstat.formats.tables import population_of_table

__all__ = ["read_storage"]


def read_storage(
    url: str, reading: Reading, *, space: str | None = None, columns: Mapping[str, str] | None = None
) -> xr.Dataset:
    """Population of all studies of a storage, one design space per study.

    Parameters
    ----------
    url : str
        ``sqlite:///path``, or the path of the file; ``?study=NAME`` at the end chooses one study.
    reading, space, columns
        As for tables. The objective is the error (percent) unless `columns` says otherwise.

    Raises
    ------
    InputError
        If the address is of another data base.
    FormatError
        If the file is no Optuna storage.
    """
    import pandas as pd

    address, _, query = url.partition("?")
    if "://" in address and not address.startswith("sqlite:///"):
        raise InputError(
            f"{url} is no SQLite storage; export the study (study.trials_dataframe().to_csv) and load that file"
        )
    path = home_path(address.removeprefix("sqlite:///"))
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; check the path")
    try:
        with closing(sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)) as base:
            rows = _rows(base, query.removeprefix("study=") if query else None)
    except (sqlite3.Error, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError(f"{path} is no Optuna storage ({error}); give the file that the study was kept in") from None
    if not rows:
        raise FormatError(f"{path} holds no trial that has ended; a population needs at least one model")
    frame = pd.DataFrame(rows)
    columns = objective_columns(columns, list(map(str, frame.columns)))
    return population_of_table(frame, shown(path), reading, columns=columns, space=space)


def _rows(base: sqlite3.Connection, study: str | None) -> list[dict[str, Any]]:
    names = dict(base.execute("SELECT study_id, study_name FROM studies"))
    rows: dict[int, dict[str, Any]] = {}
    for trial, number, study_id, state in base.execute("SELECT trial_id, number, study_id, state FROM trials"):
        status = optuna_status(state)
        if status is not None and study in (None, names[study_id]):
            rows[trial] = {"job_id": str(number), "space": names[study_id], "status": status, "error": None}
    for trial, objective, value in base.execute("SELECT trial_id, objective, value FROM trial_values"):
        if trial in rows:
            rows[trial]["error" if objective == 0 else f"value_{objective}"] = value
    for trial, key, value in base.execute("SELECT trial_id, key, value_json FROM trial_user_attributes"):
        if trial in rows:
            rows[trial] |= flat_run({key: json.loads(value)})
    nets: dict[int, dict[str, Any]] = {trial: {} for trial in rows}
    for trial, name, value, distribution in base.execute(
        "SELECT trial_id, param_name, param_value, distribution_json FROM trial_params"
    ):
        if trial in rows:
            nets[trial][name] = _parameter(value, json.loads(distribution))
    for trial, net in nets.items():
        rows[trial].setdefault("net", json.dumps(net, sort_keys=True))
        rows[trial] |= parameter_columns(net)
        if rows[trial]["error"] is None and rows[trial]["status"] == "ok":
            rows[trial]["status"] = "lost"
    return list(rows.values())


def _parameter(value: float, distribution: dict[str, Any]) -> Any:
    """What the stored number stands for: the index of a choice, a whole number, or itself."""
    about = distribution.get("attributes", {})
    if distribution.get("name") == "CategoricalDistribution":
        return about["choices"][int(value)]
    return int(value) if str(distribution.get("name", "")).startswith("Int") else value
