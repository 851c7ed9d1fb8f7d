"""Several populations as one: what some of them lack is filled in, or left out with a note."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import PopulationError
from edfstat.notes import note, notes_of
from edfstat.population import COORDINATES, VARIABLES

__all__ = ["concat_populations"]


def concat_populations(populations: list[xr.Dataset]) -> xr.Dataset:
    """One population of all models; curves are padded with NaN to the longest.

    What some population lacks is NaN there, or empty if it is text. Counts and seeds are known for every model or
    left out, which a note says (`notes_of`). Attributes: those that all agree on.

    Raises
    ------
    PopulationError
        If there is no population.

    Examples
    --------
    >>> from edfstat import build_population
    >>> with_params = build_population({"error": [7.1], "params": [300_000], "space": ["A"]})
    >>> joined = concat_populations([with_params, build_population({"error": [6.4], "space": ["B"]})])
    >>> joined.sizes["model"], notes_of(joined)
    (2, ['The models of B have no params, so params is left out for all.'])
    """
    if not populations:
        raise PopulationError("no population to join; give at least one")
    if len(populations) == 1:
        return populations[0]
    longest = max(population.sizes.get("epoch", 0) for population in populations)
    populations = [_padded(population, longest) for population in populations]
    if longest:  # a variable of that name, as of tables that have one, is a coordinate only beside the dimension
        populations = [p.set_coords("epoch") if "epoch" in p.variables else p for p in populations]
    notes = [text for population in populations for text in notes_of(population)]
    partial = _partial_counts(populations)
    notes += [
        f"The models of {_listed(lacking)} have no {name}, so {name} is left out for all." for name, lacking in partial
    ]
    populations = _shared_extras([population.drop_vars(dict(partial), errors="ignore") for population in populations])
    joined = xr.concat(
        [_fill_coordinates(population, populations) for population in populations],
        dim="model",
        join="outer",
        combine_attrs="drop_conflicts",
        coords="minimal",
        data_vars="all",
        compat="override",
    )
    for text in notes:
        note(joined, text)
    return joined


def _partial_counts(populations: list[xr.Dataset]) -> list[tuple[str, list[str]]]:
    """Counts that are known for some models alone, and the files, or spaces, of the others."""
    found = []
    for name, known in {**VARIABLES, **COORDINATES}.items():
        lacking = [population for population in populations if name not in population.variables]
        if known.dtype is np.int64 and 0 < len(lacking) < len(populations):
            origins = (p["source"] if "source" in p.variables else p["space"] for p in lacking)
            found.append((name, list(dict.fromkeys(str(one) for origin in origins for one in origin.values))))
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _shared_extras(populations: list[xr.Dataset]) -> list[xr.Dataset]:
    """Variables that are not of the data model with one type in all: text, or numbers that are NaN where lacking."""
    own = {*VARIABLES, *COORDINATES}
    extras = {str(name) for p in populations for name, v in p.variables.items() if v.dims == ("model",)} - own
    for name in sorted(extras):
        kinds = {p[name].dtype.kind if name in p.variables else "-" for p in populations}
        if len(kinds) > 1 and kinds - set("iuf"):
            as_shared = _as_texts if kinds & set("OUT") else _as_floats
            populations = [p.assign({name: ("model", as_shared(p, name))}) for p in populations]
    return populations


def _as_texts(population: xr.Dataset, name: str) -> NDArray[Any]:
    values = population[name].values if name in population.variables else [""] * population.sizes["model"]
    return np.array(["" if value != value else str(value) for value in values], dtype=object)


def _as_floats(population: xr.Dataset, name: str) -> NDArray[np.float64]:
    if name not in population.variables:
        return np.full(population.sizes["model"], np.nan)
    return population[name].values.astype(np.float64)


def _padded(population: xr.Dataset, longest: int) -> xr.Dataset:
    """Curves filled with NaN to `longest` epochs."""
    missing = longest - population.sizes.get("epoch", longest)
    return population.pad(epoch=(0, missing), constant_values=np.nan) if missing else population


def _fill_coordinates(population: xr.Dataset, populations: list[xr.Dataset]) -> xr.Dataset:
    names = {
        str(name)
        for p in populations
        for name in p.coords
        if name in COORDINATES and COORDINATES[str(name)].dtype is str
    }
    empty = np.full(population.sizes["model"], "", dtype=object)
    return population.assign_coords({name: ("model", empty) for name in sorted(names) if name not in population.coords})
