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

__all__ = ["Columns", "objects"]

_COUNTS = ("params", "flops", "acts")
_FLOAT_COLUMNS = ("error", "final_error", "lr", "weight_decay", "epochs", "iter_time")


@dataclass
class Columns:
    """Columns of a population as they grow, chunk by chunk."""

    rows: dict[str, list[Sequence[Any]]] = field(default_factory=dict)
    curves: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    count: int = 0
    absent: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=set)
    places: list[Sequence[int]] = field(default_factory=list)

    def append(
        self, rows: Mapping[str, Sequence[Any]], tables: Mapping[str, NDArray[np.float64]], places: Sequence[int]
    ) -> None:
        """Add jobs, which stand at `places` of their list; a column that only some jobs have is filled with None."""
        count = len(places)
        self.places.append(places)
        for name in rows:
            if name not in self.rows:
                self.rows[name] = [[None] * self.count]
        for name, known in self.rows.items():
            known.append(rows[name] if name in rows else [None] * count)
        for name, table in tables.items():
            self.curves.setdefault(name, []).append(table)
        self.count += count

    def without_partial_counts(self, label: str) -> list[str]:
        """Leave out the jobs that lack a count which others have; returns what to say of each."""
        gone: dict[int, str] = {}
        for name in _COUNTS:
            values = list(chain.from_iterable(self.rows.get(name, ())))
            if name not in self.absent and values.count(None) not in (0, len(values)):
                gone |= {row: name for row, value in enumerate(values) if value is None and row not in gone}
        if not gone:
            return []
        places, groups = list(chain.from_iterable(self.places)), list(chain.from_iterable(self.rows["group"]))
        said = [_missing(label, places[row], groups[row], name) for row, name in sorted(gone.items())]
        kept = np.array([row not in gone for row in range(self.count)])
        keep = [row for row in range(self.count) if row not in gone]
        for name, pieces in self.rows.items():
            values = list(chain.from_iterable(pieces))
            self.rows[name] = [[values[row] for row in keep]]
        ends = np.cumsum([len(piece) for piece in self.places])
        for tables in self.curves.values():
            tables[:] = [table[part] for table, part in zip(tables, np.split(kept, ends[:-1]), strict=True)]
        self.places, self.count = [[places[row] for row in keep]], len(keep)
        return said

    def finish(self, label: str) -> dict[str, Any]:
        """Arrays of the columns. Those that no job has are left out, unless our own file says that they are `empty`.

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
            if name in _COUNTS and values:
                missing = values.count(None)
                if missing == len(values):
                    continue
                if missing:
                    row = values.index(None)
                    group = list(chain.from_iterable(self.rows["group"]))[row]
                    raise FormatError(_missing(label, list(chain.from_iterable(self.places))[row], group, name))
                done[name] = np.array(values, dtype=np.int64)
            elif name == "seed":
                done[name] = np.array(values, dtype=np.int64)
            elif name in _FLOAT_COLUMNS:
                array = np.array(values, dtype=np.float64)
                if name == "error" or name in self.empty or not np.isnan(array).all():
                    done[name] = array
            else:
                done[name] = objects(values)
        width = max((piece.shape[1] for pieces in self.curves.values() for piece in pieces), default=0)
        stored = sum(piece.size for pieces in self.curves.values() for piece in pieces)
        if width * self.count * len(self.curves) > MAX_TABLE_WASTE * (stored + 1_000_000):
            raise FormatError(
                f"{label}: some job has a curve of {width} entries, far more than the others; leave it out"
            )
        for name, tables in self.curves.items():
            if name not in self.empty and not any(table.shape[1] for table in tables):  # no job has this curve
                continue
            done[name] = _stack(tables, width)
            tables.clear()
        return done


def _missing(label: str, place: int, group: str, name: str) -> str:
    where = f"job {place}" + (f" of {group!r}" if group else "")
    return (
        f"{label}: {where}, key '{name}': missing, though other jobs have it; add it, or pass errors='skip' to leave "
        "such jobs out"
    )


def objects(values: Sequence[Any]) -> NDArray[np.object_]:
    """Values of any kind as an array of one dimension; NumPy alone would make lists of one length a table."""
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
