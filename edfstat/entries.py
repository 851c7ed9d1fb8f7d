"""Groups and pairs of a comparison as plain dicts: to select each from the Dataset would take milliseconds."""

from __future__ import annotations

from typing import Any

import xarray as xr

__all__ = ["entries_of"]


def entries_of(comparison: xr.Dataset, dim: str) -> list[dict[str, Any]]:
    """One mapping for each entry along a dimension.

    Parameters
    ----------
    comparison : Dataset
        What `edfstat.compare` returned, or a part of it.
    dim : str
        Dimension to go along, such as ``"pair"``.

    Returns
    -------
    list of dict
        Value of each variable and coordinate that has the dimension: plain where that is its only one, else an array
        of the others.

    Examples
    --------
    >>> import xarray as xr
    >>> table = xr.Dataset({"ks": ("pair", [0.5, 0.25])}, coords={"a": ("pair", ["A", "A"]), "b": ("pair", ["B", "C"])})
    >>> entries_of(table, "pair")[1]
    {'a': 'A', 'b': 'C', 'ks': 0.25}
    """
    columns = {}
    for name, variable in sorted(comparison.variables.items(), key=lambda item: str(item[0])):
        if dim in variable.dims:
            values = variable.transpose(dim, ...).values
            columns[str(name)] = values.tolist() if values.ndim == 1 else values
    return [{name: column[place] for name, column in columns.items()} for place in range(comparison.sizes[dim])]
