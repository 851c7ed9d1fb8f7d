"""Tables, one row per trained model: DataFrames with any column names, by a mapping."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import FormatError, InputError, PopulationError
from edfstat.formats.extra_columns import guessed_column, is_missing, text_of, typed_column
from edfstat.formats.naming import describe_name
from edfstat.formats.published import Reading
from edfstat.formats.run_states import ended_runs
from edfstat.notes import note
from edfstat.population import COORDINATES, STATUSES, VARIABLES, build_population

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["known_columns", "population_of_table", "table_of"]

#: Names that other programs give the columns, tried where neither our name nor a mapping is there.
_ALIASES = {
    "error": ("min_test_top1", "test_error_best", "val_error", "top1_err", "err"),
    "accuracy": ("acc", "test_accuracy", "val_accuracy", "test_acc", "val_acc"),
    "params": ("n_params", "num_params", "parameters"),
    "flops": ("macs", "n_flops", "num_flops"),
    "lr": ("base_lr", "learning_rate"),
    "weight_decay": ("wd",),
    "seed": ("rng_seed",),
    "space": ("design_space",),
    "job_id": ("id", "run_id"),
}
#: If so many models or more have no error above 1, the errors are likely fractions and not percent.
FRACTIONS = 20
_COUNTS = ("params", "flops", "acts", "seed")
_CURVES = ("train_loss", "train_error", "test_error")
_DECIMAL_COMMA = re.compile(r"\s*[0-9]+,[0-9]+\s*")
_FAILED = "if the training failed, leave the error empty and say so in a column status (diverged), and it counts; else "


@dataclass
class _Rows:
    """Rows of a table under check: which are kept, and what messages call them."""

    label: str
    reading: Reading
    kept: NDArray[np.bool_]
    numbers: Sequence[int]

    def refuse(self, row: int, column: str, why: str, remedy: str = "") -> None:
        """Leave a row out and note it, or raise."""
        where = f"{self.label}: row {self.numbers[row]}, column {column!r}"
        said = f"{where}: {why}; {remedy}correct it, or pass errors='skip' to leave such rows out"
        if not self.reading.skip:
            raise FormatError(said)
        if self.kept[row]:
            self.reading.skipped.append(said)
        self.kept[row] = False


def population_of_table(
    frame: pd.DataFrame,
    label: str,
    reading: Reading,
    *,
    columns: Mapping[str, str] | None = None,
    space: str | None = None,
    attrs: Mapping[str, Any] | None = None,
    numbers: Sequence[int] | None = None,
    typed: bool = True,
    ours: bool = False,
) -> xr.Dataset:
    """Population of a table.

    Parameters
    ----------
    frame : DataFrame
        One row per model.
    label : str
        What messages call it.
    reading : Reading
        Whether curves are wanted and corrupt rows are left out.
    columns : mapping of str to str, optional
        Which column of the table holds what of ours; ``accuracy`` stands for 100 - error.
    space : str, optional
        Design space of all the models.
    attrs : mapping, optional
        Attributes of the population.
    numbers : sequence of int, optional
        What messages call the rows; by default 0, 1, 2 and so on.
    typed : bool, default True
        Whether columns have types, which those that are not of the data model keep; else all is text, as in a CSV.
    ours : bool, default False
        Whether `save` wrote it: then ``macs`` is a column of somebody's own, and not another name of ours.

    Raises
    ------
    FormatError
        If there is no error column, or a row makes no sense (named by its number and column).
    """
    reading.tables += 1
    frame = frame.rename(columns=str)
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise FormatError(f"{label} has two columns named {twice!r}; rename one")
    count = len(frame)
    frame, columns, ended = ended_runs(frame, columns)
    chosen = _chosen(list(frame.columns), columns, label, usual={} if ours else _ALIASES)
    if not len(frame):
        what = "no run that has ended" if count else "no rows"
        raise FormatError(f"{label} has {what}; a population needs at least one model")
    numbers = range(count) if numbers is None else numbers
    numbers = numbers if ended is None else [numbers[row] for row in ended]
    rows = _Rows(label, reading, np.ones(len(frame), dtype=bool), numbers)
    result = _typed_columns(frame, chosen, rows, typed=typed)
    try:
        population = build_population(_with_defaults(result, label, space), attrs)
    except PopulationError as error:
        raise FormatError(f"{label}: {error}") from None
    if ended is not None and len(ended) < count:
        note(population, f"{count - len(ended)} of {count} runs of {label} had not ended, and are left out.")
    if "error" in chosen and _look_like_fractions(population["error"].values):
        note(population, f"The errors of {label} are all within 0 and 1. Errors are percent: give fractions times 100.")
    return population


def _typed_columns(frame: pd.DataFrame, chosen: Mapping[str, str], rows: _Rows, *, typed: bool) -> dict[str, Any]:
    """Columns by our names and with our types, of the rows that make sense."""
    found = {name: _cells(frame[column]) for name, column in chosen.items()}
    if "error" not in found:
        found["error"] = found.pop("accuracy")
    comma = not typed and _has_decimal_commas(found["error"])
    own = {*VARIABLES, *COORDINATES}
    curves = {name for name, values in found.items() if name in _CURVES or (name not in own and _are_curves(values))}
    converted: dict[str, Any] = {}
    for name, values in found.items():
        column = _column(name, chosen)
        if name not in curves:
            converted[name] = _converted(name, values, column, rows, typed=typed, comma=comma)
        elif rows.reading.curves:
            converted[name] = _each(values, _curve, column, rows)
    if "error" not in chosen:
        converted["error"] = _from_accuracy(converted["error"], chosen["accuracy"], rows.label)
    _check_errors(converted, chosen, rows)
    _check_counts(converted, chosen, rows)
    if not rows.kept.any():
        raise FormatError(f"{rows.label}: all {len(frame)} rows were left out; a population needs at least one model")
    result = {name: values[rows.kept] for name, values in converted.items()}
    ragged = {name: result[name] for name in result if name in curves}
    width = max((len(row or ()) for lists in ragged.values() for row in lists), default=0)
    return _known_counts(result | {name: _padded(lists, width) for name, lists in ragged.items()})


def _with_defaults(columns: dict[str, Any], label: str, space: str | None) -> dict[str, Any]:
    """With the space that is given or, like data set and source, said by the file's name where no column says it."""
    named_space, dataset = describe_name(Path(label).name.split(".")[0])
    defaults = {"space": named_space, "source": Path(label).name} | ({"dataset": dataset} if dataset else {})
    return defaults | columns | ({} if space is None else {"space": space})


