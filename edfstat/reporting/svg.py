"""Charts as static SVG: what a reader without scripts sees, and what is printed."""

from __future__ import annotations

import math
from html import escape

import numpy as np
from numpy.typing import NDArray

from edfstat.reporting.charts import Chart, Series, breaks
from edfstat.ticks import nice_ticks, tick_text

__all__ = ["chart_svg"]

Floats = NDArray[np.float64]
WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 12, 46
#: Dashes that tell curves apart without colour.
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 2", "1 2", "6 2 2 2 2 2")


def chart_svg(chart: Chart) -> str:
    """The chart as an SVG element with title and description; colours come from the page's style."""
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{chart.key}-t {chart.key}-d">',
        f'<title id="{chart.key}-t">{escape(chart.title)}</title>',
        f'<desc id="{chart.key}-d">{escape(_description(chart))}</desc>',
        f'<clipPath id="{chart.key}-c"><rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/></clipPath>',
        *_axes(chart),
        f'<g clip-path="url(#{chart.key}-c)">',
        *(_band(chart, series) for series in chart.series if chart.banded),
        *(_curve(chart, series) for series in chart.series),
        "</g>",
        *(_marks(chart, series) for series in chart.series),
        "</svg>",
    ]
    return "".join(parts)


def _description(chart: Chart) -> str:
    names = ", ".join(series.name for series in chart.series)
    return (
        f"{chart.y_label} against {chart.x_label} for {names}. {chart.caption} The tables of this section give numbers."
    )


def _x(chart: Chart, values: Floats | float) -> Floats:
    low, high = chart.x_range
    at = np.asarray(values, dtype=np.float64)
    share = np.log(np.maximum(at, 1e-300) / low) / math.log(high / low) if chart.x_log else (at - low) / (high - low)
    return np.asarray(LEFT + share * (WIDTH - LEFT - RIGHT))


def _y(chart: Chart, values: Floats | float) -> Floats:
    low, high = chart.y_range
    share = (np.asarray(values, dtype=np.float64) - low) / (high - low)
    return np.asarray(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM))


def _axes(chart: Chart) -> list[str]:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value in chart.ticks or nice_ticks(*chart.x_range):
        x = float(_x(chart, value))
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{tick_text(value)}</text>')
    for value in nice_ticks(*chart.y_range):
        y = float(_y(chart, value))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick_text(value)}</text>')
    if chart.baseline is not None:
        y = float(_y(chart, chart.baseline))
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
    if chart.mark is not None:
        x = float(_x(chart, chart.mark))
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>')
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{right}"/>')
    middle = (TOP + floor) / 2
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(chart.x_label)}</text>')
    turned = f'transform="rotate(-90 14 {middle})" x="14" y="{middle}"'
    parts.append(f'<text {turned} text-anchor="middle">{escape(chart.y_label)}</text>')
    return parts


def _curve(chart: Chart, series: Series) -> str:
    paths = "".join(_path(chart, series.x[run], series.y[run], first=True) for run in breaks(series.y))
    dash = DASHES[series.dash]
    style = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path class="curve s{series.color % 8}" d="{paths}"{style}/>'


def _marks(chart: Chart, series: Series) -> str:
    """Marks of the values in range, whole also where they lie on the edge."""
    if series.hollow is None:
        return ""
    return "".join(
        f'<circle class="dot s{series.color % 8}{" hollow" * bool(hollow)}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
        for x, y, hollow in zip(_x(chart, series.x), _y(chart, series.y), series.hollow, strict=True)
        if TOP <= y <= HEIGHT - BOTTOM
    )


def _band(chart: Chart, series: Series) -> str:
    if series.lower is None or series.upper is None:
        return ""
    parts = []
    for run in breaks(series.lower + series.upper):
        there = _path(chart, series.x[run], series.lower[run], first=True)
        back = _path(chart, series.x[run], series.upper[run], first=False)
        parts.append(f"{there}{back}Z")
    return f'<path class="band s{series.color % 8}" d="{"".join(parts)}"/>'


def _path(chart: Chart, x: Floats, y: Floats, *, first: bool) -> str:
    """Points as path commands, those less than half a pixel from the one before left out; backwards if not first."""
    at, up = _x(chart, x), np.clip(_y(chart, y), -1e4, 1e4)
    if chart.kind == "step":
        # A step holds its value until the next x; the last one runs on to the edge.
        ends = np.append(at[1:], max(WIDTH - RIGHT, at[-1]) if chart.key.startswith("edf") else at[-1])
        at, up = np.column_stack([at, ends]).ravel(), np.repeat(up, 2)
        if first and chart.key.startswith("edf"):
            at, up = np.append(at[:1], at), np.append(float(_y(chart, 0.0)), up)
    at, up = np.round(at, 1), np.round(up, 1)
    keep = _visible_steps(at, up)
    at, up = at[keep], up[keep]
    if not first:
        at, up = at[::-1], up[::-1]
    points = " ".join(f"{a:g} {u:g}" for a, u in zip(at, up, strict=True))
    return f"{'M' if first else 'L'}{points}"


def _visible_steps(at: Floats, up: Floats) -> NDArray[np.intp]:
    if at.size < 400:
        return np.arange(at.size)
    kept, last = [0], 0
    for place in range(1, at.size - 1):
        if abs(at[place] - at[last]) >= 0.7 or abs(up[place] - up[last]) >= 0.7:
            # The point before keeps the corner of the step.
            if place - 1 != last:
                kept.append(place - 1)
            kept.append(place)
            last = place
    return np.array([*kept, at.size - 1])
