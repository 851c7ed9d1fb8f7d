"""Curves over epochs: from the text of many lists to one table, many lists at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edfstat.formats.limits import MAX_TABLE_WASTE

__all__ = ["SPELLED_TEXT", "BadJob", "curve_table", "one_curve"]

#: What NaN, Infinity and -Infinity are spelled as once they are strings (see `edfstat.formats.jobs.spell_nan`).
SPELLED_TEXT = frozenset(("N", "Infini", "-Infini"))
_FLOATS = msgspec.json.Decoder(list[float])
_LISTS = msgspec.json.Decoder(list[list[float]])
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
    rows = _rows(texts, key)
    lengths = np.fromiter(map(len, rows), np.intp, len(rows))
    width, total = int(lengths.max(initial=0)), int(lengths.sum())
    if width * lengths.size > MAX_TABLE_WASTE * (total + 10_000):
        raise BadJob(int(lengths.argmax()), key, f"it has {width} entries, far more than the other jobs")
    flat = np.fromiter(chain.from_iterable(rows), np.float64, total)
    if lengths.size * width == total:  # all as long as the longest
        return _checked(flat.reshape(lengths.size, width), key)
    table = np.full((lengths.size, width), np.nan)
    table[np.arange(width) < lengths[:, None]] = flat  # row by row, as the lists were joined
    return _checked(table, key)


def _rows(texts: Sequence[bytes], key: str) -> Sequence[Sequence[float]]:
    """Values of each list, all decoded at once but for those with a word in them, such as NaN."""
    joined = b",".join(texts)
    try:
        if not any(sign in joined for sign in _SIGNS) and b"" not in texts:
            return _decoded(joined, len(texts))
        plain = [i for i, text in enumerate(texts) if text and not any(sign in text for sign in _SIGNS)]
        found = dict(zip(plain, _decoded(b",".join([texts[i] for i in plain]), len(plain)), strict=True))
    except (msgspec.DecodeError, RecursionError):
        found = {}
    return [found[i] if i in found else one_curve(text, key, i) for i, text in enumerate(texts)]


def _decoded(joined: bytes, count: int) -> list[list[float]]:
    rows: list[list[float]] = _LISTS.decode(b"[" + joined + b"]")
    if len(rows) != count:
        raise msgspec.DecodeError("a list is no single list")
    return rows


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
