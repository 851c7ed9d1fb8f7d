"""Populations as Zarr stores: folders that can be read in part."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import FormatError, InputError, PopulationError, one_line
from edfstat.formats.netcdf import checked

__all__ = ["read_zarr", "write_zarr"]


def _need_zarr() -> None:
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise InputError("Zarr stores need zarr; install it: pip install 'edfstat[zarr]'") from None


def read_zarr(path: Path, *, curves: bool) -> xr.Dataset:
    """Population of a Zarr store; curves are left on disk unless asked for."""
    _need_zarr()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with xr.open_zarr(path, decode_times=False, chunks=None) as opened:
                return checked(opened, str(path), curves=curves)
    except (PopulationError, PermissionError, FileNotFoundError):
        raise
    except Exception as error:  # zarr raises errors of many kinds on a damaged store
        raise FormatError(f"{path} cannot be read as Zarr ({one_line(error)}); write it again") from None


def write_zarr(population: xr.Dataset, path: Path) -> None:
    """Write a store in Zarr format 2, whose strings every reader knows."""
    _need_zarr()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Object arrays must be fixed as text first: an empty one has no type to infer.
        texts = {str(n): _as_text(v.values) for n, v in population.variables.items() if v.dtype == object}
        encoding = {str(n): {"_FillValue": None} for n, v in population.variables.items() if v.dtype.kind == "f"}
        fixed = population.assign(
            {name: (population[name].dims, values, population[name].attrs) for name, values in texts.items()}
        )
        fixed.to_zarr(path, mode="w", zarr_format=2, consolidated=True, encoding=encoding)


def _as_text(values: NDArray[Any]) -> NDArray[Any]:
    """Texts of their own, not an array as wide as the longest."""
    return np.array([str(value) for value in values.flat], dtype=object).reshape(values.shape)