def _chosen(
    present: list[str], columns: Mapping[str, str] | None, label: str, *, usual: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Which column holds what: by the mapping, by our name, by a usual name; the rest keep their names.

    Without an error it is ``accuracy`` that says it; beside one, a column of that name is as any other.
    """
    chosen = dict(columns or {})
    for name, column in chosen.items():
        if column not in present:
            raise InputError(f"{label} has no column {column!r} (wanted as {name!r}); it has {present[:40]}")
    for name in (*VARIABLES, *COORDINATES):
        if name not in chosen and name in present and name not in chosen.values():
            chosen[name] = name
    for name, aliases in usual.items():
        if name == "accuracy" and "error" in chosen:
            continue
        found = next((alias for alias in (name, *aliases) if alias in present and alias not in chosen.values()), None)
        if name not in chosen and found:
            chosen[name] = found
    if "error" in chosen and "accuracy" in chosen:
        chosen.pop("error" if columns and "accuracy" in columns else "accuracy")
    if "error" not in chosen and "accuracy" not in chosen:
        raise FormatError(
            f"{label} has no column of errors; its columns are {present[:40]}: say which one holds them, such as "
            "columns={'error': 'val_err'} or columns={'accuracy': 'val_acc'} (percent)"
        )
    taken = {*chosen, "error"}
    return chosen | {column: column for column in present if column not in chosen.values() and column not in taken}


def _column(name: str, chosen: Mapping[str, str]) -> str:
    """What the table calls a column."""
    return chosen["accuracy"] if name == "error" and name not in chosen else chosen[name]


def _cells(column: pd.Series[Any]) -> NDArray[Any]:
    """Values of a column: numbers as they lie in memory, all else as objects."""
    if isinstance(column.dtype, np.dtype):
        return np.asarray(column, dtype=None if column.dtype.kind in "fiu" else object)
    return column.astype(object).where(column.notna(), None).to_numpy(dtype=object)  # pandas' own mark of missing ones


def _has_decimal_commas(errors: NDArray[Any]) -> bool:
    """Whether a comma begins the decimals of a table of text: none parts the thousands of an error in percent."""
    return _are(errors, str) and "," in "".join(errors) and any(map(_DECIMAL_COMMA.fullmatch, errors))


def _converted(name: str, values: NDArray[Any], column: str, rows: _Rows, *, typed: bool, comma: bool) -> NDArray[Any]:
    """Whole columns at once where each cell is plainly what it should be, else cell by cell: that says which is not."""
    known = VARIABLES.get(name) or COORDINATES.get(name)
    if comma and known is not None and known.dtype is not str:
        values = _each(values, _point_for_comma, column, rows)
    if known is not None and known.dtype is np.float64:
        floats = _all_floats(values)
        return _each(values, _float, column, rows).astype(np.float64) if floats is None else floats
    if known is not None and known.dtype is np.int64:
        counts = _all_counts(values)
        return _each(values, _count, column, rows) if counts is None else counts
    if known is not None:
        return values.copy() if _are(values, str) else _each(values, text_of, column, rows)
    return typed_column(values) if typed or not _are(values, str) else guessed_column(values, comma=comma)


def _are_curves(values: NDArray[Any]) -> bool:
    """Whether the cells are lists of numbers with a point, as Parquet holds curves."""
    return _are(values, np.ndarray, type(None)) and {v.dtype.kind for v in values if v is not None} == {"f"}


def known_columns(columns: Mapping[str, str] | None) -> set[str]:
    """Names of columns that mean something: ours, usual ones, and those of a mapping."""
    usual = (alias for aliases in _ALIASES.values() for alias in aliases)
    return {*VARIABLES, *COORDINATES, "accuracy", *usual, *(columns or {}).values()}


def _are(values: NDArray[Any], *types: type) -> bool:
    return values.dtype == object and set(map(type, values)) <= set(types)


def _all_floats(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """What `_float` makes of each cell, if none is missing or no number."""
    if values.dtype != object:
        return values.astype(np.float64)
    try:
        return np.fromiter(map(float, values), np.float64, len(values))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def _all_counts(values: NDArray[Any]) -> NDArray[np.int64] | None:
    """What `_count` makes of each cell, if none is missing or no whole number."""
    try:
        if _are(values, str, int):
            return np.fromiter(map(int, values), np.int64, len(values))
    except (ValueError, OverflowError):
        return None
    if values.dtype.kind not in "fiu":
        return None
    with np.errstate(invalid="ignore", over="ignore"):  # what is no number, or too large, shows in the comparison
        counts = values.astype(np.int64)
        # Where 64 bits end, rounding decides the comparison, so large values go cell by cell.
        fits = values.dtype.kind == "i" or bool(np.all(np.abs(values) < 2**62) and np.all(counts == values))
    return counts if fits else None


def _each(values: NDArray[Any], convert: Callable[[Any], Any], column: str, rows: _Rows) -> NDArray[Any]:
    done = np.empty(len(values), dtype=object)
    for row, value in enumerate(values.astype(object, copy=False)):
        try:
            done[row] = convert(value)
        except (ValueError, TypeError, OverflowError, RecursionError):
            done[row] = math.nan if convert is _float else None
            rows.refuse(row, column, f"{value!r:.80} cannot be read{_READ_AS.get(convert, '')}")
    return done


def _float(value: Any) -> float:
    return math.nan if is_missing(value) else float(value)


def _point_for_comma(value: str) -> str:
    if "." in value:  # likely between thousands: a float would be a thousandth of what is meant
        raise ValueError(value)
    return value.replace(",", ".")


def _count(value: Any) -> int | None:
    if is_missing(value):
        return None
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            value = float(value)
    if value != int(value) or not -(2**63) <= int(value) < 2**63:
        raise ValueError(value)
    return int(value)


def _curve(value: Any) -> list[float]:
    if isinstance(value, str) and value:
        value = json.loads(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if is_missing(value) or not isinstance(value, list):
        if is_missing(value):
            return []
        raise ValueError(value)
    return [math.nan if item is None else float(item) for item in value]


#: What messages say of cells that cannot be read as what they should be.
_READ_AS: dict[Callable[[Any], Any], str] = {
    _count: " as a count, which is a whole number",
    _float: " as a number, whose decimals a point begins",
    _point_for_comma: " as a number, as commas begin the decimals of the errors",
}


def _from_accuracy(values: NDArray[np.float64], column: str, label: str) -> NDArray[np.float64]:
    finite = values[np.isfinite(values)]
    if finite.size and finite.max() <= 1:
        raise FormatError(f"{label}: column {column!r} looks like fractions (none above 1); give accuracy in percent")
    return 100 - values


def _look_like_fractions(errors: NDArray[np.float64]) -> bool:
    finite = errors[np.isfinite(errors)]
    return finite.size >= FRACTIONS and bool(finite.max() <= 1)


def _check_errors(converted: dict[str, Any], chosen: Mapping[str, str], rows: _Rows) -> None:
    """Errors and statuses of each row, while rows still have their numbers."""
    error, column = converted["error"], _column("error", chosen)
    status = converted.get("status")
    if status is None:
        status = np.full(len(error), "ok", dtype=object)
    status[status == ""] = "ok"
    converted["status"] = status
    for row in np.flatnonzero((error < 0) | (error > 100) | (np.isnan(error) & (status == "ok"))):
        # Leaving failed trainings out would flatter the space that they came from.
        remedy = "" if np.isfinite(error[row]) else _FAILED
        rows.refuse(int(row), column, f"{error[row]} is no error in percent (0 to 100)", remedy)
    unknown = set(status.tolist()) - set(STATUSES)
    for row in np.flatnonzero(~np.isin(status.astype(str), STATUSES)) if unknown else ():
        rows.refuse(int(row), chosen["status"], f"{status[row]!r} is none of {STATUSES}")


def _check_counts(converted: Mapping[str, Any], chosen: Mapping[str, str], rows: _Rows) -> None:
    """A count is known of every model or of none."""
    for name in [name for name in _COUNTS if name in converted]:
        if converted[name].dtype != object:
            continue
        missing = np.array([value is None for value in converted[name]])
        if (rows.kept & ~missing).any():
            for row in np.flatnonzero(rows.kept & missing):
                rows.refuse(int(row), chosen[name], "missing, though other rows have it")


def _known_counts(columns: dict[str, Any]) -> dict[str, Any]:
    """Without counts that no model has."""
    untyped = [name for name in _COUNTS if name in columns and columns[name].dtype == object]
    unknown = [name for name in untyped if any(value is None for value in columns[name])]
    return {name: values for name, values in columns.items() if name not in unknown}


def _padded(rows: NDArray[Any], width: int) -> NDArray[np.float64]:
    table = np.full((len(rows), width), np.nan)
    for target, row in zip(table, rows, strict=True):
        target[: len(row or ())] = row or ()
    return table


def table_of(population: xr.Dataset) -> pd.DataFrame:
    """Population as a table, one row per model; curves as lists."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, variable in population.variables.items():
        if variable.dims == ("model",):
            columns[str(name)] = variable.values.astype(variable.dtype.newbyteorder("="), copy=False)
        elif variable.dims == ("model", "epoch"):
            cells = np.empty(variable.shape[0], dtype=object)
            cells[:] = [None] * len(cells)
            for row, values in enumerate(variable.values):
                cells[row] = values.tolist()
            columns[str(name)] = cells
    return pd.DataFrame(columns)
