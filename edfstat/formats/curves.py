"""Curves over epochs: from the text of many lists to one table, many lists at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

from edfstat.formats.limits import MAX_TABLE_WASTE

__all__ = ["SPELLED_TEXT", "BadJob", "curve_table", "one_curve"]

#: What NaN, Infinity and -Infinity are spelled as once they are strings (see `edfstat.formats.jobs.spell_nan`).
SPELLED_TEXT = frozenset(("N", "Infini", "-Infini"))
_FLOATS = msgspec.json.Decoder(list[float])
_ANY = msgspec.json.Decoder()


class BadJob(Exception):
    """A job that makes no sense: where in its list, under which key, and why."""

    def __init__(self, index: int, key: str, reason: str) -> None:
        super().__init__(index, key, reason)
        self.index, self.key, self.reason = index, key, reason


def curve_table(raws: Sequence[Raw], key: str) -> NDArray[np.float64]:
    """Curves of one kind, one row per job, NaN beyond each job's last epoch.

    Raises
    ------
    BadJob
        If a list holds anything but numbers, or an error is no percentage.
    """
    texts = [bytes(raw) for raw in raws]
    # Lists with a null or a word in them are rare and go one by one; the numbers of the others are decoded together.
    plain = [i for i, text in enumerate(texts) if text[:1] == b"[" and b'"' not in text and b"u" not in text]
    inner = {i: texts[i][1:-1] for i in plain}
    lengths = np.zeros(len(texts), dtype=np.intp)
    for i, text in inner.items():
        lengths[i] = text.count(b",") + 1 if text.strip() else 0
    try:
        flat = _FLOATS.decode(b"[" + b",".join(inner[i] for i in plain if lengths[i]) + b"]")
    except (msgspec.DecodeError, RecursionError):
        plain, flat, lengths = [], [], np.zeros(len(texts), dtype=np.intp)
    others = {i: one_curve(texts[i], key, i) for i in sorted(set(range(len(texts))) - set(plain))}
    for i, values in others.items():
        lengths[i] = len(values)
    return _filled(np.fromiter(flat, np.float64, len(flat)), plain, others, lengths, key)


def _filled(
    flat: NDArray[np.float64],
    plain: list[int],
    others: dict[int, Sequence[float]],
    lengths: NDArray[np.intp],
    key: str,
) -> NDArray[np.float64]:
    width = int(lengths.max(initial=0))
    if width * lengths.size > MAX_TABLE_WASTE * (int(lengths.sum()) + 10_000):
        raise BadJob(int(lengths.argmax()), key, f"it has {width} entries, far more than the other jobs")
    if not others and lengths.size * width == flat.size:  # all as long as the longest
        return _checked(flat.reshape(lengths.size, width), key)
    table = np.full((lengths.size, width), np.nan)
    reach = np.arange(width) < lengths[:, None]
    for i, values in others.items():
        reach[i] = False
        table[i, : len(values)] = values
    table[reach] = flat  # row by row, as the lists were joined
    return _checked(table, key)


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
