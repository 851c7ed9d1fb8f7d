"""Times and sizes of memory as a sweep file says them: numbers, or text with a unit."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

__all__ = ["Gigabytes", "Minutes"]

_UNITS = {
    **dict.fromkeys(("s", "sec", "seconds"), 1 / 60), **dict.fromkeys(("m", "min", "minutes"), 1.0),
    **dict.fromkeys(("h", "hour", "hours"), 60.0), **dict.fromkeys(("d", "day", "days"), 1440.0),
}  # fmt: skip


def _minutes(value: Any) -> Any:
    """Minutes from a number, ``"90 min"``, ``"1.5h"``, ``"01:30:00"`` or ``"2-00:00:00"``."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    clock = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", text)
    if clock:
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return days * 1440 + hours * 60 + minutes + seconds / 60
    plain = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text)
    if plain and (plain[2] in _UNITS or not plain[2]):
        return float(plain[1]) * _UNITS.get(plain[2], 1.0)
    raise ValueError('give minutes as a number, or text such as "90 min", "4h" or "1-00:00:00"')


def _gigabytes(value: Any) -> Any:
    """Gigabytes from a number or text such as ``"16GB"`` or ``"500 MB"``."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(m|g|t)?b?", value.strip().lower())
    if not match:
        raise ValueError('give gigabytes as a number, or text such as "16GB" or "500MB"')
    return float(match[1]) * {"m": 1 / 1024, "g": 1.0, "t": 1024.0}[match[2] or "g"]


def _number_or(pattern: str) -> WithJsonSchema:
    """What an editor is to accept: a number, or text of that form."""
    number, text = {"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": pattern}
    return WithJsonSchema({"anyOf": [number, text]})


_TIME = rf"^\s*((\d+-)?\d+:\d\d:\d\d|\d+(\.\d+)?\s*({'|'.join(_UNITS)})?)\s*$"
_SIZE = r"^\s*\d+(\.\d+)?\s*[mMgGtT]?[bB]?\s*$"
Minutes = Annotated[float, BeforeValidator(_minutes), Field(gt=0), _number_or(_TIME)]
Gigabytes = Annotated[float, BeforeValidator(_gigabytes), Field(gt=0), _number_or(_SIZE)]
