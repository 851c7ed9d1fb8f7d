"""What is to be known of how a population came about, such as what was left out: sentences in its attributes."""

from __future__ import annotations

import json

import xarray as xr

__all__ = ["note", "notes_of"]


def note(population: xr.Dataset, text: str) -> None:
    """Keep a sentence about how a population came about, once, in its attribute `notes`."""
    population.attrs["notes"] = json.dumps(list(dict.fromkeys([*notes_of(population), text])), ensure_ascii=False)


def notes_of(population: xr.Dataset) -> list[str]:
    """The sentences that were kept by `note`.

    Examples
    --------
    >>> from edfstat import build_population
    >>> population = build_population({"error": [7.1]})
    >>> note(population, "The models of B have no params, so params is left out for all.")
    >>> notes_of(population)
    ['The models of B have no params, so params is left out for all.']
    """
    try:
        found = json.loads(population.attrs.get("notes", "[]"))
    except (ValueError, TypeError, RecursionError):  # of another program's making
        return []
    return [str(text) for text in found] if isinstance(found, list) else []
