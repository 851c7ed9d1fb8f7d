"""Checks of arguments other than samples: numbers, sizes, choices, sources of randomness. One sentence refuses them.

Every check returns the value in its own type, so that nothing downstream meets text, an array or a NaN where a
number belongs.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import InputError

__all__ = [
    "area_ends",
    "choice",
    "confidence_level",
    "flag",
    "generator",
    "models_drawn",
    "number",
    "points",
    "quantile_level",
    "shares",
    "shown",
    "whole",
]

Floats = NDArray[np.float64]
_SHOWN = 80
#: Beyond this many times eps, squares of what an error below 0 adds to an area may leave the range of floats.
_FARTHEST = 1e140


def shown(value: Any) -> str:
    """A value as messages show it: on one line, of at most 80 characters."""
    if isinstance(value, np.generic) and value.dtype.kind in "fiub":
        value = value.item()  # 2.5 and not np.float64(2.5)
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def number(
    value: Any,
    name: str,
    remedy: str = "give a number",
    *,
    nan: bool = False,
    accept: Callable[[float], bool] | None = None,
) -> float:
    """`value` as a float; infinite passes, NaN only if `nan` says so, and of the others what `accept` accepts.

    Raises
    ------
    InputError
        If it is text, a truth value, an array of several numbers or the like, or is not accepted.
    """
    scalar = _scalar(value)
    if isinstance(scalar, numbers.Real) and not isinstance(scalar, bool | np.bool_):
        try:
            found = float(scalar)
        except OverflowError:
            found = math.inf if scalar == abs(scalar) else -math.inf
        if (nan or not math.isnan(found)) and (accept is None or accept(found)):
            return found
    raise InputError(f"{name} is {shown(value)}; {remedy}")


def whole(value: Any, name: str, remedy: str, *, least: int = 1, most: int | None = None) -> int:
    """`value` as an int from `least` to `most`; 3.0 is whole, True is not."""
    scalar = _scalar(value)
    exact = isinstance(scalar, numbers.Integral) and not isinstance(scalar, bool)
    found = int(scalar if exact else number(value, name, remedy, accept=float.is_integer))
    if found < least or (most is not None and found > most):
        raise InputError(f"{name} is {shown(value)}; {remedy}")
    return found


def models_drawn(m: Any, name: str) -> int:
    """A number of models drawn, whole and at least 1."""
    return whole(m, name, "give a whole number of models drawn, at least 1")


def confidence_level(level: Any) -> float:
    """`level` if it lies strictly between 0 and 1."""
    return number(level, "level", "give a confidence level between 0 and 1, such as 0.95", accept=lambda x: 0 < x < 1)


def quantile_level(quantile: Any) -> float | None:
    """`quantile` if it lies strictly between 0 and 1; None, which stands for the mean, stays None."""
    if quantile is None:
        return None
    remedy = "give a level inside 0 to 1, or None for the mean"
    return number(quantile, "quantile", remedy, accept=lambda x: 0 < x < 1)


def choice(value: Any, name: str, choices: Sequence[str], remedy: str | None = None) -> str:
    """`value` if it is one of `choices`."""
    if isinstance(value, str) and value in choices:
        return str(value)
    raise InputError(f"{name} is {shown(value)}; {remedy or 'give one of ' + ', '.join(map(repr, choices))}")


def flag(value: Any, name: str) -> bool:
    """`value` if it is true or false."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} is {shown(value)}; give True or False")
    return bool(value)


def points(values: Any, name: str, remedy: str = "give a number or an array of numbers") -> Floats:
    """`values`, of any shape, as floats without NaN."""
    try:
        array = np.asarray(values.values if isinstance(values, xr.DataArray) else values)
        if array.dtype.kind == "O" and all(isinstance(value, numbers.Real) for value in array.flat):
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name} is {shown(values)}; {remedy}") from None
    if array.dtype.kind not in "fiub" or np.ma.is_masked(values):
        raise InputError(f"{name} is {shown(values)}; {remedy}")
    array = array.astype(np.float64, copy=False)
    if np.isnan(array).any():
        raise InputError(f"{name} {'holds NaN' if array.ndim else 'is nan'}; {remedy}")
    return array


def shares(values: Any, name: str, remedy: str, *, inside: bool = False) -> Floats:
    """One or several levels from 0 to 1, or strictly inside, as an array of one dimension."""
    array = np.atleast_1d(points(values, name, remedy))
    within = (array > 0) & (array < 1) if inside else (array >= 0) & (array <= 1)
    if array.ndim != 1 or not within.all():
        raise InputError(f"{name} is {shown(values)}; {remedy}")
    return array


def area_ends(eps: Any, lowest: float) -> Floats:
    """Errors up to which to take an area: above 0 and finite; if `lowest` is below 0, not too small beside it."""
    remedy = "give an error above 0"
    at = points(eps, "eps", remedy)
    bad = ~((at > 0) & np.isfinite(at))
    if bad.any():
        raise InputError(f"eps is {at[bad].flat[0]}; {remedy}")
    far = at < -lowest / _FARTHEST
    if far.any():
        raise InputError(
            f"eps is {at[far].flat[0]}, out of all proportion to the lowest error {lowest}; give a larger one"
        )
    return at


def generator(rng: Any) -> np.random.Generator:
    """The source of random numbers that `rng` stands for."""
    try:
        if isinstance(rng, bool | str):
            raise TypeError
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise InputError(
            f"rng is {shown(rng)}; give a numpy.random.Generator, a whole number of at least 0, or None"
        ) from None


def _scalar(value: Any) -> Any:
    """What an array without dimensions holds, else the value itself."""
    if isinstance(value, xr.DataArray | np.ndarray) and value.ndim == 0:
        return value.item()
    return value
