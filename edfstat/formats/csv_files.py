"""CSV files: a header line, then one row per trained model."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from edfstat.errors import FormatError
from edfstat.formats.limits import MAX_JOB_BYTES
from edfstat.formats.published import Reading
from edfstat.formats.sources import Source
from edfstat.formats.tables import population_of_table, table_of

__all__ = ["read_csv", "write_csv"]

#: Rows that are turned into columns at a time.
BLOCK = 256


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
        lines = csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True)
        header = next((line for line in lines if line), [])
        cells, uneven, count = _columns(lines, len(header))
    except (UnicodeDecodeError, csv.Error) as error:
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
        frame, source.label, reading, columns=columns, space=space, attrs=attrs, numbers=numbers
    )
    return (
        population
        if "source" in frame.columns
        else population.assign_coords(source=("model", np.full(population.sizes["model"], source.name, dtype=object)))
    )


def _columns(lines: Iterator[list[str]], width: int) -> tuple[list[list[str]], dict[int, int], int]:
    """Columns of the rows that have `width` fields; the others and their fields; how many rows there are.

    Rows are turned into columns some hundreds at a time: the garbage collector looks through lists that live longer.
    """
    columns: list[list[str]] = [[] for _ in range(width)]
    uneven: dict[int, int] = {}
    count = 0
    while block := list(islice(lines, BLOCK)):
        if set(map(len, block)) != {width}:
            block = [line for line in block if line]
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
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
        writer.writerow(frame.columns)
        for row in frame.itertuples(index=False, name=None):
            writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return json.dumps([item if item == item else None for item in value])
    if isinstance(value, float):
        return "" if value != value else repr(float(value))
    return str(value)
