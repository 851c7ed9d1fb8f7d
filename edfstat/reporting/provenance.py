"""Where the models came from and what was done with them, as lines of a table."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["provenance_of"]

_OPTIONS = {
    "by": "groups are values of",
    "error": "compared variable",
    "eps": "AUC up to (eps, %)",
    "level": "confidence level",
    "spacing": "spacing of complexity bins",
    "n_resamples": "permutations per test",
    "models": "models in the population",
}
LONGEST_LIST = 40


def provenance_of(comparison: xr.Dataset) -> list[tuple[str, str]]:
    """Names and values: first what the population says about itself, then how it was compared."""
    lines = []
    for key, value in comparison.attrs.items():
        if key == "warnings" or key in _OPTIONS:
            continue
        lines.append((str(key).replace("_", " "), _text(_unpacked(value))))
    lines += [(name, _text(comparison.attrs[key])) for key, name in _OPTIONS.items() if key in comparison.attrs]
    return lines


def _unpacked(value: Any) -> Any:
    """Lists and objects that an attribute holds as JSON, for reading."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple | np.ndarray):
        parts = [_text(item) for item in list(value)[:LONGEST_LIST]]
        more = len(value) - len(parts)
        return ", ".join(parts) + (f" and {more} more" if more > 0 else "")
    return f"{value:g}" if isinstance(value, float) else str(value)
