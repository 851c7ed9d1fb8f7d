"""EDFs drawn in text, for a terminal: every group's curve in the dots of braille letters, or in plain ASCII."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import InputError
from edfstat.plot.edf_steps import nearly_done
from edfstat.plot.inputs import comparison_of, group_names, words_of

__all__ = ["terminal_edf"]

Floats = NDArray[np.float64]

# A braille letter has 2 x 4 dots; these bits light them, by row and column.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Without colour, curves are solid, dashed and dotted: columns of six in which a curve is left out, and its sample.
_GAPS: tuple[tuple[int, ...], ...] = ((), (4, 5), (1, 3, 5))
_SAMPLES = ("\u2812\u2812\u2812", "\u2812 \u2812", "\u2802\u2802\u2802")
# ANSI colours that stay apart for colour-blind readers on light and dark ground: blue, orange, green, magenta.
_COLOURS = (33, 208, 35, 170, 178, 75)


def terminal_edf(
    data: xr.Dataset,
    *,
    measure: str = "none",
    by: str = "space",
    groups: Sequence[str] | None = None,
    width: int = 72,
    height: int = 16,
    ascii: bool = False,
    color: bool = False,
) -> str:
    """EDFs of every group as text.

    Parameters
    ----------
    data : Dataset
        A population or a comparison.
    measure : str, default "none"
        Complexity that is taken out; ``"none"`` takes the models as they are.
    by : str, default "space"
        Variable whose values are the groups, where `data` is a population.
    groups : sequence of str, optional
        Groups to draw. Default: all.
    width, height : int
        Columns and lines of the result, axis, caption and legend included; at least 30 and 8.
    ascii : bool, default False
        Whether to use letters, one per group, in place of braille dots, for terminals that have no braille.
    color : bool, default False
        Whether to colour the curves with ANSI codes.

    Returns
    -------
    str
        Lines joined by newlines, none longer than `width` (colour codes not counted).

    Raises
    ------
    InputError
        If `data` has not that measure or group, or the size is too small.

    See Also
    --------
    edf : Into Axes.

    Examples
    --------
    >>> from edfstat import build_population
    >>> models = build_population({"error": [5.0, 6, 7, 8, 6, 7, 8, 9], "space": ["A"] * 4 + ["B"] * 4})
    >>> print(terminal_edf(models, width=40, height=9, ascii=True))
    1.00 |                         aaaaaaaa*
         |                 aaaaaaaa*bbbbbbbb
    0.60 |         aaaaaaaa*bbbbbbbb
         |         a       b
         |aaaaaaaaa*bbbbbbbb
    0.00 |bbbbbbbbbb
         +----------------------------------
          5  error (%), as the models are  9
          a A (median 6)   b B (median 7)
    """
    if width < 30 or height < 8:
        raise InputError(f"width and height are {width} and {height}; give at least 30 and 8")
    found = comparison_of(data, measure, by=by, groups=groups)
    names = group_names(found)
    keys = _legend(names, found["median"].values, width, ascii=ascii, color=color)
    rows, columns = max(height - 2 - len(keys), 3), width - 6
    errors, shares = found["support"].values.astype(float), found["edf"].values
    left, right = _ends(errors, shares)
    draw = _letters if ascii else _braille
    canvas = draw(errors, shares, left, right, rows, columns, color)
    lines = [f"{_tick(row, rows)} |{line}" for row, line in enumerate(canvas)]
    axis = f"     +{'-' * columns}"
    caption = f"error (%), {words_of(found)}"
    return "\n".join([*lines, axis, _scale(left, right, caption, columns), *keys])


def _ends(errors: Floats, shares: Floats) -> tuple[float, float]:
    """From the best model to where every EDF is nearly done."""
    left, right = float(errors[0]), nearly_done(errors, shares)
    return (left, right) if right > left else (left - 0.5, left + 0.5)


def _heights(errors: Floats, shares: Floats, left: float, right: float, columns: int) -> Floats:
    """F at the right edge of each of `columns` steps."""
    at = np.linspace(left, right, columns)
    place = np.searchsorted(errors, at, side="right") - 1
    values: Floats = np.where(place >= 0, shares[:, np.maximum(place, 0)], 0.0)
    return values


def _cells(heights: Floats, rows: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """For each column, the rows from the one before to its own: a step line has no holes."""
    level = np.clip(np.round((1 - heights) * (rows - 1)), 0, rows - 1).astype(int)
    spans = []
    for column, own in enumerate(level):
        before = level[column - 1] if column else own
        span = np.arange(min(own, before), max(own, before) + 1)
        spans.append((span, np.full(span.size, column)))
    return spans


def _braille(
    errors: Floats, shares: Floats, left: float, right: float, rows: int, columns: int, color: bool
) -> list[str]:
    heights = _heights(errors, shares, left, right, 2 * columns)
    bits = np.zeros((rows, columns), dtype=int)
    owner = np.full((rows, columns), -1)
    for index, curve in enumerate(heights):
        for down, across in _cells(curve, 4 * rows):
            if not color and across[0] % 6 in _GAPS[index % len(_GAPS)]:
                continue
            np.bitwise_or.at(bits, (down // 4, across // 2), _DOTS[down % 4, across % 2])
            owner[down // 4, across // 2] = index
    return [
        "".join(_painted(chr(0x2800 + dots), who, color) for dots, who in zip(row, whose, strict=True))
        for row, whose in zip(bits.tolist(), owner.tolist(), strict=True)
    ]


def _letters(
    errors: Floats, shares: Floats, left: float, right: float, rows: int, columns: int, color: bool
) -> list[str]:
    heights = _heights(errors, shares, left, right, columns)
    text = np.full((rows, columns), " ")
    owner = np.full((rows, columns), -1)
    for index, curve in enumerate(heights):
        for down, across in _cells(curve, rows):
            text[down, across] = np.where(text[down, across] == " ", _LETTERS[index % 26], "*")
            owner[down, across] = index
    return [
        "".join(_painted(letter, who, color) for letter, who in zip(row, whose, strict=True))
        for row, whose in zip(text.tolist(), owner.tolist(), strict=True)
    ]


def _painted(letter: str, index: int, color: bool) -> str:
    if not color or index < 0 or letter == " ":
        return letter
    return f"\x1b[38;5;{_COLOURS[index % len(_COLOURS)]}m{letter}\x1b[0m"


def _tick(row: int, rows: int) -> str:
    marks = {0: 1.0, rows - 1: 0.0, (rows - 1) // 2: 1 - ((rows - 1) // 2) / (rows - 1)}
    return f"{marks[row]:4.2f}" if row in marks else "    "


def _scale(left: float, right: float, caption: str, columns: int) -> str:
    start, end = f"{left:.4g}", f"{right:.4g}"
    room = columns - len(start) - len(end)
    return "      " + start + caption[: max(room - 2, 0)].center(room) + end


def _legend(names: list[str], medians: Floats, width: int, *, ascii: bool, color: bool) -> list[str]:
    """One line per group, or as many groups to a line as fit."""
    parts = []
    for index, (name, median) in enumerate(zip(names, medians, strict=True)):
        mark = _LETTERS[index % 26] if ascii else _SAMPLES[0 if color else index % len(_SAMPLES)]
        text = f"{name[: width - 24]} (median {median:.4g})"
        parts.append((len(mark) + 1 + len(text), f"{_painted(mark, index, color)} {text}"))
    lines, length = [""], 0
    for size, part in parts:
        if length and length + 3 + size > width - 6:
            lines.append("")
            length = 0
        lines[-1] += ("   " if length else "      ") + part
        length += (3 if length else 0) + size
    return lines
