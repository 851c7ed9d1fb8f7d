"""Exports of other programs as JSON: pycls sweeps, Weights & Biases runs, Optuna studies."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import msgspec
import xarray as xr

from edfstat.errors import FormatError
from edfstat.formats.jobs import tolerant
from edfstat.formats.limits import MAX_JOB_BYTES
from edfstat.formats.published import Reading
from edfstat.formats.run_states import objective_columns, optuna_status, wandb_status
from edfstat.formats.sources import Source
from edfstat.formats.tables import population_of_table

__all__ = ["flat_run", "parameter_columns", "read_export"]

_ANY = msgspec.json.Decoder()


def read_export(
    kind: str,
    source: Source,
    reading: Reading,
    *,
    space: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Population of another program's JSON export.

    Raises
    ------
    FormatError
        If it is no such export, or says no errors.
    """
    import pandas as pd

    with source.open() as stream:
        text = stream.read_all(MAX_JOB_BYTES)
        facts = {"file": source.name, "sha256": stream.sha256, "bytes": stream.size}
    try:
        entries = tolerant(_ANY.decode, text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FormatError(f"{source.label} is broken JSON: {error}; export it again") from None
    if isinstance(entries, dict):
        entries = entries.get("trials")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FormatError(f"{source.label} is no list of runs; export it again")
    rows, numbers = [], []
    for index, entry in enumerate(entries):
        try:
            row = _ROWS[kind](entry)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            said = f"{source.label}: job {index}: {type(error).__name__} {error}; correct it, or pass errors='skip'"
            if not reading.skip:
                raise FormatError(said) from None
            reading.skipped.append(said)
            continue
        if row is not None:
            rows.append(row)
            numbers.append(index)
    if not rows:
        raise FormatError(f"{source.label} holds no run that has ended; a population needs at least one model")
    attrs = {"sources": json.dumps([facts])}
    frame = pd.DataFrame(rows)
    if kind == "optuna":
        columns = objective_columns(columns, list(map(str, frame.columns)))
    return population_of_table(frame, source.label, reading, columns=columns, space=space, attrs=attrs, numbers=numbers)


def _pycls_row(entry: dict[str, Any]) -> dict[str, Any]:
    """A job of ``sweep.json``: configuration, complexity, and what each kind of log line said per epoch."""
    config, complexity = entry.get("cfg") or {}, entry.get("complexity") or {}
    test, train, ema = (entry.get(key) or {} for key in ("test_epoch", "train_epoch", "test_ema_epoch"))
    errors = [float(value) for value in test.get("top1_err", [])]
    best = [float(value) for value in test.get("min_top1_err", [])] or errors
    planned = (config.get("OPTIM") or {}).get("MAX_EPOCH")
    done = max(map(_epoch, test.get("epoch_ind", [])), default=len(errors))
    losses = [_value(value) for value in train.get("loss", [])]
    diverged = any(math.isnan(value) for value in losses)
    finished = bool(best) and (planned is None or done >= planned)
    row: dict[str, Any] = {
        "error": min(best) if best else math.nan,
        "status": "diverged" if diverged else "ok" if finished else "lost",
        "job_id": str(entry.get("log_file", "")),
        "net": json.dumps(
            {k: config[k] for k in ("MODEL", "ANYNET", "REGNET", "EN", "RESNET") if k in config}, sort_keys=True
        ),
        "lr": (config.get("OPTIM") or {}).get("BASE_LR"),
        "weight_decay": (config.get("OPTIM") or {}).get("WEIGHT_DECAY"),
        "epochs": planned,
        "seed": config.get("RNG_SEED", 0),
        "dataset": (config.get("TRAIN") or {}).get("DATASET", ""),
        "train_loss": losses,
        "train_error": [_value(value) for value in train.get("top1_err", [])],
        "test_error": errors,
    }
    if errors:
        row["final_error"] = errors[-1]
    row |= {key: int(complexity[key]) for key in ("params", "flops", "acts") if key in complexity}
    smoothed = [float(value) for value in ema.get("min_top1_err", []) or ema.get("top1_err", [])]
    # Kept apart from the error: that of averaged weights is another measurement.
    row["ema_error"] = min(smoothed) if smoothed else math.nan
    return row


def _epoch(value: Any) -> int:
    return int(str(value).split("/")[0])


def _value(value: Any) -> float:
    return math.nan if value is None or isinstance(value, str) else float(value)


def _wandb_row(entry: dict[str, Any]) -> dict[str, Any] | None:
    status = wandb_status(entry.get("state", "finished"))
    if status is None:
        return None
    row = flat_run({"job_id": entry.get("id") or entry.get("name") or "", "status": status})
    for part in ("config", "summary", "summaryMetrics", "summary_metrics"):
        found = entry.get(part) or {}
        if isinstance(found, str):  # the service's own interface gives these as JSON text
            found = _ANY.decode(found.encode())
        row |= flat_run({key: _unwrapped(value) for key, value in found.items() if not key.startswith("_")})
    return row


def _unwrapped(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and set(value) <= {"value", "desc"} and "value" in value else value


def _optuna_row(entry: dict[str, Any]) -> dict[str, Any] | None:
    """A trial as `FrozenTrial` names its parts; the first objective is the error unless a column says otherwise."""
    status = optuna_status(entry.get("state", "COMPLETE"))
    if status is None:
        return None
    values = entry.get("values") or ([entry["value"]] if entry.get("value") is not None else [])
    row: dict[str, Any] = {"job_id": str(entry.get("number", "")), "status": status}
    if values:
        row["error"] = _value(values[0])
    elif row["status"] == "ok":
        row["status"] = "lost"
    row |= {f"value_{i}": _value(value) for i, value in enumerate(values) if len(values) > 1}
    row |= flat_run(entry.get("user_attrs") or {})
    params = entry.get("params") or {}
    row["net"] = json.dumps(params, sort_keys=True)
    return row | parameter_columns(params)


def parameter_columns(params: Mapping[str, Any]) -> dict[str, Any]:
    """What a study varied, as columns: settings of a training by their own names, all others after ``param_``.

    Examples
    --------
    >>> parameter_columns({"lr": 0.1, "depth": 4})
    {'lr': 0.1, 'param_depth': 4}
    """
    own = {"lr", "base_lr", "learning_rate", "weight_decay", "wd", "epochs"}
    return {key if key in own else f"param_{key}": value for key, value in flat_run(params).items()}


def flat_run(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings as columns ``outer.inner``; what is no number or text, as JSON.

    Examples
    --------
    >>> flat_run({"optim": {"lr": 0.1}, "ds": [1, 2]})
    {'optim.lr': 0.1, 'ds': '[1, 2]'}
    """
    row: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and key != "net":
            row |= {f"{key}.{inner}": item for inner, item in flat_run(value).items()}
        elif isinstance(value, str | int | float) or value is None:
            row[key] = value
        else:
            row[key] = json.dumps(value, sort_keys=True)
    return row


_ROWS: dict[str, Any] = {"pycls": _pycls_row, "wandb": _wandb_row, "optuna": _optuna_row}
