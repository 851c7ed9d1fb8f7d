"""Columns of a population as they grow, piece by piece of a file, and the arrays they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.errors import FormatError
from edfstat.formats.limits import MAX_TABLE_WASTE

__all__ = ["Columns"]

_FLOAT_COLUMNS = ("error", "final_error", "lr", "weight_decay", "epochs", "iter_time")


@dataclass
class Columns:
    """Columns of a population as they grow, chunk by chunk."""

    rows: dict[str, list[Sequence[Any]]] = field(default_factory=dict)
    curves: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    count: int = 0
    absent: set[str] = field(default_factory=set)

    def append(self, rows: Mapping[str, Sequence[Any]], tables: Mapping[str, NDArray[np.float64]], count: int) -> None:
        """Add `count` jobs; a column that was not there before, or is not there now, is filled up with None."""
        for name in rows:
            if name not in self.rows:
                self.rows[name] = [[None] * self.count]
        for name, known in self.rows.items():
            known.append(rows[name] if name in rows else [None] * count)
        for name, table in tables.items():
            self.curves.setdefault(name, []).append(table)
        self.count += count

    def finish(self, label: str) -> dict[str, Any]:
        """Arrays, without the columns that no job has.

        Raises
        ------
        FormatError
            If a count is known for some models but not for all.
        """
        done: dict[str, Any] = {}
        for name, pieces in self.rows.items():
            if name in self.absent:
                continue
            values = list(chain.from_iterable(pieces))
            if name in ("params", "flops", "acts") and values:
                missing = values.count(None)
                if missing == len(values):
                    continue
                if missing:
                    raise FormatError(
                        f"{label}: job {values.index(None)}, key '{name}': missing, though other jobs have it; "
                        "add it, or pass errors='skip' to leave such jobs out"
                    )
                done[name] = np.array(values, dtype=np.int64)
            elif name in ("seed",):
                done[name] = np.array(values, dtype=np.int64)
            elif name in _FLOAT_COLUMNS:
                array = np.array(values, dtype=np.float64)
                if name == "error" or not np.isnan(array).all():
                    done[name] = array
            else:
                done[name] = _objects(values)
        width = max((piece.shape[1] for pieces in self.curves.values() for piece in pieces), default=0)
        stored = sum(piece.size for pieces in self.curves.values() for piece in pieces)
        if width * self.count * len(self.curves) > MAX_TABLE_WASTE * (stored + 1_000_000):
            raise FormatError(
                f"{label}: some job has a curve of {width} entries, far more than the others; leave it out"
            )
        for name, tables in self.curves.items():
            if not any(table.shape[1] for table in tables):  # no job has this curve
                continue
            done[name] = _stack(tables, width)
            tables.clear()
        return done


def _objects(values: Sequence[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _stack(pieces: list[NDArray[np.float64]], width: int) -> NDArray[np.float64]:
    if len(pieces) == 1 and pieces[0].shape[1] == width:
        return pieces[0]
    table = np.full((sum(map(len, pieces)), width), np.nan)
    start = 0
    for piece in pieces:
        table[start : start + len(piece), : piece.shape[1]] = piece
        start += len(piece)
    return table
