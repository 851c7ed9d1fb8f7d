"""Numbers, lists and sources of randomness as users give them: checked, made plain, and named where they are wrong."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainers.spaces.errors import ArchitectureError

__all__ = [
    "LARGEST",
    "each_of",
    "generator_of",
    "grid_of",
    "listed",
    "one_or_many",
    "real_number",
    "whole_number",
]

#: Ceiling of depths, widths, sizes and counts: what 32 bits hold, far beyond any network.
LARGEST = 2**31 - 1


def whole_number(value: Any, what: str, *, least: int, most: int = LARGEST) -> int:
    """`value` as an int of at least `least`; whole floats pass, as JSON from other languages has them.

    Examples
    --------
    >>> whole_number(2.0, "depth", least=1)
    2
    """
    # Truth values are no numbers here, though Python counts with them.
    number: Any = value
    if type(value) is not int and (
        not isinstance(value, numbers.Real)
        or isinstance(value, (bool, np.bool_))
        or not math.isfinite(number)
        or int(number) != number
    ):
        raise ArchitectureError(f"{what} is {value!r:.80}; it must be a whole number, at least {least}")
    if not least <= number <= most:
        side = f"at least {least}" if number < least else f"at most {most:,}"
        shown = int(number) if abs(number) < 10**40 else "a number of more than 40 digits"
        raise ArchitectureError(f"{what} is {shown}; it must be a whole number, {side}")
    return int(number)


def real_number(value: Any, what: str, rule: str, *, above: float = -math.inf, least: float = -math.inf) -> float:
    """`value` as a finite float that is above one bound and not below another; `rule` says so in words.

    Examples
    --------
    >>> real_number(1, "wa", "at least 0", least=0)
    1.0
    """
    right = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    try:
        number = float(value) if right else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number) or number <= above or number < least:
        raise ArchitectureError(f"{what} is {value!r:.80}; it must be a number, {rule}")
    return number


def listed(value: Any, what: str) -> tuple[Any, ...]:
    """A list of any kind as a tuple: not text, not a single value.

    Examples
    --------
    >>> listed(range(2), "depths"), listed(np.array([1, 2]), "widths")
    ((0, 1), (1, 2))
    """
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return tuple(value.tolist())
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise ArchitectureError(f"{what} is {value!r:.80}; it must be a list")
    return tuple(value)


def one_or_many(value: Any) -> tuple[Any, ...]:
    """A list as a tuple; a single value, which a sweep file may hold, as a tuple of one.

    Examples
    --------
    >>> one_or_many(16), one_or_many([16, 32])
    ((16,), (16, 32))
    """
    return listed(value, "") if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str) else (value,)


def grid_of(values: Any, what: str, most: int = LARGEST) -> tuple[int, ...]:
    """Different whole numbers from 1 to `most`, in the order given.

    Examples
    --------
    >>> grid_of([32, 16.0], "width")
    (32, 16)
    """
    given = one_or_many(values)
    if not given:
        raise ArchitectureError(f"{what} is empty; give at least one value")
    checked = tuple(whole_number(value, what, least=1, most=most) for value in given)
    if len(set(checked)) < len(checked):
        raise ArchitectureError(f"{what} is {list(checked)}; give each value once")
    return checked


def each_of(values: Any, what: str, kind: str) -> list[Any]:
    """What an iterable holds, as a list; text and mappings are no lists of anything here.

    Examples
    --------
    >>> each_of(iter([1, 2]), "seeds", "whole numbers")
    [1, 2]
    """
    try:
        if isinstance(values, (str, bytes, Mapping)):
            raise TypeError
        return list(values)
    except TypeError:
        raise ArchitectureError(f"{what} is {values!r:.80}; give a list of {kind}") from None


def generator_of(rng: Any) -> np.random.Generator:
    """The generator itself, or the one that a seed starts."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise ArchitectureError(
            f"rng is {rng!r:.80}; give a numpy Generator, a whole number of at least 0, or None"
        ) from None
