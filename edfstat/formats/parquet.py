"""Populations as Parquet tables; attributes go into the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from edfstat.errors import FormatError, InputError, one_line
from edfstat.formats.places import shown
from edfstat.formats.published import Reading
from edfstat.formats.tables import population_of_table, table_of

__all__ = ["read_parquet", "write_parquet"]

_KEY = b"edfstat"


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet files need pyarrow; install it: pip install 'edfstat[parquet]'") from None
    return pyarrow


def read_parquet(
    path: Path, reading: Reading, *, columns: Mapping[str, str] | None = None, space: str | None = None
) -> xr.Dataset:
    """Population of a Parquet file, ours or any table with one row per model."""
    pa = _pyarrow()
    try:
        with path.open("rb") as file:  # by its name it would have to be UTF-8
            table = pa.parquet.read_table(file)
        metadata = table.schema.metadata or {}
        attrs = json.loads(metadata.get(_KEY, b"{}"))
    except (PermissionError, FileNotFoundError):
        raise
    except (OSError, ValueError, pa.lib.ArrowException) as error:
        raise FormatError(f"{shown(path)} cannot be read as Parquet ({one_line(error)}); write it again") from None
    population = population_of_table(
        table.to_pandas(), shown(path), reading, columns=columns, space=space, attrs=attrs.get("dataset"),
        ours=_KEY in metadata,
    )  # fmt: skip
    for name, own in attrs.get("variables", {}).items():
        if name in population.variables:
            population[name].attrs = own
    return population


def write_parquet(population: xr.Dataset, path: Path) -> None:
    """Write a table with the population's attributes in its metadata."""
    pa = _pyarrow()
    attrs = {
        "dataset": dict(population.attrs),
        "variables": {str(name): dict(v.attrs) for name, v in population.variables.items() if v.attrs},
    }
    table = pa.Table.from_pandas(table_of(population), preserve_index=False)
    metadata = {**(table.schema.metadata or {}), _KEY: json.dumps(attrs, default=_plain).encode()}
    with path.open("wb") as file:
        pa.parquet.write_table(table.replace_schema_metadata(metadata), file, compression="zstd")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
