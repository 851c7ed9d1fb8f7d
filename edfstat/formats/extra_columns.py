"""Columns of tables that are not of the data model: with the type that they have, or that all their text shows."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["guessed_column", "is_missing", "text_of", "typed_column", "whole_numbers"]

#: Lines that are numbers as programs write them, all looked at in one pass. Leading zeros, spaces, underscores or a
#: plus are marks of text, such as identifiers.
_NUMBERS = re.compile(r"(?:(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?|-?(?:inf|Infinity)|nan|NaN)\n)*+")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,19}")
#: From here on floats are further apart than whole numbers.
_EXACT = 2.0**53


def is_missing(value: Any) -> bool:
    """Whether a cell says nothing: empty, None or NaN."""
    return value is None or (isinstance(value, str) and not value) or (isinstance(value, float) and value != value)


def text_of(value: Any) -> str:
    """A cell as text; what is missing is empty, a list is written as in JSON."""
    if is_missing(value):
        return ""
    return json.dumps(value.tolist()) if isinstance(value, np.ndarray) else str(value)


def whole_numbers(values: list[int]) -> NDArray[Any] | None:
    """Whole numbers as int64, or as uint64 if only that holds them; None if neither does.

    Examples
    --------
    >>> whole_numbers([-1, 5]).dtype.name, whole_numbers([0, 2**64 - 1]).dtype.name, whole_numbers([-1, 2**63])
    ('int64', 'uint64', None)
    """
    lowest, highest = min(values), max(values)
    if lowest >= -(2**63) and highest < 2**63:
        return np.array(values, dtype=np.int64)
    return np.array(values, dtype=np.uint64) if lowest >= 0 and highest < 2**64 else None


def typed_column(values: NDArray[Any]) -> NDArray[Any]:
    """A column whose cells have types: what is text stays text.

    Examples
    --------
    >>> typed_column(np.array(["0012", ""], dtype=object)), typed_column(np.array([1, None], dtype=object))
    (array(['0012', ''], dtype=object), array([ 1., nan]))
    """
    if values.dtype != object or set(map(type, values)) <= {str}:
        return values.copy()
    known = [value for value in values if not is_missing(value)]
    whole = len(known) == len(values)
    if whole and all(isinstance(value, bool | np.bool_) for value in known):
        return values.astype(bool)
    if whole and all(isinstance(value, int | np.integer) for value in known):
        numbers = whole_numbers([int(value) for value in known])
        if numbers is not None:
            return numbers
    if not any(isinstance(value, str) for value in known):
        try:
            return np.array([math.nan if is_missing(value) else float(value) for value in values])
        except (ValueError, TypeError, OverflowError):
            pass
    return np.array([text_of(value) for value in values], dtype=object)


def guessed_column(values: NDArray[Any], *, comma: bool = False) -> NDArray[Any]:
    """A column of text, as in a CSV file: booleans or numbers if every cell is written as one, else text.

    With `comma` the decimals of numbers begin with one, and what has a point is text.

    Examples
    --------
    >>> guessed_column(np.array(["12", "7"], dtype=object)), guessed_column(np.array(["0012", "7"], dtype=object))
    (array([12,  7]), array(['0012', '7'], dtype=object))
    >>> guessed_column(np.array(["1,5", "2"], dtype=object), comma=True)
    array([1.5, 2. ])
    """
    if comma:
        guessed = guessed_column(np.array([text.replace(",", ".") for text in values], dtype=object))
        return values.copy() if guessed.dtype == object or any("." in text for text in values) else guessed
    known = [text for text in values.tolist() if text]
    whole = len(known) == len(values)
    if whole and known[0] in ("True", "False") and set(known) <= {"True", "False"}:
        return np.array([text == "True" for text in known])
    lines = "".join(f"{text}\n" for text in known)
    if not known or lines.count("\n") > len(known) or not _NUMBERS.fullmatch(lines):
        return values.copy()
    if whole and all(map(_WHOLE.fullmatch, known)):
        numbers = whole_numbers(list(map(int, known)))
        return values.copy() if numbers is None else numbers
    floats = np.array([float(text) if text else math.nan for text in values.tolist()])
    large = values[np.abs(floats) >= _EXACT].tolist()
    return floats if all(map(_is_exact, large)) else values.copy()


def _is_exact(text: str) -> bool:
    """Whether a float holds the large number that is written: not if it overflows, or digits are lost."""
    value = float(text)
    if math.isinf(value):
        return "inf" in text.lower()
    return not text.lstrip("-").isdecimal() or int(value) == int(text)
