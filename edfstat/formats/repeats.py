"""Models that are read twice: a file named twice, a copy of it, a file and what was converted from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from edfstat.errors import FormatError
from edfstat.population import COORDINATES, VARIABLES

__all__ = ["refuse_repeats", "source_entries"]


def source_entries(population: xr.Dataset) -> list[dict[str, Any]]:
    """Files that a population says it was read from: their names, hashes and sizes."""
    text = population.attrs.get("sources")
    try:
        entries = json.loads(text) if isinstance(text, str) else []
    except (ValueError, RecursionError):
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def refuse_repeats(read: Sequence[tuple[str, xr.Dataset]]) -> None:
    """Refuse to count models twice.

    Equal bytes are the same models, unless their files are named as different spaces. What was saved from a
    population keeps the hashes of the files that it came from, but may be a part of them: it repeats another only if
    one holds all that the other has of such a file.

    Parameters
    ----------
    read : sequence of (str, Dataset)
        What messages call each file, and its population.

    Raises
    ------
    FormatError
        Naming both files.
    """
    labels: set[str] = set()
    known: dict[str, list[_Part]] = {}
    for label, population in read:
        if label in labels:
            raise FormatError(f"{label} is read twice, so that its models would count twice; name it once")
        labels.add(label)
        for entry in source_entries(population):
            part = _Part(label, population, entry)
            others = known.setdefault(str(entry.get("sha256")), [])
            if other := next((one for one in others if one.repeats(part)), None):
                raise FormatError(
                    f"{other.label} and {label} hold the same models, those of {other.file}, which would count "
                    "twice; leave one of the two out, or give other models with the same numbers a seed or an id"
                )
            others.append(part)


@dataclass(frozen=True)
class _Part:
    """Models of a population that came from one file."""

    label: str
    population: xr.Dataset
    entry: dict[str, Any]

    @property
    def file(self) -> str:
        return str(self.entry.get("file"))

    @property
    def whole(self) -> bool:
        """Whether it is the very file that was hashed; what is saved from it has another suffix."""
        return self.label.endswith(self.file)

    @property
    def spaces(self) -> set[str]:
        return set(self.population["space"].values.tolist())

    def repeats(self, other: _Part) -> bool:
        if self.label == other.label:
            return False
        if self.whole and other.whole:
            return bool(self.spaces & other.spaces)
        names = [n for n in (*VARIABLES, *COORDINATES) if n != "source" and self.has(n) and other.has(n)]
        few, many = sorted((self.models(names), other.models(names)), key=Counter.total)
        return few.total() > 0 and few <= many

    def has(self, name: str) -> bool:
        return name in self.population.variables and self.population[name].dims == ("model",)

    def models(self, names: Sequence[str]) -> Counter[tuple[Any, ...]]:
        """How often each model is there."""
        population = self.population
        if "source" in population.variables:
            own = population["source"].values == self.file
            if own.any() or len(source_entries(population)) > 1:
                population = population.isel(model=np.flatnonzero(own))
        columns = [[None if value != value else value for value in population[n].values.tolist()] for n in names]
        return Counter(zip(*columns, strict=True))
