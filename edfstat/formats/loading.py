"""`load`: results of any supported format, one file or many, as one population."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat import arguments
from edfstat.errors import FormatError, InputError, PopulationError
from edfstat.formats.cache import Cache
from edfstat.formats.extra_columns import whole_numbers
from edfstat.formats.naming import ARCHIVE, CHECKSUMS, PUBLISHED_NAMES, describe_name
from edfstat.formats.places import home_path, shown
from edfstat.formats.published import Reading, read_published
from edfstat.formats.record_lines import read_record, read_record_lines
from edfstat.formats.repeats import refuse_repeats, source_entries
from edfstat.formats.sniffing import json_kind
from edfstat.formats.sources import Source, Stream, zip_members
from edfstat.joining import concat_populations
from edfstat.notes import note
from edfstat.population import build_population, is_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load", "load_source"]

Pathish = str | os.PathLike[str]
#: Ends of the names of files, of either case, by which their format is known.
_TEXT = (".json", ".json.gz", ".jsonl", ".jsonl.gz")
_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_PARQUET, _NETCDF, _ZARR = (".parquet", ".pq"), (".nc", ".nc4", ".netcdf"), ".zarr"
_STUDY = (".db", ".sqlite", ".sqlite3")
_FILES = (*_TEXT, *_CSV, *_PARQUET, *_NETCDF, *_STUDY)
_MEMBERS = (*_TEXT, *_CSV)
#: What lies beside results and is none: what a download and a training leave.
_BESIDE = (CHECKSUMS, "progress.jsonl")

#: The rule that reproduces the published flops of stage-wise networks to the last digit.
FLOPS_CONVENTION = (
    "published: multiply-adds + classes + 5 x batch-norm outputs (cell networks of the published files: not known)"
)


def load(
    path_or_paths: Pathish | Sequence[Pathish] | pd.DataFrame,
    *,
    space: str | None = None,
    curves: bool = False,
    errors: Literal["raise", "skip"] = "raise",
    columns: Mapping[str, str] | None = None,
    cache: bool = True,
    progress: Callable[[str, int, int], object] | None = None,
) -> xr.Dataset:
    """Read results of trained models as one population.

    Parameters
    ----------
    path_or_paths : path, sequence of paths, or DataFrame
        Files, folders of files, or the published zip as downloaded (nothing is unpacked to disk; ``ResNet.json``
        beside ``data.zip`` may be within it). Published JSON (both shapes), own records (``.jsonl``, ``.jsonl.gz``,
        one in a ``record.json``, a sweep's folder), pycls ``sweep.json``, Optuna studies (``sqlite:///...`` or an
        export), W&B exports (CSV, JSON), CSV, Parquet, netCDF, Zarr.
    space : str, optional
        Design space of all the models, whatever the files say. By default what a record says, else the file's
        name.
    curves : bool, default False
        Whether to read the curves over epochs too: about 95 % of a published file.
    errors : {"raise", "skip"}, default "raise"
        What to do about a corrupt job: refuse the file, or leave the job out. How many were left out, and why,
        is in the attributes `skipped` and `skipped_jobs`. Of several files, ``"skip"`` also leaves out those that
        cannot be read, each with a sentence in the attribute `notes`.
    columns : mapping of str to str, optional
        For tables: which column holds what, such as ``{"error": "val_err", "params": "n_params"}``. The key
        ``accuracy`` (percent) gives an error of 100 - accuracy. Refused where no file is a table.
    cache : bool, default True
        Whether large JSON files are kept decoded in the user's cache folder (``EDFSTAT_CACHE``, if set), found
        again by path, size and modification time.
    progress : callable, optional
        Called before each file with its name, its place (1, 2, ...) and how many files there are.

    Returns
    -------
    Dataset
        The population, dimension ``model``; attribute `sources` names each file with its SHA-256, as JSON text.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If a file is not what it should be: naming the file and, if one job is at fault, its index and key. If two
        files hold the same models.

    See Also
    --------
    save : Write a population.
    build_population : From arrays.
    fetch : Download the published files.
    validate : Check one.

    Notes
    -----
    A published job names no status: one with a loss that is not a number is `diverged`, else `ok`. Infinite
    values in curves are read as NaN.

    Examples
    --------
    >>> import json, tempfile, pathlib
    >>> job = {"job_id": 7, "params": 83002, "flops": 69890986, "net": {"ds": [1, 2]}, "min_test_top1": 9.52}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "ResNeXt-A.json")
    ...     _ = path.write_text(json.dumps([job]))
    ...     population = load(path)
    >>> population["error"].item(), population["space"].item(), population["dataset"].item()
    (9.52, 'ResNeXt-A', 'cifar10')
    """
    arguments.choice(errors, "errors", ("raise", "skip"))
    reading = Reading(curves=curves, skip=errors == "skip")
    if is_frame(path_or_paths):
        from edfstat.formats.tables import population_of_table

        return population_of_table(path_or_paths, "DataFrame", reading, columns=columns, space=space)
    paths = _paths(path_or_paths)
    sources = [source for path in paths for source in _named(path)]
    kept = Cache() if cache else None
    read: list[tuple[Source | str, xr.Dataset]] = []
    unreadable: list[PopulationError] = []
    for place, source in enumerate(sources, start=1):
        if progress:
            progress(source if isinstance(source, str) else source.name, place, len(sources))
        skipped_before = len(reading.skipped)
        try:
            population = _read(source, reading, space, columns, cache=kept)
        except PopulationError as error:
            if not reading.skip:
                raise
            del reading.skipped[skipped_before:]
            unreadable.append(error)
            continue
        if population is not None:
            read.append((source, population))
    if unreadable and not read:
        raise unreadable[0]
    if columns and not reading.tables:
        raise InputError(f"columns={dict(columns)!r} is for tables, and no file here is one; leave it out")
    refuse_repeats([(_label(source), population) for source, population in read])
    joined = _joined([population for _, population in read], reading, ", ".join(map(shown, paths[:8])))
    for complaint in unreadable:
        note(joined, f"A file was left out: {complaint}.")
    return joined


def load_source(source: Source) -> xr.Dataset:
    """Population of one published file, on disk or in an archive, without curves."""
    reading = Reading()
    population = _read_text(source, reading, None, None, Cache())
    return _joined([population] if population is not None else [], reading, source.label)


def _paths(given: Any) -> list[Pathish]:
    paths = [given] if isinstance(given, str | os.PathLike) else None
    if paths is None and isinstance(given, Iterable) and not isinstance(given, bytes | Mapping | xr.Dataset):
        paths = list(given)
    for path in [given] if paths is None else paths:
        if not isinstance(path, str | os.PathLike):
            raise InputError(f"cannot load {arguments.shown(path)}; give a path, several in a list, or a DataFrame")
    if not paths:
        raise InputError("no file to load; give at least one")
    return paths


def _label(source: Source | str) -> str:
    return source if isinstance(source, str) else source.label


def _named(path: Pathish) -> list[Source] | list[str]:
    """Files that a path stands for; an address stands for itself."""
    if not os.fspath(path):
        raise InputError("the name of a file is empty; name one, or . for the folder here")
    return [path] if isinstance(path, str) and "://" in path else _sources(home_path(path))


def _sources(path: Path) -> list[Source]:
    """Files that a path stands for."""
    if path.is_dir():
        return _folder(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{shown(path)} is a pipe or a device, which can be read only once; save it to a file first")
    if not path.exists():
        if path.stem in PUBLISHED_NAMES and (path.parent / ARCHIVE).is_file():
            within = [source for source in zip_members(path.parent / ARCHIVE, _MEMBERS) if source.name == path.name]
            if within:
                return within
        raise FileNotFoundError(f"there is no file {shown(path)}; check the path")
    if path.name.lower().endswith(".zip"):
        members = zip_members(path, _MEMBERS)
        if not members:
            raise FormatError(f"{shown(path)} holds no results file ({', '.join(_MEMBERS)})")
        return members
    return [Source(path)]


def _folder(path: Path) -> list[Source]:
    if _is_zarr(path):
        return [Source(path)]
    if (path / "records").is_dir():  # a sweep: its records are the results, all else is about them
        return _folder(path / "records")
    files = [p for p in sorted(path.iterdir()) if not p.name.startswith(".") and p.name not in _BESIDE]
    chosen = [Source(p, named=False) for p in files if (p.is_file() and _is_results(p)) or _is_zarr(p)]
    archive = path / ARCHIVE
    fetched = (path / CHECKSUMS).is_file()  # some files perhaps one by one as well
    if archive.is_file() and (fetched or not chosen):
        names = {source.name for source in chosen}
        chosen += [source for source in zip_members(archive, _MEMBERS) if source.name not in names]
    if not chosen:
        known = ", ".join((*_FILES, _ZARR, ARCHIVE))
        raise FormatError(f"folder {shown(path)} holds no results file ({known})")
    return chosen


def _is_results(path: Path) -> bool:
    name = path.name.lower()
    if not name.endswith(_STUDY):
        return name.endswith(_FILES)
    # Other programs keep theirs in such files, too, and Windows pictures of a folder's in one named Thumbs.db.
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute("select 1 from sqlite_master where name = 'studies'").fetchone() is not None
    except sqlite3.Error:
        return False


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and any((path / name).exists() for name in (".zgroup", ".zmetadata", "zarr.json"))


def _read(
    source: Source | str, reading: Reading, space: str | None, columns: Mapping[str, str] | None, *, cache: Cache | None
) -> xr.Dataset | None:
    if isinstance(source, str):
        from edfstat.formats.optuna_studies import read_storage

        return read_storage(source, reading, space=space, columns=columns)
    name = source.name.lower()
    if name.endswith(_ZARR) or _is_zarr(source.path):
        from edfstat.formats.zarr_store import read_zarr

        return _renamed(read_zarr(source.path, curves=reading.curves), source, space)
    if name.endswith(_NETCDF):
        from edfstat.formats.netcdf import read_netcdf

        return _renamed(read_netcdf(source.path, curves=reading.curves), source, space)
    if name.endswith(_PARQUET):
        from edfstat.formats.parquet import read_parquet

        return _renamed(read_parquet(source.path, reading, columns=columns, space=space), source, space)
    if name.endswith(_CSV):
        from edfstat.formats.csv_files import read_csv

        return read_csv(source, reading, columns=columns, space=space)
    if name.endswith(_STUDY):
        from edfstat.formats.optuna_studies import read_storage

        return read_storage(str(source.path), reading, space=space, columns=columns)
    return _read_text(source, reading, space, columns, cache)


def _read_text(
    source: Source, reading: Reading, space: str | None, columns: Mapping[str, str] | None, cache: Cache | None
) -> xr.Dataset | None:
    found: Any = cache.get(source, curves=reading.curves) if cache else None
    if found is None:
        found = _decode_text(source, reading, space, columns, cache)
        if found is None or isinstance(found, xr.Dataset):
            return found
    decoded, facts = found
    default_space, default_dataset = describe_name(source.stem)
    decoded = dict(decoded)
    decoded["space"] = _filled(decoded["space"], default_space) if space is None else space
    if "dataset" in decoded:
        decoded["dataset"] = _filled(decoded["dataset"], default_dataset)
    decoded["source"] = source.name
    extras = {name: _extra(decoded.pop(name)) for name in [n for n in decoded if n.startswith("extra:")]}
    decoded |= {name.removeprefix("extra:"): values for name, values in extras.items()}
    try:
        return build_population(decoded, {"sources": json.dumps([facts]), **_counted(decoded)})
    except PopulationError as error:
        raise FormatError(f"{source.label}: {error}") from None


def _counted(columns: Mapping[str, Any]) -> dict[str, str]:
    """How the flops were counted, as far as that is known of results in the published form."""
    return {"flops_convention": FLOPS_CONVENTION} if "flops" in columns else {}


_READERS: dict[str, Callable[[Source, Stream, Reading], dict[str, Any] | None]] = {
    "lines": read_record_lines,
    "record": read_record,
}


def _decode_text(
    source: Source, reading: Reading, space: str | None, columns: Mapping[str, str] | None, cache: Cache | None
) -> tuple[dict[str, Any], dict[str, Any]] | xr.Dataset | None:
    """Columns and facts of a JSON file, or a finished population, or None if it holds nothing new."""
    lines = source.name.lower().endswith((".jsonl", ".jsonl.gz"))
    kind = "lines" if lines else json_kind(source)
    if kind in ("pycls", "wandb", "optuna"):
        from edfstat.formats.exports import read_export

        return read_export(kind, source, reading, space=space, columns=columns)
    skipped_before = len(reading.skipped)
    with source.open() as stream:
        read = _READERS.get(kind, read_published)
        decoded = read(source, stream, reading)
        facts = {"file": source.name, "sha256": stream.sha256, "bytes": stream.size}
    if decoded is None:
        return None
    if cache and kind == "published" and len(reading.skipped) == skipped_before:
        cache.put(source, decoded, facts, curves=reading.curves)
    return decoded, facts


def _filled(values: Sequence[str | None], default: str) -> NDArray[Any]:
    return np.array([default if value is None else value for value in values], dtype=object)


def _extra(values: Any) -> NDArray[Any]:
    """Column of the right type for a variable that is not of the data model."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known):
        return np.array([bool(value) for value in values])
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        whole = len(known) == len(values) and all(isinstance(value, int) for value in known)
        numbers = whole_numbers(values) if whole else _floats(values)
        if numbers is not None:
            return numbers
    texts = (
        "" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for value in values
    )
    return np.array([*texts], dtype=object)


def _floats(values: Any) -> NDArray[np.float64] | None:
    """Numbers, NaN where there is none; None if one is larger than any of 64 bits, which only text keeps."""
    try:
        return np.array([np.nan if value is None else value for value in values], dtype=float)
    except OverflowError:
        return None


def _renamed(population: xr.Dataset, source: Source, space: str | None) -> xr.Dataset:
    count = population.sizes["model"]
    names = {"space": space} if space is not None else {}
    if "source" not in population.variables or not any(population["source"].values):
        names["source"] = source.name
    for name, value in names.items():
        population = population.assign_coords({name: ("model", np.full(count, value, dtype=object))})
    return population


def _joined(populations: list[xr.Dataset], reading: Reading, label: str) -> xr.Dataset:
    if not populations:
        raise FormatError(f"there is no model in {label}; a population needs at least one")
    population = concat_populations(populations)
    sources = [entry for one in populations for entry in source_entries(one)]
    if sources:
        population.attrs["sources"] = json.dumps(sources)
    if reading.skipped:
        population.attrs["skipped"] = len(reading.skipped)
        population.attrs["skipped_jobs"] = json.dumps(reading.skipped[:100], ensure_ascii=False)
    return population
