"""The report as one HTML file: style, script, data and pictures inside, nothing from a network."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

import xarray as xr
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from edfstat.evidence import measure_words
from edfstat.reporting.best import best_drawings, svg_uri
from edfstat.reporting.charts import MOST_BANDS, Chart, as_plain, charts_of, dash_of
from edfstat.reporting.method import REFERENCES, method_of
from edfstat.reporting.provenance import provenance_of
from edfstat.reporting.svg import chart_svg
from edfstat.reporting.tables import Table, table_csv, tables_of
from edfstat.verdicts import MOST_PAIRS, findings

__all__ = ["embedded_json", "html_bytes"]


def html_bytes(comparison: xr.Dataset) -> bytes:
    """The page as UTF-8."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["svg"] = _picture
    environment.filters["csv_uri"] = _csv_uri
    environment.filters["svg_uri"] = svg_uri
    environment.filters["dash"] = dash_of
    charts = charts_of(comparison)
    script = _resource("page.js")
    groups = [str(name) for name in comparison["group"].values]
    text = environment.from_string(_resource("page.html.j2")).render(
        title=_title(groups),
        groups=groups,
        most_bands=MOST_BANDS,
        measures=[(str(m), measure_words(comparison, str(m))) for m in comparison["measure"].values],
        charts=charts,
        tables=tables_of(comparison),
        drawings=list(best_drawings(comparison)),
        found=findings(comparison),
        by_group=comparison.sizes["pair"] > MOST_PAIRS,
        provenance=provenance_of(comparison),
        method=method_of(comparison),
        references=REFERENCES,
        attrs=comparison.attrs,
        level=f"{float(comparison.attrs['level']):.0%}",
        eps=f"{float(comparison.attrs['eps']):g}",
        css=Markup(_resource("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=Markup(embedded_json([as_plain(chart) for each in charts.values() for chart in each])),
    )
    return text.encode()


def embedded_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever text it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _title(groups: list[str]) -> str:
    shown = groups if len(groups) <= 6 else [*groups[:5], f"{len(groups) - 5} more"]
    return (" vs " if len(shown) <= 2 else ", ").join(shown)


def _picture(chart: Chart) -> Markup:
    return Markup(chart_svg(chart))


def _csv_uri(table: Table) -> str:
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(table_csv(table).encode()).decode()


@cache
def _resource(name: str) -> str:
    return (files("edfstat.reporting") / name).read_text(encoding="utf-8")
