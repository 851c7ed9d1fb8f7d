"""Populations as netCDF files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from edfstat.errors import FormatError, PopulationError, one_line
from edfstat.population import COORDINATES, validate

__all__ = ["checked", "read_netcdf", "write_netcdf"]


class _TextStore(H5NetCDFStore):
    """Store whose texts stay Python strings: as arrays of text each would take the memory of the longest."""

    def open_store_variable(self, name: str, var: Any) -> xr.Variable:
        variable: xr.Variable = super().open_store_variable(name, var)  # type: ignore[no-untyped-call]
        if variable.encoding.get("dtype") is str:  # what xarray would make of them
            del variable.encoding["dtype"]
        return variable


def read_netcdf(path: Path, *, curves: bool) -> xr.Dataset:
    """Population of a netCDF file; curves are left on disk unless asked for.

    Raises
    ------
    FormatError
        If it is no netCDF file or holds no population.
    """
    try:
        with xr.open_dataset(_TextStore.open(str(path)), decode_times=False) as opened:
            return checked(opened, str(path), curves=curves)
    except PopulationError:
        raise
    except (PermissionError, FileNotFoundError, IsADirectoryError):
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError and others on a damaged file
        raise FormatError(f"{path} cannot be read as netCDF ({one_line(error)}); write it again") from None


def checked(opened: xr.Dataset, label: str, *, curves: bool) -> xr.Dataset:
    """Population in memory out of an opened store, with strings as Python strings.

    Raises
    ------
    FormatError
        If it holds no population.
    """
    dropped = [] if curves else [str(name) for name, v in opened.variables.items() if "epoch" in v.dims]
    population = opened.drop_vars(dropped).load()
    for name in map(str, population.variables):
        # Stores hand text over in types of their own, which populations from other files could not be joined with.
        if population[name].dtype.kind in "TU" and name not in population.indexes:
            population[name] = population[name].astype(object)
    for variable in population.variables.values():
        variable.encoding = {}
    population.encoding = {}
    try:
        validate(population)
    except PopulationError as error:
        raise FormatError(f"{label}: {error}") from None
    return population.set_coords([name for name in COORDINATES if name in population.variables])


def write_netcdf(population: xr.Dataset, path: Path) -> None:
    """Write a population; curves are compressed."""
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"zlib": True, "complevel": 1}
        for name, variable in population.variables.items()
        if variable.ndim == 2 and variable.dtype.kind == "f"
    }
    for name, variable in population.variables.items():
        if variable.dtype.kind == "f":
            encoding.setdefault(str(name), {})["_FillValue"] = None
        if variable.dtype.kind == "O" and any("\x00" in str(value) for value in np.ravel(variable.values)):
            raise FormatError(f"{name} holds a text with a NUL character, which netCDF cannot hold; save as Parquet")
    for owner, attrs in (("", population.attrs), *((f"{n}.", v.attrs) for n, v in population.variables.items())):
        for name, value in attrs.items():
            if not _is_attribute(value):
                raise FormatError(
                    f"the attribute {owner}{name} is {value!r:.80}, which netCDF cannot hold; make it text or "
                    "numbers, or save as Parquet or Zarr"
                )
    population.to_netcdf(path, engine="h5netcdf", encoding=encoding)


def _is_attribute(value: Any) -> bool:
    """Whether netCDF can hold it: text, numbers, or a list of texts."""
    texts = value if isinstance(value, list | tuple) and value else [value]
    if all(isinstance(text, str) for text in texts):
        return not any("\x00" in text for text in texts)
    try:
        return np.asarray(value).dtype.kind in "iuf"
    except ValueError:  # a ragged list
        return False
