"""What is wrong with a sweep file, one sentence for each mistake: its key, its value, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

__all__ = ["sentences"]

#: Keys whose numbers are minutes, and easily taken for hours.
_MINUTES = ("time", "trial_timeout")


def sentences(error: ValidationError, where: str, root: type[BaseModel]) -> list[str]:
    """A sentence for each mistake that pydantic found in a file of the form `root`."""
    return [_sentence(each, where, root) for each in _telling(error.errors())]


def _telling(errors: Sequence[Any]) -> list[Any]:
    """Leave out what only follows from other mistakes: lists that are short for want of the items that are wrong, and
    the other forms that a value might have had.
    """
    faulty_within = {tuple(error["loc"][:length]) for error in errors for length in range(len(error["loc"]))}
    kept = []
    for error in errors:
        place = tuple(error["loc"])
        if error["type"] == "too_short" and place in faulty_within:
            continue
        mapping = isinstance(error["input"], Mapping)
        if (place[-1:] == ("float",) and mapping) or (error["type"] == "model_type" and "Range" in str(place[-1:])):
            continue
        kept.append(error)
    return kept


def _sentence(error: Any, where: str, root: type[BaseModel]) -> str:
    location = tuple(error["loc"])
    key = _key(location)
    if error["type"] == "missing":
        return f"{where}: {key} is missing"
    if error["type"] == "extra_forbidden":
        return f"{where}: {key} is not a key; there are {', '.join(_siblings(location, root))}"
    message = str(error["msg"]).removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    message = message.replace("valid tuple", "list").replace("valid dictionary", "mapping")
    message = re.sub(r" or instance of \w+$", "", message)
    if error["type"] == "too_short":
        message = f"give at least {error['ctx']['min_length']}"
    elif key.rpartition(".")[2] in _MINUTES and isinstance(error["input"], int | float):
        message += '; a number is minutes, and text may be "4h"'
    if not key:
        return f"{where}: {message}"
    return f"{where}: {key} is {_short(error['input'])}: {message}"


def _key(location: tuple[Any, ...]) -> str:
    """Key path as a user writes it; pydantic's names of the alternatives of a union are left out."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _is_field(part):
            text += f".{part}" if text else part
    return text


def _is_field(part: str) -> bool:
    return re.fullmatch(r"[\w.-]+", part) is not None and part not in (
        "float",
        "int",
        "str",
        "bool",
        "Range",
        "constrained-int",
    )


def _siblings(location: tuple[Any, ...], root: type[BaseModel]) -> list[str]:
    """Keys of the mapping that a place is in."""
    model = root
    for part in location[:-1]:
        if part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, getattr(annotation, "__args__", ()))), None)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
