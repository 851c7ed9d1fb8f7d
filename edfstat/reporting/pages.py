"""The report as PDF: the verdict, the charts and the tables, drawn by matplotlib without a browser."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from edfstat.plot.style import short_names
from edfstat.reporting.best import Best, best_drawings
from edfstat.reporting.charts import Chart, Series, charts_of
from edfstat.reporting.method import REFERENCES, method_of
from edfstat.reporting.paged_tables import table_pages
from edfstat.reporting.provenance import provenance_of
from edfstat.reporting.tables import paper_tables
from edfstat.ticks import tick_text
from edfstat.verdicts import findings, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["pdf_bytes"]

PAGE = (8.27, 11.69)
COLORS = ("#0a5ea8", "#c2470a", "#12805c", "#a8327f", "#7a6200", "#5a4fcf", "#4a5560", "#b0243a")
DASHES: tuple[Any, ...] = ("-", (0, (7, 3)), (0, (2, 3)), (0, (9, 3, 2, 3)), (0, (12, 4)), (0, (4, 2)), ":", "-.")
LINES = 62
#: Rows of a legend that half a page has room for.
MOST_ROWS = 6
#: Rows that a page with one chart has room for.
PAGE_ROWS = 38


def pdf_bytes(comparison: xr.Dataset) -> bytes:
    """The document, pages of A4."""
    from matplotlib.backends.backend_pdf import PdfPages

    target = io.BytesIO()
    names = ", ".join(str(name) for name in comparison["group"].values)
    about = {"Title": f"Comparison of {names}", "Creator": "edfstat", "Producer": "edfstat", "CreationDate": None}
    with PdfPages(target, metadata=about) as document:
        for figure in _pages(comparison):
            document.savefig(figure)
    return target.getvalue()


def _pages(comparison: xr.Dataset) -> list[Figure]:
    figures = _text_pages(findings(comparison).headline, verdict(comparison))
    charts = [chart for each in charts_of(comparison).values() for chart in each]
    figures += [_chart_page(two) for two in _two_a_page(charts)]
    figures += table_pages(paper_tables(comparison), _blank)
    figures += [_drawing_page(best) for best in best_drawings(comparison)]
    return figures + _appendix(comparison)


def _appendix(comparison: xr.Dataset) -> list[Figure]:
    method = [f"{term}. {meaning}\n" for term, meaning in method_of(comparison)]
    sources = [f"{place}. {text}" for place, text in enumerate(REFERENCES, 1)]
    facts = [f"{name}: {value}" for name, value in provenance_of(comparison)]
    return [
        *_text_pages("Method", "\n".join(["", *method, "References", *sources])),
        *_text_pages("Files, versions and settings", "\n".join(["", *facts])),
    ]


def _drawing_page(best: Best) -> Figure:
    """A drawing keeps its own shape; its page says whose it is."""
    own = best.figure.get_suptitle()
    title = f"{best.group}: model of lowest error, {best.error:.2f} %" + (f" ({own})" if own else "")
    best.figure.suptitle(title).set_parse_math(False)
    return best.figure


def _blank() -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=PAGE)


def _text_pages(headline: str, text: str) -> list[Figure]:
    """The verdict, wrapped; text from data is never read as mathematics."""
    lines: list[str] = []
    for paragraph in text.splitlines()[1:]:
        indent = "      " if paragraph.startswith("  - ") else ""
        lines += textwrap.wrap(paragraph, 98, subsequent_indent=indent) or [""]
    figures = []
    for start in range(0, max(len(lines), 1), LINES):
        figure = _blank()
        top = 0.95
        if start == 0:
            title = "\n".join(textwrap.wrap(headline, 70))
            figure.text(0.08, top, title, fontsize=13, fontweight="bold", va="top", parse_math=False)
            top -= 0.02 * (1 + title.count("\n")) + 0.01
        body = "\n".join(lines[start : start + LINES])
        figure.text(0.08, top, body, fontsize=8.5, va="top", linespacing=1.45, parse_math=False)
        figures.append(figure)
    return figures


def _two_a_page(charts: list[Chart]) -> Iterator[list[Chart]]:
    """Two charts to a page; one whose legend needs more room has a page of its own."""
    waiting: list[Chart] = []
    for chart in charts:
        alone = _legend_fit(chart).rows > MOST_ROWS
        if waiting and (alone or len(waiting) == 2):
            yield waiting
            waiting = []
        waiting.append(chart)
        if alone:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


class _Fit(NamedTuple):
    """Columns and rows of a legend, and the size of its type in points."""

    columns: int
    rows: int
    size: float


def _legend_fit(chart: Chart) -> _Fit:
    """As many columns as are no wider than the chart; small type where a page of its own has too little room."""
    # A curve's piece of line takes the room of about 8 letters.
    longest = 8 + max(len(name) for name in _names(chart).values())
    fit = _Fit(1, len(chart.series), 7.5)
    for size, letters, most in ((7.5, 95, PAGE_ROWS), (5.0, 145, math.inf)):
        columns = max(1, min(4, len(chart.series), letters // longest))
        fit = _Fit(columns, -(-len(chart.series) // columns), size)
        if fit.rows <= most:
            break
    return fit


def _names(chart: Chart) -> dict[str, str]:
    """Short names of the curves, of which those of pairs keep both parts."""
    short = short_names(dict.fromkeys(group for series in chart.series for group in series.groups))
    return {series.name: " − ".join(short[group] for group in series.groups) for series in chart.series}


def _chart_page(charts: list[Chart]) -> Figure:
    figure = _blank()
    for place, chart in enumerate(charts):
        bottom, fit = 0.655 - 0.48 * place, _legend_fit(chart)
        axes = figure.add_axes((0.11, bottom, 0.83, 0.29))
        _draw(axes, chart)
        note = textwrap.wrap(chart.caption, 105)
        figure.text(0.11, bottom - 0.045, "\n".join(note), fontsize=8, va="top", parse_math=False)
        # Under the note, where it hides no curve.
        legend = axes.legend(
            loc="upper left", bbox_to_anchor=(0.11, bottom - 0.05 - 0.0135 * len(note)), borderaxespad=0,
            bbox_transform=figure.transFigure, ncols=fit.columns, fontsize=fit.size, frameon=False, labelspacing=0.3,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def _draw(axes: Axes, chart: Chart) -> None:
    names = _names(chart)
    how: Any = "steps-post" if chart.kind == "step" else "default"
    for series in chart.series:
        color = COLORS[series.color % 8]
        x, y = series.x, series.y
        if chart.key.startswith("edf"):
            x, y = np.append(x, max(chart.x_range[1], x[-1])), np.append(y, y[-1])
            x, y = np.append(x[:1], x), np.append(0.0, y)
        (line,) = axes.plot(x, y, color=color, linestyle=DASHES[series.dash], drawstyle=how, linewidth=1.4)
        name = names[series.name]
        line.set_label(name if not name.startswith("_") else f" {name}")
        if series.hollow is not None:
            _draw_marks(axes, chart, series, color)
        if chart.banded and series.lower is not None and series.upper is not None:
            step: Any = "post" if chart.kind == "step" else None
            axes.fill_between(series.x, series.lower, series.upper, color=color, alpha=0.13, step=step, linewidth=0)
    if chart.x_log:
        axes.set_xscale("log")
        axes.set_xticks(chart.ticks, [tick_text(tick) for tick in chart.ticks], minor=False)
        axes.minorticks_off()
    if chart.baseline is not None:
        axes.axhline(chart.baseline, color="0.4", linewidth=0.8)
    if chart.mark is not None:
        axes.axvline(chart.mark, color="0.4", linewidth=0.8, linestyle=":")
    axes.set(xlim=chart.x_range, ylim=chart.y_range)
    axes.set_xlabel(chart.x_label, parse_math=False)
    axes.set_ylabel(chart.y_label, parse_math=False)
    axes.set_title(chart.title, loc="left", fontsize=11, parse_math=False)
    axes.grid(color="0.9")


def _draw_marks(axes: Axes, chart: Chart, series: Series, color: str) -> None:
    """Marks of the values in range, whole also where they lie on the edge."""
    low, high = chart.y_range
    inside = (series.y >= low) & (series.y <= high)
    for hollow, face in ((False, color), (True, "white")):
        at = inside & (series.hollow == hollow)
        axes.plot(
            series.x[at], series.y[at], "o", color=color, markerfacecolor=face, markersize=4, zorder=3, clip_on=False
        )
