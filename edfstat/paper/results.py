"""The published files of a folder or zip, each read when a figure first asks for it."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import InputError
from edfstat.formats.loading import load_source
from edfstat.formats.naming import ARCHIVE, PUBLISHED_NAMES
from edfstat.formats.sources import Source, zip_members
from edfstat.population import compared_errors

__all__ = ["SCALES", "Jobs", "Results"]

#: Counts are scaled by multiplication: division rounds differently in the last bit at the edges of a range.
SCALES = {"params": 1e-6, "flops": 1e-9}
_SUFFIXES = (".json", ".json.gz", ".jsonl", ".jsonl.gz")


@dataclass
class Jobs:
    """Jobs of one published file, or some of them."""

    file: str
    population: xr.Dataset

    @cached_property
    def error(self) -> NDArray[np.float64]:
        """Best test error of each job, percent."""
        return np.asarray(self.population["error"].values, dtype=np.float64)

    def scaled(self, measure: str) -> NDArray[np.float64]:
        """Params in millions or flops in billions."""
        if measure not in self.population.variables:
            raise InputError(f"{self.file} says no {measure}; this panel needs them")
        return np.asarray(self.population[measure].values * SCALES[measure], dtype=np.float64)

    @property
    def space(self) -> str:
        """Design space by the file's name."""
        return self.file.split("_")[0]

    def chosen(self, keep: NDArray[np.bool_]) -> Jobs:
        """Those jobs that `keep` marks, in their order."""
        return Jobs(self.file, self.population.isel(model=np.flatnonzero(keep)))


class Results:
    """Published files by name (``ResNet``, ``Vanilla_reruns`` ...)."""

    def __init__(self, data: Path) -> None:
        self._sources = _found(data)
        self._read: dict[str, Jobs] = {}
        if not self._sources:
            raise InputError(f"{data} holds none of the published files (ResNet.json, ...); fetch them first")

    def missing(self, files: tuple[str, ...]) -> list[str]:
        """Those of the files that are not there."""
        return [name for name in files if name not in self._sources]

    def jobs(self, name: str, *, failed: bool = False) -> Jobs:
        """Jobs of one file that have an error; with `failed`, also diverged ones without any, at +inf.

        Runs lost to an accident say nothing about the design space and are left out.
        """
        if name not in self._read:
            population = load_source(self._sources[name])
            error, counted = compared_errors(population)
            if not counted.any():
                raise InputError(f"{name} holds no job that counts: all were lost to accidents")
            self._read[name] = Jobs(name, population.assign(error=("model", error))).chosen(counted)
        found = self._read[name]
        reached = np.isfinite(found.error)
        if not reached.any():
            raise InputError(f"{name} holds no job that reached an error")
        return found if failed or reached.all() else found.chosen(reached)

    @property
    def read(self) -> dict[str, int]:
        """Files that were read so far, and how many jobs of each count."""
        return {name: int(jobs.error.size) for name, jobs in sorted(self._read.items())}

    def failed(self, name: str) -> int:
        """Jobs that count but reached no error."""
        return int(np.isinf(self.jobs(name, failed=True).error).sum())


def _found(data: Path) -> dict[str, Source]:
    if data.is_file() and zipfile.is_zipfile(data):
        sources = zip_members(data, _SUFFIXES)
    elif data.is_dir():
        folders = [data, *(p for p in sorted(data.iterdir()) if p.is_dir())]
        files = [p for folder in folders for p in sorted(folder.iterdir())]
        sources = [Source(p) for p in files if p.name.endswith(_SUFFIXES)]
        archives = [p for p in files if p.name == ARCHIVE]
        sources += [source for p in archives for source in zip_members(p, _SUFFIXES)]
    elif data.exists():
        raise InputError(f"{data} is neither a folder nor a zip of the published files")
    else:
        raise FileNotFoundError(f"there is no folder or zip {data}; `edfstat fetch` downloads the published files")
    found: dict[str, Source] = {}
    for source in sources:
        if source.stem in PUBLISHED_NAMES:
            found.setdefault(source.stem, source)
    return found
