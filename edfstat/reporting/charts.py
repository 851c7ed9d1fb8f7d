"""The charts of a report as data: one description that the page, its script and the PDF all draw."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.entries import entries_of
from edfstat.evidence import measure_words
from edfstat.plot.search_curves import FEW
from edfstat.ticks import log_ticks
from edfstat.verdicts import MOST_PAIRS

__all__ = ["MOST_BANDS", "Chart", "Series", "as_plain", "breaks", "charts_of", "dash_of"]

Floats = NDArray[np.float64]
#: Points of an EDF kept for drawing: more than a screen shows, few enough for a small file.
MAX_POINTS = 700
LOWEST_KEPT = 120
#: Points of all EDFs of a chart, as far as each keeps `FEWEST_POINTS`: sixty curves need not make a large file.
ALL_POINTS, FEWEST_POINTS = 8 * MAX_POINTS, 200
#: Bands of more curves lie on one another, and none can be made out.
MOST_BANDS = 6


def dash_of(place: int) -> int:
    """Number of the dashes of a curve, which move on by one where the 8 colours begin again.

    Examples
    --------
    >>> [(place % 8, dash_of(place)) for place in (0, 7, 8, 15, 16)]
    [(0, 0), (7, 7), (0, 1), (7, 0), (0, 2)]
    """
    return (place + place // 8) % 8


@dataclass(frozen=True)
class Series:
    """One curve: a step or a line, with a band or interval; `groups` says whom it is about.

    With `hollow`, each value is marked, and those where it is true by a hollow mark.
    """

    name: str
    color: int
    groups: list[str]
    x: Floats
    y: Floats
    lower: Floats | None = None
    upper: Floats | None = None
    hollow: NDArray[np.bool_] | None = None

    @property
    def dash(self) -> int:
        """Number of its dashes: none repeats with the same of 8 colours below 64 curves."""
        return dash_of(self.color)


@dataclass(frozen=True)
class Chart:
    """One chart: axes, curves, and what to read from it; `shade` says what bands are, empty where there are none."""

    key: str
    measure: str
    title: str
    x_label: str
    y_label: str
    kind: str
    series: list[Series]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    x_log: bool = False
    x_unit: str = ""
    y_unit: str = ""
    ticks: list[float] = field(default_factory=list)
    baseline: float | None = None
    mark: float | None = None
    note: str = ""
    shade: str = ""

    @property
    def banded(self) -> bool:
        """Whether bands are drawn where all curves are."""
        return len(self.series) <= MOST_BANDS

    @property
    def caption(self) -> str:
        """What to read from the chart with all its curves."""
        return f"{self.note} Shaded: {self.shade}" if self.shade and self.banded else self.note

    @property
    def live_caption(self) -> str:
        """The same where curves can be hidden, so that bands may come."""
        if self.shade and not self.banded:
            return f"{self.note} Shaded while at most {MOST_BANDS} curves are shown: {self.shade}"
        return self.caption


def charts_of(comparison: xr.Dataset) -> dict[str, list[Chart]]:
    """All charts by topic: `edf`, `complexity`, `trend`, `search`, `eps`; one per measure that has any."""
    found: dict[str, list[Chart]] = {name: [] for name in ("edf", "complexity", "trend", "search", "eps")}
    for measure in map(str, comparison["measure"].values):
        one = comparison.sel(measure=measure)
        words = measure_words(comparison, measure)
        found["edf"].append(_edf_chart(one, measure, words))
        found["search"].append(_search_chart(one, measure, words))
        if measure != "none":
            found["complexity"] += _complexity_charts(one, measure)
            if int(one["bins"]) > 1:
                found["trend"].append(_trend_chart(one, measure))
        if comparison.sizes["pair"]:
            draw = _eps_chart if comparison.sizes["pair"] <= MOST_PAIRS else _group_eps_chart
            found["eps"].append(draw(one, measure, words))
    return found


def _groups(comparison: xr.Dataset) -> Iterator[tuple[int, str]]:
    return enumerate(map(str, comparison["group"].values))


def _edf_chart(one: xr.Dataset, measure: str, words: str) -> Chart:
    x = one["support"].values
    series = []
    for place, name in _groups(one):
        y, low, high = (100 * one[v].values[place] for v in ("edf", "edf_lower", "edf_upper"))
        keep = _thinned(y, min(MAX_POINTS, max(FEWEST_POINTS, ALL_POINTS // one.sizes["group"])))
        series.append(Series(name, place, [name], x[keep], y[keep], low[keep], high[keep]))
    # Diverged models may lie far right of all others; they stay reachable by zooming out.
    end = min(float(x[-1]), 1.1 * float(one.attrs["eps"]))
    start = float(x[0]) - 0.03 * max(end - float(x[0]), 1e-9)
    return Chart(
        key=f"edf-{measure}", measure=measure, title=f"Error distributions, {words}", kind="step",
        x_label="error (%)", y_label="models with at most this error (%)", series=series,
        x_range=_wide(start, end), y_range=(0.0, 100.0), x_unit="%", y_unit="%",
        note="Higher and further left is better.",
        shade=f"the band that holds the whole true curve with {float(one.attrs['level']):.0%} confidence.",
    )  # fmt: skip


def _thinned(y: Floats, most: int) -> NDArray[np.intp]:
    """Where a step function rises; if that is very often, the first rises and an even choice of the rest."""
    rises: NDArray[np.intp] = np.flatnonzero(np.diff(y, prepend=-1.0) != 0)
    if rises.size <= most:
        return rises
    even = np.linspace(LOWEST_KEPT, rises.size - 1, most - LOWEST_KEPT).round().astype(np.intp)
    kept: NDArray[np.intp] = rises[np.unique(np.concatenate([np.arange(LOWEST_KEPT), even]))]
    return kept


def _complexity_charts(one: xr.Dataset, measure: str) -> Iterator[Chart]:
    scale, unit = _scaled(float(np.nanmax(one["slot_upper"].values)))
    edges = np.concatenate([one["slot_lower"].values[:1], one["slot_upper"].values]) / scale
    top = 100 * float(max(np.nanmax(one["share_before"].values), np.nanmax(one["share_after"].values)))
    log = one.attrs["spacing"] == "log" and float(edges[0]) > 0
    ticks = log_ticks(float(edges[0]), float(edges[-1])) if log else []
    after = (
        f"The compared range is cut into {int(one['bins'])} bins, each with the same weight in every group. "
        "The steps drawn here are cut otherwise and may differ."
        if int(one["bins"]) > 1
        else "One bin: models outside the range that all groups share are left out, inside it nothing is levelled."
    )
    for variable, title in (("share_before", "before"), ("share_after", "after")):
        series = [
            Series(name, place, [name], edges, np.append(100 * one[variable].values[place], 0.0))
            for place, name in _groups(one)
        ]
        before = title == "before"
        yield Chart(
            key=f"complexity-{measure}-{title}", measure=measure, title=f"{measure} {title} normalization",
            kind="step", x_label=f"{measure}{unit}", x_log=log, ticks=ticks, series=series,
            y_label="share of the models (%)" if before else "share of the weight (%)",
            x_range=_wide(float(edges[0]), float(edges[-1])), y_range=(0.0, 1.08 * top), y_unit="%",
            note="Where the curves differ, a raw comparison mixes complexity with quality."
            if before else after,
        )  # fmt: skip


def _trend_chart(one: xr.Dataset, measure: str) -> Chart:
    lower, upper = one["bin_lower"].values, one["bin_upper"].values
    scale, unit = _scaled(float(np.nanmax(upper)))
    ends = (float(np.nanmin(lower)) / scale, float(np.nanmax(upper)) / scale)
    log = one.attrs["spacing"] == "log" and ends[0] > 0
    ticks = log_ticks(*ends) if log else []
    used = np.flatnonzero(np.isfinite(lower))
    edges = np.append(lower[used], upper[used[-1]]) / scale
    series, values = [], []
    for place, name in _groups(one):
        # Each bin is a step; the last is repeated at the upper end of the range.
        low, mid, high = one["bin_quantile"].values[place][np.append(used, used[-1])].T
        series.append(Series(name, place, [name], edges, mid, low, np.where(np.isinf(high), 1e3, high)))
        values += [part[np.isfinite(part)] for part in (low, mid, high)]
    pooled = np.concatenate(values) if values else np.array([0.0, 1.0])
    top = min(float(pooled.max()), 1.2 * float(one.attrs["eps"])) if pooled.size else 1.0
    bottom = float(pooled.min()) if pooled.size else 0.0
    return Chart(
        key=f"trend-{measure}", measure=measure, title=f"Error against {measure}", kind="step",
        x_label=f"{measure}{unit}", y_label="error (%)", series=series, x_log=log, ticks=ticks,
        x_range=_wide(*ends),
        y_range=_wide(bottom - 0.05 * (top - bottom), top), y_unit="%",
        note="Median error of the models in each bin. A slope shows that complexity alone buys accuracy, which is why "
        "it has to be taken out.",
        shade="the middle 90 % of the models.",
    )  # fmt: skip


def _search_chart(one: xr.Dataset, measure: str, words: str) -> Chart:
    sizes = one["m"].values.astype(np.float64)
    series, values = [], []
    for place, name in _groups(one):
        low, mid, high = one["search_quantile"].values[place].T
        hollow = one["search_support"].values[place] < FEW
        high_end = np.where(np.isfinite(high), high, 1e3)
        series.append(Series(name, place, [name], sizes, mid, low, high_end, hollow=hollow))
        values += [part[np.isfinite(part)] for part in (low, mid, high)]
    thin = f" Hollow: fewer than {FEW} models decide." if any(np.any(s.hollow) for s in series) else ""
    pooled = np.concatenate(values)
    bottom, top = float(pooled.min()), min(float(pooled.max()), 1.2 * float(one.attrs["eps"]))
    return Chart(
        key=f"search-{measure}", measure=measure, title=f"Random search, {words}", kind="line",
        x_label="models trained", y_label="error of the best (%)", series=series,
        x_range=_wide(1.0, float(sizes[-1])), y_range=_wide(bottom - 0.05 * (top - bottom), top),
        x_log=True, ticks=[float(m) for m in sizes[:: max(1, len(sizes) // 7)]], y_unit="%",
        note=f"Median error of the best of so many models drawn at random, computed exactly.{thin}",
        shade="from the 5 % to the 95 % quantile over repeated searches.",
    )  # fmt: skip


def _eps_chart(one: xr.Dataset, measure: str, words: str) -> Chart:
    x = one["eps_value"].values
    series = []
    for place, pair in enumerate(entries_of(one, "pair")):
        a, b = str(pair["a"]), str(pair["b"])
        y, low, high = (pair[f"auc_difference_curve{end}"] for end in ("", "_lower", "_upper"))
        bounded = bool(np.isfinite(low + high).all())
        series.append(Series(f"{a} − {b}", place, [a, b], x, y, low if bounded else None, high if bounded else None))
    shade = (
        "at each eps by itself, the interval that holds the true difference with "
        f"{float(one.attrs['level']):.0%} confidence."
    )
    reach = max(float(np.nanmax(np.abs(np.concatenate([s.y, *_ends(s)])))) for s in series)
    return Chart(
        key=f"eps-{measure}", measure=measure, title=f"AUC difference by eps, {words}", kind="line",
        x_label="eps: errors above count alike (%)", y_label="AUC difference", series=series,
        x_range=_wide(float(x[0]), float(x[-1])), y_range=_wide(-1.08 * reach, 1.08 * reach), x_unit="%",
        baseline=0.0, mark=float(one.attrs["eps"]),
        note="Above 0 the first named is better. The dotted vertical marks the eps of the tables; a curve that "
        "crosses 0 means that the choice of eps decides.",
        shade=shade if any(map(_ends, series)) else "",
    )  # fmt: skip


def _group_eps_chart(one: xr.Dataset, measure: str, words: str) -> Chart:
    """The areas themselves, where there are more differences than one can tell apart."""
    x = one["eps_value"].values
    series = [Series(name, place, [name], x, one["auc_curve"].values[place]) for place, name in _groups(one)]
    top = max(float(np.nanmax(s.y)) for s in series)
    return Chart(
        key=f"eps-{measure}", measure=measure, title=f"AUC by eps, {words}", kind="line",
        x_label="eps: errors above count alike (%)", y_label="AUC", series=series,
        x_range=_wide(float(x[0]), float(x[-1])), y_range=_wide(0.0, 1.08 * top), x_unit="%",
        mark=float(one.attrs["eps"]),
        note="Higher is better. The dotted vertical marks the eps of the tables; curves that cross mean that the "
        "choice of eps decides.",
    )  # fmt: skip


def _ends(series: Series) -> list[Floats]:
    return [part for part in (series.lower, series.upper) if part is not None]


def _scaled(largest: float) -> tuple[float, str]:
    for scale, unit in ((1e9, " (billions)"), (1e6, " (millions)"), (1e3, " (thousands)")):
        if largest >= 1.5 * scale or (largest >= 0.1 * scale and scale > 1e3):
            return scale, unit
    return 1.0, ""


def _wide(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def as_plain(chart: Chart) -> dict[str, Any]:
    """The chart for JSON, numbers rounded to what a screen can show."""
    return {
        "key": chart.key, "kind": chart.kind, "xLabel": chart.x_label, "yLabel": chart.y_label,
        "title": chart.title, "xRange": _rounded(chart.x_range), "yRange": _rounded(chart.y_range),
        "xLog": chart.x_log, "xUnit": chart.x_unit, "yUnit": chart.y_unit, "ticks": chart.ticks,
        "baseline": chart.baseline, "mark": chart.mark, "mostBands": MOST_BANDS,
        "series": [
            {
                "name": s.name, "color": s.color, "groups": s.groups, "dash": s.dash, "x": _rounded(s.x),
                "y": _rounded(s.y), "lower": _rounded(s.lower), "upper": _rounded(s.upper),
                "hollow": None if s.hollow is None else s.hollow.tolist(),
            }
            for s in chart.series
        ],
    }  # fmt: skip


def _rounded(values: Any) -> list[float | None] | None:
    if values is None:
        return None
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in np.asarray(values).tolist()]


def breaks(values: Floats) -> list[slice]:
    """Runs of finite values, drawn as separate pieces."""
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(finite[1:] != finite[:-1])
    return [slice(int(a), int(b)) for a, b in list(pairwise(edges))[::2]]
