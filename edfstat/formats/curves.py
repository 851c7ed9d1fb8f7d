"""Curves over epochs: from the text of many lists to one table, many lists at a time."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edfstat.formats.decimals import short_decimals
from edfstat.formats.limits import MAX_TABLE_WASTE

__all__ = ["SPELLED_TEXT", "BadJob", "curve_table", "one_curve", "with_words"]

#: What NaN, Infinity and -Infinity are spelled as once they are strings (see `edfstat.formats.jobs.spell_nan`).
SPELLED_TEXT = frozenset(("N", "Infini", "-Infini"))
_FLOATS = msgspec.json.Decoder(list[float])
_LISTS = msgspec.json.Decoder(list[list[float]])
#: Text that is read at a time: what comes of it stays in the processor's cache.
_BATCH = 96 << 10
#: One of these is in every list that holds a word (null, NaN, Infinity) or a text.
_SIGNS = (b"N", b"u", b"I", b'"')
_WORD = re.compile(rb"-?Infinity|NaN")
_ANY = msgspec.json.Decoder()


class BadJob(Exception):
    """A job that makes no sense: where in its list, under which key, and why."""

    def __init__(self, index: int, key: str, reason: str) -> None:
        super().__init__(index, key, reason)
        self.index, self.key, self.reason = index, key, reason


def curve_table(texts: Sequence[bytes], key: str) -> NDArray[np.float64]:
    """Curves of one kind, one row per job, NaN beyond each job's last epoch.

    Parameters
    ----------
    texts : sequence of bytes
        JSON text of each list, empty where a job has none.
    key : str
        What the lists are called in the file.

    Raises
    ------
    BadJob
        If a list holds anything but numbers, or an error is no percentage.
    """
    size = sum(map(len, texts))
    step = max(1, _BATCH * len(texts) // max(size, 1))
    batches = [_values(texts[start : start + step], key, start) for start in range(0, len(texts), step)]
    flat = np.concatenate([values for values, _ in batches] or [np.empty(0)])
    lengths = np.concatenate([counts for _, counts in batches] or [np.empty(0, np.intp)])
    width = int(lengths.max(initial=0))
    if width * lengths.size > MAX_TABLE_WASTE * (flat.size + 10_000):
        raise BadJob(int(lengths.argmax()), key, f"it has {width} entries, far more than the other jobs")
    if lengths.size * width == flat.size:  # all as long as the longest
        return _checked(flat.reshape(lengths.size, width), key)
    table = np.full((lengths.size, width), np.nan)
    table[np.arange(width) < lengths[:, None]] = flat  # row by row, as the lists were joined
    return _checked(table, key)


def _values(texts: Sequence[bytes], key: str, first: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Values of lists, one list after the other, and how many each has; lists with a word are read one by one."""
    places = with_words(texts)
    if b"" in texts:
        places |= {i for i, text in enumerate(texts) if not text}
    odd = sorted(places)
    try:
        values, counts = _numbers([text for i, text in enumerate(texts) if i not in places] if odd else texts)
    except (msgspec.DecodeError, RecursionError):  # one by one, to tell which
        values, counts, odd = np.empty(0), np.empty(0, np.intp), [*range(len(texts))]
    if not odd:
        return values, counts
    between = np.array(odd) - np.arange(len(odd))  # how many of the other lists come before each
    rows = [np.array(one_curve(texts[i], key, first + i), dtype=np.float64) for i in odd]
    lasts = np.concatenate([[0], np.cumsum(counts)])
    pieces = np.split(values, lasts[between])
    joined = [part for pair in zip(pieces, rows, strict=False) for part in pair]
    return np.concatenate([*joined, pieces[-1]]), np.insert(counts, between, [row.size for row in rows])


def with_words(texts: Sequence[bytes]) -> set[int]:
    """Places of the lists that hold a word (null, NaN, Infinity) or a text."""
    joined, ends = b"".join(texts), [*accumulate(map(len, texts))]
    found = set()
    for sign in _SIGNS:
        place = joined.find(sign)
        while place >= 0:
            index = bisect_right(ends, place)
            found.add(index)
            place = joined.find(sign, ends[index])
    return found


def _numbers(texts: Sequence[bytes]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Values of lists of numbers, and how many each has."""
    short = short_decimals(b"".join(texts))
    if short is not None and short[1].size == len(texts):
        return short
    rows: list[list[float]] = _LISTS.decode(b"[" + b",".join(texts) + b"]")
    if len(rows) != len(texts):
        raise msgspec.DecodeError("a list is no single list")
    counts = np.fromiter(map(len, rows), np.intp, len(rows))
    return np.fromiter(chain.from_iterable(rows), np.float64, int(counts.sum())), counts


def _checked(table: NDArray[np.float64], key: str) -> NDArray[np.float64]:
    """The table, if errors are percentages: the extremes decide the usual case in two passes."""
    if key.endswith("top1") and table.size:
        low, high = np.fmin.reduce(table, axis=None), np.fmax.reduce(table, axis=None)
        if low < 0 or high > 100:
            index, epoch = (int(i) for i in np.argwhere((table < 0) | (table > 100))[0])
            raise BadJob(index, f"{key}[{epoch}]", f"{table[index, epoch]} is outside 0 to 100 percent")
    return table


def one_curve(text: bytes, key: str, index: int) -> Sequence[float]:
    """Values of one list; null and what is not finite become NaN."""
    if not text or text == b"null":
        return ()
    if b'"' not in text:  # taken out of the file before it was decoded, so words are still bare
        text = _WORD.sub(b"null", text)
    try:
        return _FLOATS.decode(text)
    except msgspec.ValidationError as error:
        complaint = str(error).replace("`", "")
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadJob(index, key, str(error)) from None
    values: Iterable[Any] = _ANY.decode(text)
    if isinstance(values, list) and all(
        value is None or type(value) in (int, float) or (isinstance(value, str) and value in SPELLED_TEXT)
        for value in values
    ):
        return [math.nan if value is None or isinstance(value, str) else float(value) for value in values]
    raise BadJob(index, key, complaint)
