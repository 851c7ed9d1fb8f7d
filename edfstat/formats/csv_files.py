"""CSV files: a header line, then one row per trained model."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import xarray as xr

from edfstat.errors import FormatError
from edfstat.formats.limits import MAX_JOB_BYTES
from edfstat.formats.published import Reading
from edfstat.formats.sources import Source
from edfstat.formats.tables import known_columns, population_of_table, table_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_csv", "write_csv"]

#: Rows that are turned into columns at a time.
BLOCK = 256

#: Characters within which the header ends.
HEAD = 1 << 20

#: Separators of cells that are recognised; the first is the one that is written.
MARKS = ",;\t|"

#: First line of a file that tells Excel the separator.
_TOLD = re.compile(r"sep=([,;\t|])\r?\n")


def read_csv(
    source: Source, reading: Reading, *, columns: Mapping[str, str] | None = None, space: str | None = None
) -> xr.Dataset:
    """Population of a CSV file: a header line, then one row per model."""
    import pandas as pd

    with source.open() as stream:
        text = stream.read_all(MAX_JOB_BYTES)
        facts = {"file": source.name, "sha256": stream.sha256, "bytes": stream.size}
    try:
        csv.field_size_limit(MAX_JOB_BYTES)
        tabs = source.name.lower().removesuffix(".gz").endswith(".tsv")
        header, lines = _opened(_decoded(text), known_columns(columns), tabs=tabs)
        cells, uneven, count = _columns(lines, len(header))
    except UnicodeDecodeError as error:
        # Which of the older encodings it is cannot be told, and a wrong one would give other names of spaces.
        raise FormatError(f"{source.label} is no UTF-8 ({error}); save it again as CSV UTF-8") from None
    except csv.Error as error:
        raise FormatError(f"{source.label} is no readable CSV ({error}); save it again as UTF-8") from None
    if not count:
        raise FormatError(f"{source.label} has no rows; a population needs a header and at least one model")
    if len(set(header)) < len(header):
        raise FormatError(f"{source.label} names a column twice in its header {header[:40]}; rename one")
    for row, fields in uneven.items():
        _refuse(row, fields, header, source, reading)
    numbers: Sequence[int] = [row for row in range(count) if row not in uneven] if uneven else range(count)
    frame = pd.DataFrame(dict(zip(header, cells, strict=True)), dtype=object)
    attrs = {"sources": json.dumps([facts])}
    population = population_of_table(
        frame, source.label, reading, columns=columns, space=space, attrs=attrs, numbers=numbers, typed=False
    )
    if "source" in frame.columns:
        return population
    return population.assign_coords(source=("model", np.full(population.sizes["model"], source.name, dtype=object)))


def _decoded(content: bytes) -> str:
    """Text of a file: UTF-8, or UTF-16 if it begins with the mark of that, as what Excel calls Unicode does."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig")


def _opened(text: str, known: Container[str], *, tabs: bool) -> tuple[list[str], Iterator[list[str]]]:
    """Header and rows, split at the separator that suits both and gives names that are known.

    Of several such separators it is the one that the file's name says, else the one that gives most columns, in doubt
    the comma. A column without a name, such as the row numbers that pandas writes, gets the name that pandas gives it.
    """
    told = _TOLD.match(text)
    text = text[told.end() :] if told else text
    firsts = {mark: _first_lines(text[:HEAD], mark) for mark in (told[1] if told else MARKS)}

    def suits(mark: str) -> tuple[bool, bool, bool, int]:
        header, row = firsts[mark]
        named = any(name.strip() in known for name in header)
        return len(header) > 1 and len(row) in (0, len(header)), named, tabs and mark == "\t", len(header)

    mark = max(firsts, key=suits)
    header = firsts[mark][0]
    # A space after each mark is part of how the file is written, not of names and texts.
    spaced = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    lines = _lines(text, mark, spaced=spaced)
    names = [name or f"Unnamed: {place}" for place, name in enumerate(next(filter(None, lines), []))]
    bare = [name.strip() if name.strip() in known else name for name in names]
    return bare if len(set(bare)) == len(set(names)) else names, lines


def _first_lines(text: str, mark: str) -> tuple[list[str], list[str]]:
    """Header and first row; the row is empty where there is none, or it ends beyond what is looked at."""
    lines = filter(None, _lines(text, mark))
    try:
        header = next(lines, [])
    except csv.Error:  # quoted names, and another mark after them
        return [], []
    try:
        return header, next(lines, [])
    except csv.Error:
        return header, []


def _lines(text: str, mark: str, *, spaced: bool = False) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=spaced, strict=True)


def _columns(lines: Iterator[list[str]], width: int) -> tuple[list[list[str]], dict[int, int], int]:
    """Columns of the rows that have `width` fields; the others and their fields; how many rows there are.

    Rows are turned into columns some hundreds at a time: the garbage collector looks through lists that live longer.
    """
    columns: list[list[str]] = [[] for _ in range(width)]
    uneven: dict[int, int] = {}
    count = 0
    while block := list(islice(lines, BLOCK)):
        if set(map(len, block)) != {width} or not all(map(any, block)):
            block = [line for line in block if any(line)]  # a line of marks alone, as spreadsheets write, is empty
            uneven |= {count + i: len(line) for i, line in enumerate(block) if len(line) != width}
        whole = [line for line in block if len(line) == width] if uneven else block
        count += len(block)
        for column, cells in zip(columns, zip(*whole), strict=bool(whole)):
            column.extend(cells)
    return columns, uneven, count


def _refuse(row: int, fields: int, header: list[str], source: Source, reading: Reading) -> None:
    said = (
        f"{source.label}: row {row} has {fields} fields for {len(header)} columns; correct it, or pass "
        "errors='skip' to leave such rows out"
    )
    if not reading.skip:
        raise FormatError(said)
    reading.skipped.append(said)


def write_csv(population: xr.Dataset, path: Path) -> None:
    """Write a table: floats in full, what is not known empty, curves as JSON lists."""
    frame = table_of(population)
    unknown = [_unknown(frame[name]) for name in frame.columns]
    with path.open("w", encoding="utf-8", newline="") as file:
        # Cells that hold an end of a line, of either kind, are quoted only if both are in the writer's own.
        writer = csv.writer(_UnixLines(file), quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
        writer.writerow(frame.columns)
        for row in frame.itertuples(index=False, name=None):
            writer.writerow(map(_cell, row, unknown))


class _UnixLines:
    """File whose lines, written one by one, end as they do on Unix."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line.removesuffix("\r\n") + "\n")


def _unknown(column: pd.Series[Any]) -> str:
    """How a number that is none is written: as nothing, but where there are no others this would read as text."""
    return "nan" if column.dtype.kind == "f" and column.isna().all() else ""


def _cell(value: Any, unknown: str) -> str:
    if isinstance(value, list):
        return json.dumps([item if item == item else None for item in value])
    if isinstance(value, float):
        return unknown if value != value else repr(float(value))
    return str(value)
