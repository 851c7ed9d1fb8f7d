"""Uniform sampling from any space that is a product of independent choices, within limits of complexity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from trainers.spaces.errors import ArchitectureError
from trainers.spaces.values import generator_of, whole_number

__all__ = ["ENUMERABLE", "digits_of", "sample_digits"]

Digits = NDArray[np.int64]

#: Candidates drawn at once. Fixed, so that a longer sample of the same seed begins with the shorter one.
_BATCH = 4096

#: Spaces up to this size are gone through completely when sampled without replacement.
ENUMERABLE = 1 << 22

#: Candidates after which limits that let next to nothing through are given up: this many, and so many for each wanted.
_PATIENCE, _PATIENCE_EACH = 20_000_000, 1000

#: Where nothing passed so far and enough would pass in time, a part of that time in which something had passed, but
#: for a chance of exp(-12).
_HOPE = 12


def sample_digits(
    n: int,
    radices: tuple[int, ...],
    rng: np.random.Generator | int | None,
    *,
    accepts: Callable[[Digits], NDArray[np.bool_]] | None,
    nothing_left: Callable[[], str | None],
    limits: str,
    remedy: Callable[[], str],
    replace: bool,
) -> tuple[Digits, int]:
    """Rows of digits, uniform over the product of ranges, of which `accepts` lets pass.

    Parameters
    ----------
    n : int
        Rows wanted.
    radices : tuple of int
        Number of choices of each digit.
    rng : Generator, int or None
    accepts : callable, optional
        From digits (m, k) to booleans (m,).
    nothing_left : callable
        Why nothing can pass, or None where something can; asked only if nothing passed so far.
    limits : str
        The restriction in words, for messages.
    remedy : callable
        What to do where next to nothing passes, for messages.
    replace : bool
        Whether a row may come twice.

    Returns
    -------
    digits : int array, shape (n, k)
    drawn : int
        Candidates looked at, up to and including the last one kept.

    Raises
    ------
    ArchitectureError
        If the restriction leaves nothing, or fewer than wanted.
    """
    n = whole_number(n, "n", least=0)
    generator = generator_of(rng)
    size = math.prod(radices)
    if not replace and n > size:
        raise ArchitectureError(
            f"n is {n}, but the space holds {size} architectures; ask for fewer or use replace=True"
        )
    whole = not replace and size <= ENUMERABLE
    batches = _shuffled(radices, size, generator) if whole else _drawn(radices, generator)
    kept: list[Digits] = []
    seen: set[bytes] | None = None if replace or whole else set()
    have = looked = 0
    for batch in batches:
        if have >= n:
            break
        passed = np.ones(len(batch), dtype=bool) if accepts is None else accepts(batch)
        if seen is not None:
            passed = _first_time(batch, passed, seen)
        rows = np.flatnonzero(passed)[: n - have]
        kept.append(batch[rows])
        have += len(rows)
        looked += int(rows[-1]) + 1 if have == n and len(rows) else len(batch)
        if have == 0 and (why := nothing_left()):
            raise ArchitectureError(why)
        patience = _PATIENCE + _PATIENCE_EACH * n
        if have < n and looked >= (patience if have else patience * min(1, _HOPE / n)):
            raise ArchitectureError(f"{limits} let {have} of {looked:,} candidates pass, {n} are wanted; {remedy()}")
    if have < n:
        raise ArchitectureError(
            f"{limits} leaves {have} of the {size} architectures of the space, {n} are wanted without replacement; "
            "widen the limits or ask for fewer"
        )
    return (np.concatenate(kept) if kept else np.empty((0, len(radices)), dtype=np.int64)), looked


def digits_of(indices: NDArray[np.int64], radices: tuple[int, ...]) -> Digits:
    """Digits of numbers in a mixed radix, the last digit running fastest; shape (n, k).

    Examples
    --------
    >>> digits_of(np.array([0, 3, 5]), (2, 3)).tolist()
    [[0, 0], [1, 0], [1, 2]]
    """
    # Not `unravel_index`, which refuses spaces of more architectures than an int64 counts.
    digits = np.empty((len(indices), len(radices)), dtype=np.int64)
    rest = indices
    for column in range(len(radices) - 1, -1, -1):
        rest, digits[:, column] = np.divmod(rest, radices[column])
    return digits


def _drawn(radices: tuple[int, ...], generator: np.random.Generator) -> Iterator[Digits]:
    highs = np.array(radices, dtype=np.int64)
    while True:
        yield generator.integers(0, highs, size=(_BATCH, len(radices)), dtype=np.int64)


def _shuffled(radices: tuple[int, ...], size: int, generator: np.random.Generator) -> Iterator[Digits]:
    order = generator.permutation(size)
    for start in range(0, size, _BATCH):
        yield digits_of(order[start : start + _BATCH], radices)


def _first_time(batch: Digits, passed: NDArray[np.bool_], seen: set[bytes]) -> NDArray[np.bool_]:
    fresh = passed.copy()
    compact = batch.astype(np.int32)
    for row in np.flatnonzero(passed):
        key = compact[row].tobytes()
        fresh[row] = key not in seen
        seen.add(key)
    return fresh
