"""How a trial is computed, and whether it went on in another way after it was interrupted."""

from __future__ import annotations

import itertools
import logging
from typing import Any

__all__ = ["Way", "in_words", "note"]

logger = logging.getLogger("trainers")

#: Precision, threads, kernels: what the numbers of a training depend on beside the trial itself.
Way = dict[str, Any]


def note(ways: list[Way], now: Way) -> None:
    """Add how the trial is computed from here on, and say so where that is not how it began."""
    before = ways[-1] if ways else now
    changed = [f"{name} {before.get(name)}, now {value}" for name, value in now.items() if before.get(name) != value]
    if changed:
        logger.warning(
            "the trial was computed otherwise before it was interrupted (%s); its numbers may differ by rounding from "
            "those of one that was not", "; ".join(changed),
        )  # fmt: skip
    if changed or not ways:
        ways.append(now)


def in_words(ways: list[Way]) -> Way:
    """Each part in the order in which it changed; kernels that were always torch's own are not named.

    Examples
    --------
    >>> in_words([{"precision": "fp32", "kernels": "torch"}])
    {'precision': 'fp32'}
    >>> in_words([{"threads": 2, "kernels": "c"}, {"threads": 1, "kernels": "c"}])
    {'threads': '2, then 1', 'kernels': 'c'}
    """
    found = {}
    for name in dict.fromkeys(name for way in ways for name in way):
        values = [value for value, _ in itertools.groupby(way.get(name) for way in ways)]
        if (name, values) != ("kernels", ["torch"]):
            found[name] = values[0] if len(values) == 1 else ", then ".join(map(str, values))
    return found
