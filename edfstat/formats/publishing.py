"""Populations as published JSON, or as records one a line: strict JSON that reads back exactly."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xarray as xr

from edfstat.errors import FormatError
from edfstat.formats.jobs import FILLED
from edfstat.population import COORDINATES, VARIABLES

__all__ = ["jobs_of", "write_lines", "write_published"]

_KEYS = {
    "job_id": "job_id", "rng_seed": "seed", "params": "params", "flops": "flops", "acts": "acts",
    "iter_time": "iter_time", "min_test_top1": "error", "final_test_top1": "final_error",
    "space": "space", "dataset": "dataset", "status": "status",
}  # fmt: skip
_OPTIM = {"base_lr": "lr", "wd": "weight_decay", "max_ep": "epochs"}
_CURVES = {"train_ep_loss": "train_loss", "train_ep_top1": "train_error", "test_ep_top1": "test_error"}


def write_published(population: xr.Dataset, path: Path) -> None:
    """Write a JSON list of jobs, or the object of a reruns file if the models are its lists, in order."""
    groups = population["group"].values.astype(str) if "group" in population.variables else np.array([""])
    reruns = set(groups) == {"top", "mid"} and int((groups[1:] != groups[:-1]).sum()) == 1
    with path.open("wb") as file:
        if not reruns:
            file.write(b"[")
            _write_jobs(file, jobs_of(population))
            file.write(b"]\n")
            return
        for opening, group in ((b"{", groups[0]), (b", ", groups[-1])):
            chosen = population.isel(model=np.flatnonzero(groups == group)).assign_coords(
                group=("model", [""] * int((groups == group).sum()))
            )
            file.write(opening + json.dumps(str(group)).encode() + b": [")
            _write_jobs(file, jobs_of(chosen))
            file.write(b"]")
        file.write(b"}\n")


def write_lines(population: xr.Dataset, path: Path) -> None:
    """Write one job a line, compressed if the name ends in ``.gz``."""
    with path.open("wb") as raw:
        packed = (
            gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) if path.name.lower().endswith(".gz") else None
        )
        for job in jobs_of(population):
            (packed or raw).write(msgspec.json.encode(job) + b"\n")
        if packed:
            packed.close()


def _write_jobs(file: Any, jobs: Iterator[dict[str, Any]]) -> None:
    for number, job in enumerate(jobs):
        file.write((b",\n" if number else b"") + msgspec.json.encode(job))


def jobs_of(population: xr.Dataset) -> Iterator[dict[str, Any]]:
    """Each model as a job: the keys of the published files, then ours; what is not finite is None.

    A variable that is not of the data model goes under ``extra``.
    """
    count = population.sizes["model"]
    columns = {key: _values(population, name) for key, name in _KEYS.items() if name in population.variables}
    groups = _values(population, "group") if "group" in population.variables else [""] * count
    optim = {key: _values(population, name) for key, name in _OPTIM.items() if name in population.variables}
    nets = population["net"].values if "net" in population.variables else ["{}"] * count
    curves = {key: population[name].values for key, name in _CURVES.items() if name in population.variables}
    lengths = _lengths(list(curves.values()))
    own = set(VARIABLES) | set(COORDINATES)
    extra = {
        str(name): _values(population, str(name)) for name in population.variables if _is_extra(population, name, own)
    }
    absent = [name for name in FILLED if name not in population.variables]
    empty = _empty(population)
    for i in range(count):
        job = {key: values[i] for key, values in columns.items()}
        job["net"] = _net(nets[i], i)
        job["optim"] = {key: values[i] for key, values in optim.items()}
        for key, table in curves.items():
            row = table[i, : lengths[i]]
            job[key] = [value if value == value else None for value in row.tolist()]
        if groups[i]:
            job["group"] = groups[i]
        if extra:
            job["extra"] = {name: values[i] for name, values in extra.items()}
        if absent and i == 0:  # so that a reader does not fill in what the population does not say
            job["absent"] = absent
        if i in empty:  # nor leaves out or fills in what it says nothing in
            job["empty"] = empty[i]
        yield job


def _empty(population: xr.Dataset) -> dict[int, list[str]]:
    """By model, what is unknown of it that a reader would fill in; of the first, also what is unknown of all models."""
    names = [str(name) for name, v in population.variables.items() if name in VARIABLES and v.dtype.kind == "f"]
    empty = {0: [name for name in names if name != "error" and np.isnan(population[name].values).all()]}
    unknown = {"net": population["net"].values == ""} if "net" in population.variables else {}
    if "test_error" in population.variables:
        unknown |= {name: np.isnan(population[name].values) for name in ("error", "final_error") if name in names}
    for name, models in unknown.items():
        for i in np.flatnonzero(models).tolist():
            empty[i] = [*dict.fromkeys([*empty.get(i, []), name])]
    return {i: names for i, names in empty.items() if names}


def _is_extra(population: xr.Dataset, name: Any, own: set[str]) -> bool:
    return str(name) not in own and population[name].dims == ("model",)


def _values(population: xr.Dataset, name: str) -> list[Any]:
    values = population[name].values
    if values.dtype.kind == "f":
        return [value if math.isfinite(value) else None for value in values.tolist()]
    if values.dtype.kind in "OU":
        return [str(value) for value in values]
    return list(values.tolist())


def _lengths(tables: list[Any]) -> Any:
    """Epochs of each model: up to its last known value; the longest fills the whole table."""
    if not tables:
        return None
    width = tables[0].shape[1]
    if not width:
        return np.zeros(len(tables[0]), dtype=np.int64)
    known = np.zeros(len(tables[0]), dtype=np.int64)
    for table in tables:
        finite = ~np.isnan(table)
        last = width - np.argmax(finite[:, ::-1], axis=1)
        known = np.maximum(known, np.where(finite.any(axis=1), last, 0))
    if known.size and known.max() < width:
        known[0] = width
    return known


def _net(text: Any, index: int) -> Any:
    try:
        net = json.loads(str(text) or "{}")
    except (ValueError, RecursionError):
        net = None
    if not isinstance(net, dict):
        raise FormatError(
            f"net of model {index} is no JSON object: {str(text)[:80]!r}; correct it, or save as another format"
        )
    return net
