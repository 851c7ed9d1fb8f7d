"""What the command line prints: tables for people, JSON for programs. Computes nothing but summaries."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from edfstat.distributions import edf
from edfstat.entries import entries_of
from edfstat.evidence import measure_words
from edfstat.notes import notes_of
from edfstat.population import compared_errors

__all__ = ["comparison_json", "info_json", "print_comparison", "print_info", "strict_json", "visible"]

#: Control characters, which a terminal obeys, except the end of a line.
_COMMANDS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def strict_json(value: Any) -> str:
    """JSON text; what is not finite is null.

    Examples
    --------
    >>> import numpy as np
    >>> strict_json({"a": np.array([1.5, np.nan]), "b": np.int64(3)})
    '{"a": [1.5, null], "b": 3}'
    """
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def info_json(population: xr.Dataset) -> dict[str, Any]:
    """Summary of a population: how many models of which kind, and their ranges."""
    spaces = population["space"].values.astype(str)
    names = sorted(set(spaces.tolist()))
    return {
        "models": int(population.sizes["model"]),
        "epochs_of_curves": int(population.sizes.get("epoch", 0)),
        "variables": sorted(map(str, population.variables)),
        "groups": [_group(population.isel(model=np.flatnonzero(spaces == name)), name) for name in names],
        "sources": _listed(population.attrs.get("sources", "[]")),
        "notes": notes_of(population),
        "skipped": _whole(population.attrs.get("skipped", 0)),
        "skipped_jobs": _listed(population.attrs.get("skipped_jobs", "[]")),
    }


def _listed(value: Any) -> list[Any]:
    """A list that an attribute holds as JSON; other programs may have put anything there, which is then its entry."""
    try:
        found = json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return [value]
    return found if isinstance(found, list) else [value]


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (ValueError, TypeError, OverflowError):
        return None


def _group(part: xr.Dataset, name: str) -> dict[str, Any]:
    errors, counted = compared_errors(part)
    errors = errors[counted]
    statuses, numbers = np.unique(part["status"].values.astype(str), return_counts=True)
    summary: dict[str, Any] = {
        "space": name,
        "datasets": sorted({str(v) for v in part["dataset"].values}) if "dataset" in part.variables else [],
        "models": int(part.sizes["model"]),
        "status": dict(zip(statuses.tolist(), numbers.tolist(), strict=True)),
        "architectures": len(set(part["net"].values.tolist())) if "net" in part.variables else None,
        "error": {"best": float(np.min(errors)), "median": edf(errors).quantile(0.5)} if errors.size else None,
    }
    for measure in ("params", "flops"):
        if measure in part.variables:
            summary[measure] = {"lowest": int(part[measure].min()), "highest": int(part[measure].max())}
    return summary


def print_info(population: xr.Dataset) -> None:
    """Summary as a table."""
    found = info_json(population)
    rows = []
    for group in found["groups"]:
        error = group["error"] or {"best": math.nan, "median": math.nan}
        other = ", ".join(f"{n} {status}" for status, n in group["status"].items() if status != "ok")
        rows.append([
            group["space"], ", ".join(filter(None, group["datasets"])) or "-", str(group["models"]),
            str(group["architectures"] or "-"), other or "-", f"{error['best']:.2f}", f"{error['median']:.2f}",
            _range(group.get("params"), 1e-6), _range(group.get("flops"), 1e-9),
        ])  # fmt: skip
    columns = ["space", "data set", "models", "nets", "not ok", "best %", "median %", "params (M)", "flops (B)"]
    _table(f"{found['models']:,} model{'s' * (found['models'] != 1)}", columns, rows)
    for entry in found["sources"]:
        print(visible(_source_line(entry)))  # noqa: T201
    if found["epochs_of_curves"]:
        print(f"curves over {found['epochs_of_curves']} epochs")  # noqa: T201


def visible(text: str) -> str:
    """Text in which nothing commands a terminal: names come from files, and files from anywhere.

    Examples
    --------
    >>> visible(chr(27) + "[2Jred") == chr(0xFFFD) + "[2Jred"
    True
    """
    return _COMMANDS.sub("\ufffd", text)


def _source_line(entry: Any) -> str:
    try:
        return f"{entry['file']}  {entry['bytes']:,} bytes  sha256 {entry['sha256'][:16]}"
    except (LookupError, TypeError, ValueError):  # not of this package's making
        return str(entry)


def _range(limits: dict[str, int] | None, scale: float) -> str:
    # Three digits wherever the point is: the smallest networks are a thousandth of the largest.
    return f"{limits['lowest'] * scale:.3g} to {limits['highest'] * scale:.3g}" if limits else "-"


def comparison_json(comparison: xr.Dataset, verdict: str) -> dict[str, Any]:
    """A comparison as plain values: coordinates, variables with their dimensions, attributes, verdict."""
    return {
        "verdict": verdict,
        "attributes": dict(comparison.attrs),
        "coordinates": {str(name): coord.values for name, coord in comparison.coords.items()},
        "variables": {
            str(name): {"dims": list(variable.dims), "values": variable.values}
            for name, variable in comparison.data_vars.items()
        },
    }


def print_comparison(comparison: xr.Dataset, verdict: str) -> None:
    """Verdict, then per measure of complexity a table of the groups and one of the pairs."""
    print(visible(verdict) + "\n")  # noqa: T201
    for measure in comparison["measure"].values:
        at = comparison.sel(measure=measure)
        title = "errors as they are" if measure == "none" else f"errors {measure_words(comparison, str(measure))}"
        rows = [_group_row(group, at) for group in entries_of(at, "group")]
        _table(title, ["group", "models", "eff. n", "best %", "median %", "AUC", "interval", "best of m, %"], rows)
        pairs = [_pair_row(pair) for pair in entries_of(at, "pair")] if "pair" in at.dims else []
        if pairs:
            _table("", ["a", "b", "KS D", "p", "p (Holm)", "points", "AUC a - b", "interval", "above"], pairs)
        print()  # noqa: T201
    for warning in np.atleast_1d(comparison.attrs.get("warnings", [])):
        print(f"note: {visible(str(warning))}", file=sys.stderr)  # noqa: T201


def _number(one: dict[str, Any], name: str, form: str = ".3f") -> str:
    return format(one[name], form) if name in one and not np.isnan(one[name]) else "-"


def _interval(lower: str, upper: str) -> str:
    return "-" if lower == upper == "-" else f"{lower} to {upper}"


def _group_row(one: dict[str, Any], at: xr.Dataset) -> list[str]:
    number = partial(_number, one)
    near = int(np.abs(at["m"].values - 10).argmin()) if "search_mean" in one else None
    return [
        str(one["group"]), number("used", ".0f"), number("effective_n", ".0f"), number("best", ".2f"),
        number("median", ".2f"), number("auc"), _interval(number("auc_lower"), number("auc_upper")),
        "-" if near is None else f"{one['search_mean'][near]:.2f} (m = {int(at['m'][near])})",
    ]  # fmt: skip


def _pair_row(one: dict[str, Any]) -> list[str]:
    number = partial(_number, one)
    lower, upper = number("auc_difference_lower", "+.3f"), number("auc_difference_upper", "+.3f")
    return [
        str(one["a"]), str(one["b"]), number("ks"), number("pvalue", ".2g"), number("pvalue_holm", ".2g"),
        number("wasserstein"), number("auc_difference", "+.3f"), _interval(lower, upper),
        str(one["dominance"]) or "-" if "dominance" in one else "-",
    ]  # fmt: skip


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for the terminal; in a pipe, columns two spaces apart and no colour."""
    rows = [[visible(cell).replace("\n", " ") for cell in row] for row in rows]
    if sys.stdout.isatty():
        _terminal_table(title, columns, rows)
        return
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    if title:
        print(title)  # noqa: T201
    for row in [columns, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201


def _terminal_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """With a frame where that fits without breaking a word, else without one, else a line for each cell."""
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, count = Console(), len(columns)
    # A frame takes two spaces and a line of each column, and a line at the end; without it two spaces are between.
    framed = _widths([columns, *rows], console.width - 3 * count - 1)
    widths = framed or _widths([columns, *rows], console.width - 2 * (count - 1))
    if widths is None:
        _print_cells(title, columns, rows)
        return
    table = Table(
        title=title or None, title_justify="left", header_style="bold",
        box=HEAVY_HEAD if framed else None, pad_edge=framed is not None,
    )  # fmt: skip
    for column, width in zip(columns, widths, strict=True):
        left = column in ("space", "group", "a", "b", "data set")
        table.add_column(column, justify="left" if left else "right", width=width)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _widths(lines: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Widths that break no word; what room is left goes to the columns that lack most. None if words have no room."""
    from rich.cells import cell_len

    cells = list(zip(*lines, strict=True))
    widths = [max(cell_len(word) for text in column for word in text.split()) for column in cells]
    lacking = [max(map(cell_len, column)) - width for column, width in zip(cells, widths, strict=True)]
    spare = room - sum(widths)
    if spare < 0:
        return None
    for _ in range(min(spare, sum(lacking))):
        most = lacking.index(max(lacking))
        widths[most], lacking[most] = widths[most] + 1, lacking[most] - 1
    return widths


def _print_cells(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(len, columns))
    if title:
        print(title + "\n")  # noqa: T201
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            print(f"{column.ljust(width)}  {cell}")  # noqa: T201
        print()  # noqa: T201
