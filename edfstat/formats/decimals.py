"""Lists of short decimal numbers, such as curves of errors: their text becomes one array, eight letters at a time.

A number of at most eight letters fits into one 64-bit word. Its digits, with the point taken out, make a whole
number n below 10^8, and of n and 10^k, which are both exact, the quotient is the double nearest to the text: the
same one that any correct reader gives (Clinger 1990, How to read floating point numbers accurately).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["short_decimals"]

_LETTERS = 8
_FEWEST = len("0.1")
_COMMA, _SPACE, _OPEN, _CLOSE = b", []"
_POWERS = 10.0 ** np.arange(_LETTERS)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_ZEROS = np.uint64(0x3030_3030_3030_3030)
_POINTS = np.uint64(0x1E1E_1E1E_1E1E_1E1E)  # "." and "0" differ in these bits
_ONES = np.uint64(0x0101_0101_0101_0101)
#: Added to a byte, sets its highest bit if it is above nine.
_TO_128 = np.uint64(0x7676_7676_7676_7676)
_HIGHEST = np.uint64(0x8080_8080_8080_8080)
#: Neighbours are put together: digits to pairs, pairs to fours, fours to eight.
_STEPS = tuple(
    (np.uint64(weight), np.uint64(8 * width), np.uint64(kept))
    for weight, width, kept in (
        (10, 1, 0x00FF_00FF_00FF_00FF),
        (100, 2, 0x0000_FFFF_0000_FFFF),
        (10_000, 4, 0xFFFF_FFFF),
    )
)

Numbers = NDArray[np.float64]
Counts = NDArray[np.intp]
Words = NDArray[np.uint64]


def short_decimals(lists: bytes) -> tuple[Numbers, Counts] | None:
    """Values of lists of numbers that are written one after the other, and how many each list has.

    Parameters
    ----------
    lists : bytes
        JSON text of the lists, with nothing between one and the next.

    Returns
    -------
    values : ndarray of float, shape (numbers,)
    counts : ndarray of int, shape (lists,)
    or None if anything in the text is not a list of one or more numbers with a point, digits on both sides of it and
    at most eight letters. Then another reader has to tell what it is.

    Examples
    --------
    >>> values, counts = short_decimals(b"[12.5, 0.25][100.0]")
    >>> values.tolist(), counts.tolist()
    ([12.5, 0.25, 100.0], [2, 1])
    >>> short_decimals(b"[12.5, NaN]") is None
    True
    """
    padded = b"\0" * _LETTERS + lists  # a word that ends with the first number starts before the text
    codes = np.frombuffer(padded, dtype=np.uint8)
    ends = np.flatnonzero((codes == _COMMA) | (codes == _CLOSE))
    if not ends.size or ends[-1] != codes.size - 1:
        return None
    closed = codes[ends] == _CLOSE
    lengths = _lengths(codes, ends, closed)
    if lengths is None or lengths.min() < _FEWEST or lengths.max() > _LETTERS:
        return None
    words = np.ndarray(codes.size - _LETTERS + 1, np.dtype("V8"), padded, strides=(1,))[ends - _LETTERS]
    unused = (8 * (_LETTERS - lengths)).view(np.uint64)  # bits of a word that stand before the number
    digits, decimals = _without_point((words.view("<u8") ^ _ZEROS) & (_ALL << unused))
    if not _are_digits(digits, decimals, lengths, unused):
        return None
    for weight, bits, kept in _STEPS:
        higher = digits >> bits
        digits *= weight
        digits += higher
        digits &= kept
    return digits / _POWERS[decimals], np.diff(np.flatnonzero(closed), prepend=-1)


def _lengths(codes: NDArray[np.uint8], ends: Counts, closed: NDArray[np.bool_]) -> Counts | None:
    """Letters of each number: from after a comma and perhaps a space, or from after the bracket of the next list."""
    starts = np.empty_like(ends)
    starts[0] = _LETTERS
    np.add(ends[:-1], 1, out=starts[1:])
    before = codes[starts]
    opened = before == _OPEN
    if not (opened[0] and np.array_equal(opened[1:], closed[:-1])):
        return None
    starts += opened
    starts += before == _SPACE
    return np.subtract(ends, starts, out=starts)


def _without_point(numbers: Words) -> tuple[Words, Counts]:
    """The digits, one a byte, the last one in the highest byte, and how many of them stand behind the point.

    The lowest byte that is zero is where subtracting one from every byte first sets a highest bit; what stands
    before a number is taken out before, so that it holds no other point.
    """
    no_point = numbers ^ _POINTS
    found = (no_point - _ONES) & ~no_point & _HIGHEST
    before = found ^ (found - np.uint64(1))  # all bits up to the point's byte; all of them if there is no point
    digits = (numbers & ~before) | ((numbers << np.uint64(8)) & before)
    bytes_before = ((before & _ONES) * _ONES) >> np.uint64(56)
    return digits, _LETTERS - bytes_before.view(np.int64)


def _are_digits(digits: Words, decimals: Counts, lengths: Counts, unused: Words) -> bool:
    """Whether there is nothing else, a digit on both sides of the point, and no 0 before another digit."""
    strange = np.bitwise_or.reduce((digits + _TO_128) | digits) & _HIGHEST
    whole = lengths - decimals
    if strange or decimals.min() < 1 or whole.min() < len("1."):
        return False
    first = (digits >> unused) & np.uint64(0xFF00)
    return not ((first == 0) & (whole > len("1."))).any()  # 007.5 is not JSON
