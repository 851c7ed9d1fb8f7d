"""Ranges of complexity that sampled architectures lie in: caps, floors, and bands such as 100M flops within 1 %."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainers.spaces.errors import ArchitectureError

__all__ = ["Limits", "limits_of"]


@dataclass(frozen=True)
class Limits:
    """Least and most of each limited measure, both inclusive, and whether ``any`` of them must hold or ``all``."""

    ranges: Mapping[str, tuple[float, float]]
    require: str = "any"

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __str__(self) -> str:
        joint = " or " if self.require == "any" else " and "
        return joint.join(_words(measure, *ends) for measure, ends in self.ranges.items())

    @property
    def caps(self) -> Limits:
        """The upper ends alone."""
        return replace(self, ranges={measure: (-math.inf, most) for measure, (_, most) in self.ranges.items()})

    def met_by(self, counts: Mapping[str, ArrayLike]) -> NDArray[np.bool_]:
        """Which of the architectures with these counts are within the limits, of which there is at least one."""
        each = [
            (np.asarray(counts[measure]) >= least) & (np.asarray(counts[measure]) <= most)
            for measure, (least, most) in self.ranges.items()
        ]
        join = np.logical_or if self.require == "any" else np.logical_and
        return np.asarray(join.reduce(each), dtype=np.bool_)


def limits_of(
    *,
    min_params: float | None = None,
    max_params: float | None = None,
    min_flops: float | None = None,
    max_flops: float | None = None,
    require: str = "any",
) -> Limits:
    """Limits from what users give, each of them optional.

    Raises
    ------
    ArchitectureError
        If one is no number, a least exceeds its most, or `require` is neither ``any`` nor ``all``.

    Examples
    --------
    >>> str(limits_of(min_flops=99e6, max_flops=101e6))
    '99,000,000 <= flops <= 101,000,000'
    """
    if not isinstance(require, str) or require not in ("any", "all"):
        raise ArchitectureError(f"require is {require!r:.80}; give 'any' or 'all'")
    ranges = {}
    for measure, least, most in (("params", min_params, max_params), ("flops", min_flops, max_flops)):
        for name, end in ((f"min_{measure}", least), (f"max_{measure}", most)):
            if end is not None and not _is_number(end):
                raise ArchitectureError(f"{name} is {end!r:.80}; give a number")
        if least is not None and most is not None and least > most:
            raise ArchitectureError(
                f"min_{measure} is {_plain(least)}, above max_{measure}, {_plain(most)}; exchange them"
            )
        if least is not None or most is not None:
            ranges[measure] = (-math.inf if least is None else least, math.inf if most is None else most)
    return Limits(ranges, require)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and value == value


def _words(measure: str, least: float, most: float) -> str:
    if least == -math.inf:
        return f"{measure} <= {_plain(most)}"
    return f"{measure} >= {_plain(least)}" if most == math.inf else f"{_plain(least)} <= {measure} <= {_plain(most)}"


def _plain(end: float) -> str:
    return f"{int(end):,}" if math.isfinite(end) and end == int(end) else f"{end:,}"
