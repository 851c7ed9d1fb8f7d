"""`save`: a population to a file of any supported format, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import InputError
from edfstat.formats.places import home_path
from edfstat.population import VARIABLES, validate

__all__ = ["SUFFIXES", "check_suffix", "check_writable", "save"]

#: Suffixes that `save` writes.
SUFFIXES = (".nc", ".zarr", ".parquet", ".csv", ".json", ".jsonl", ".jsonl.gz")

#: Bytes of the name of a file or folder, in the file systems that are in use.
_LONGEST_NAME = 255


def save(ds: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a population; the suffix of the file names the format.

    Parameters
    ----------
    ds : Dataset
        A population: dimension ``model``, see `edfstat.validate`.
    path : path
        ``.nc`` (netCDF), ``.zarr``, ``.parquet``, ``.csv``, ``.json`` (published form), ``.jsonl`` or
        ``.jsonl.gz`` (records, one a line). An existing file is replaced once the new one is complete.

    Returns
    -------
    Path
        Where the population now is.

    Raises
    ------
    InputError
        If the suffix is none of these, the folder is not there or cannot be written to, or the format cannot hold a
        variable. No format holds dates, complex numbers, or text mixed with other objects; tables and JSON hold only
        variables with one entry or one curve per model; netCDF and Zarr allow no slash in a name.
    PopulationError
        If `ds` is no valid population.

    See Also
    --------
    load : Read it back.

    Notes
    -----
    ``edfstat.load(edfstat.save(ds, path), curves=True)`` equals `ds` except `source`, and, for CSV and JSON,
    attributes. JSON is strict: what is not finite is null, so an infinite loss reads back as NaN.

    Examples
    --------
    >>> import tempfile
    >>> from edfstat import load
    >>> from edfstat import build_population
    >>> ds = build_population({"error": [7.1, 6.4], "params": [300_000, 500_000], "space": ["A", "B"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load(save(ds, f"{folder}/two.nc")).drop_vars("source").equals(ds)
    True
    """
    target = home_path(path)
    writer = _writer(target)
    validate(ds)
    _refuse_what_would_be_lost(ds, target)
    check_writable(target)
    with tempfile.TemporaryDirectory(prefix=".edfstat-", dir=target.parent) as folder:
        unfinished = Path(folder) / target.name
        writer(ds, unfinished)
        _replace(unfinished, target, Path(folder))
    return target


def _writer(target: Path) -> Callable[[xr.Dataset, Path], None]:
    name = target.name.lower()
    if name.endswith((".nc", ".nc4", ".netcdf")):
        from edfstat.formats.netcdf import write_netcdf

        return write_netcdf
    if name.endswith(".zarr"):
        from edfstat.formats.zarr_store import write_zarr

        return write_zarr
    if name.endswith((".parquet", ".pq")):
        from edfstat.formats.parquet import write_parquet

        return write_parquet
    if name.endswith(".csv"):
        from edfstat.formats.csv_files import write_csv

        return write_csv
    from edfstat.formats.publishing import write_lines, write_published

    if name.endswith(".json"):
        return write_published
    if name.endswith((".jsonl", ".jsonl.gz")):
        return write_lines
    raise InputError(f"{target} does not say the format; end it in one of {', '.join(SUFFIXES)}")


def _refuse_what_would_be_lost(ds: xr.Dataset, target: Path) -> None:
    """Variables of types, or for tables of dimensions, that would read back otherwise or not at all."""
    tabular = not target.name.lower().endswith((".nc", ".nc4", ".netcdf", ".zarr"))
    for name, variable in ds.variables.items():
        if variable.dtype.kind not in "biufOUT" or (variable.dtype.kind == "f" and variable.dtype.itemsize > 8):
            raise InputError(
                f"{target} cannot hold {name}, of type {variable.dtype}; make it text or numbers, such as "
                f"ds[{name!r}].astype(str)"
            )
        if variable.dtype == object and (strange := _no_text(variable.values)) is not None:
            raise InputError(
                f"{target} cannot hold {name}, whose type is object and which has {strange}, no text; make it text or "
                f"numbers, such as ds[{name!r}].astype(str)"
            )
        if not tabular and not _is_name(str(name), zarr=target.name.lower().endswith(".zarr")):
            raise InputError(
                f"{target} cannot hold a variable named {name!r:.80}; rename it (ds.rename), or save as .parquet"
            )
        if tabular and variable.dims not in (("model",), ("model", "epoch")):
            raise InputError(
                f"{target} cannot hold {name}, of dimensions {variable.dims}: it has rows of models alone; leave it "
                f"out (ds.drop_vars({name!r})), or save as .nc or .zarr"
            )
        floats = variable.dtype == float
        if tabular and variable.ndim == 2 and name not in VARIABLES and (_is_text(target) or not floats):
            others = ".nc, .zarr or .parquet" if floats else ".nc or .zarr"
            raise InputError(
                f"{target} cannot hold the curves {name}, which are not of the data model; leave them out "
                f"(ds.drop_vars({name!r})), or save as {others}"
            )


def _no_text(values: NDArray[Any]) -> str | None:
    """The first entry that is no text, as it is written."""
    return next((f"{value!r:.80}" for value in values.flat if not isinstance(value, str)), None)


def _is_name(name: str, *, zarr: bool) -> bool:
    """Whether a store, which is a tree, can hold a variable of that name; in a Zarr store it is a folder's."""
    apart = {"/", "\0", "\\"} if zarr else {"/", "\0"}
    return name not in ("", ".", "..") and not apart & set(name) and not (zarr and len(name.encode()) > _LONGEST_NAME)


def _is_text(target: Path) -> bool:
    return target.name.lower().endswith((".csv", ".json", ".jsonl", ".jsonl.gz"))


def check_suffix(target: Path) -> None:
    """Whether the name of a file says a format that can be written; raises InputError if not."""
    _writer(target)


def check_writable(target: Path) -> None:
    """Whether a file can be put there, asked before the work that would be lost.

    Raises
    ------
    InputError
        Naming the folder and why not.
    """
    target = home_path(target)
    folder = target.parent
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write {target}: {folder} is a file; choose another folder")
    if not folder.is_dir():
        raise InputError(f"cannot write {target}: there is no folder {folder}; create it first")
    if target.is_dir() and target.suffix.lower() != ".zarr":
        raise InputError(f"cannot write {target}: it is a folder; name a file")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}; choose another folder") from None


def _replace(unfinished: Path, target: Path, folder: Path) -> None:
    if target.is_dir():  # a folder cannot be replaced in one step: the old one goes aside first
        if target.suffix.lower() != ".zarr":
            raise InputError(f"cannot write {target}: it is a folder; name a file")
        aside = folder / "replaced"
        target.replace(aside)
        try:
            unfinished.replace(target)
        except OSError:
            with suppress(OSError):
                aside.replace(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
        return
    unfinished.replace(target)
