"""Tables on pages of paper: columns as wide as their text, long texts wrapped, short tables one below another."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from edfstat.reporting.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

__all__ = ["table_pages"]

#: Points: the page, its margins, the space between columns, the type and its lines.
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 595.0, 842.0, 40.0, 44.0, 44.0, 9.0
SIZE, LINE, NOTE = 7.0, 9.0, 7.5
#: Width of the box that stands for a missing letter, as a share of the size.
_BOX = 1.15
#: A column is never squeezed below this, and a table never begun with fewer rows than this on a page.
NARROWEST, FEWEST = 48.0, 3
#: Line ends, tabs and the like, which have no glyph.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass
class _Sheet:
    """A page that is filled from the top."""

    figure: Figure
    y: float = HEIGHT - TOP

    def write(self, x: float, text: str, size: float, *, bold: bool = False, right: bool = False) -> None:
        self.figure.text(
            x / WIDTH, self.y / HEIGHT, text, fontsize=size, fontweight="bold" if bold else "normal", va="top",
            ha="right" if right else "left", parse_math=False,
        )  # fmt: skip

    def rule(self, width: float) -> None:
        from matplotlib.lines import Line2D

        y = (self.y + 2) / HEIGHT
        ends = [LEFT / WIDTH, (LEFT + width) / WIDTH]
        self.figure.add_artist(Line2D(ends, [y, y], color="0.75", linewidth=0.5))


@dataclass
class _Layout:
    """A table whose texts are cut into lines that fit their columns."""

    table: Table
    widths: list[float] = field(default_factory=list)
    head: list[list[str]] = field(default_factory=list)
    rows: list[list[list[str]]] = field(default_factory=list)


def table_pages(tables: Iterable[Table], blank: Callable[[], Figure]) -> list[Figure]:
    """Lay tables out, one below another.

    Parameters
    ----------
    tables : iterable of Table
    blank : callable
        Makes an empty page of A4.

    Returns
    -------
    list of matplotlib.figure.Figure
    """
    return [sheet.figure for sheet in _sheets(list(map(_laid_out, tables)), blank)]


def _sheets(layouts: list[_Layout], blank: Callable[[], Figure]) -> Iterator[_Sheet]:
    sheet = _Sheet(blank())
    for layout in layouts:
        if sheet.y < HEIGHT - TOP and sheet.y - _begun(layout) < BOTTOM:
            yield sheet
            sheet = _Sheet(blank())
        _heading(sheet, layout, "")
        for row in layout.rows:
            if sheet.y - _height(row) < BOTTOM:
                yield sheet
                sheet = _Sheet(blank())
                _heading(sheet, layout, " (continued)")
            _row(sheet, layout, row)
        sheet.y -= 2.5 * LINE
    yield sheet


def _begun(layout: _Layout) -> float:
    """Height of a table's beginning."""
    note = len(_note(layout.table)) * (NOTE + 2)
    return 24 + note + _height(layout.head) + sum(map(_height, layout.rows[:FEWEST]))


def _heading(sheet: _Sheet, layout: _Layout, more: str) -> None:
    sheet.write(LEFT, layout.table.title + more, 11, bold=True)
    sheet.y -= 16
    if not more:
        for line in _note(layout.table):
            sheet.write(LEFT, line, NOTE)
            sheet.y -= NOTE + 2
    sheet.y -= 5
    if layout.rows:
        _row(sheet, layout, layout.head, bold=True)


def _row(sheet: _Sheet, layout: _Layout, row: list[list[str]], *, bold: bool = False) -> None:
    x = LEFT
    for place, (lines, width) in enumerate(zip(row, layout.widths, strict=True)):
        number = layout.table.is_number(place)
        at = x + width if number else x
        top = sheet.y
        for line in lines:
            sheet.write(at, line, SIZE, bold=bold, right=number)
            sheet.y -= LINE
        sheet.y = top
        x += width + GAP
    sheet.y -= _height(row)
    sheet.rule(x - GAP - LEFT)


def _height(row: list[list[str]]) -> float:
    return max(map(len, row)) * LINE + 4


def _note(table: Table) -> list[str]:
    return textwrap.wrap(table.note, 130)


def _laid_out(table: Table) -> _Layout:
    heads = [textwrap.wrap(column, 12) for column in table.columns]
    cells = [list(column) for column in zip(*table.shown, strict=True)] or [[] for _ in heads]
    natural = [
        max([*(1.08 * _length(line) for line in head), *map(_length, column)])
        for head, column in zip(heads, cells, strict=True)
    ]
    widths = _squeezed(natural, WIDTH - 2 * LEFT - GAP * (len(heads) - 1))
    rows = [[_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)] for row in table.shown]
    return _Layout(table, widths, heads, rows)


def _squeezed(natural: list[float], room: float) -> list[float]:
    """Widths that fit: the widest columns give way, down to one common width."""
    if sum(natural) <= room:
        return natural
    rest, left = room, len(natural)
    for width in sorted(natural):
        if width * left > rest:
            most = max(rest / left, NARROWEST)
            return [min(each, most) for each in natural]
        rest, left = rest - width, left - 1
    return natural


def _wrapped(text: str, width: float) -> list[str]:
    """Lines no wider than the column, broken at spaces where that is possible."""
    lines = [""]
    for word in _CONTROL.sub(" ", text).split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if _length(joined) <= width + 0.01:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and _length(lines[-1] + character) > width + 0.01:
                lines.append("")
            lines[-1] += character
    return lines


def _length(text: str) -> float:
    """Width of a line in points."""
    return sum(map(_advance, text))


@cache
def _advance(character: str) -> float:
    font = _font()
    # What the font lacks is drawn as a box, which is wider than any letter.
    if not font.get_char_index(ord(character)):
        return _BOX * SIZE
    # Matplotlib hands out one object for all that is drawn, which leaves it at the size of the latest text.
    font.set_size(SIZE, 72)
    # Of the outlines, as a PDF places them: hinted widths are those of a screen.
    return float(font.load_char(ord(character)).linearHoriAdvance) / 2**16


@cache
def _font() -> FT2Font:
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont("DejaVu Sans"))
