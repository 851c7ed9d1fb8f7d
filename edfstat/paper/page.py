"""The index page: figures, tables, the conventions behind them, which files were read and which are not there."""

from __future__ import annotations

from html import escape
from typing import Any

from edfstat.paper.captions import CONVENTIONS
from edfstat.paper.tables import row_texts

__all__ = ["index_page"]

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}img{max-width:100%;height:auto}section{margin:2rem 0}.note{color:#7a4b00}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:.15rem .7rem;text-align:right;"
    "border-bottom:1px solid #ccc}td:first-child,th:first-child{text-align:left}"
)


def index_page(
    figures: list[dict[str, Any]], tables: list[dict[str, Any]], files: dict[str, int], missing: list[str]
) -> str:
    """HTML of the page; `files` are the names and job counts of what was read, `missing` what is not there."""
    parts = [_figure(figure) for figure in figures] + [_table(table) for table in tables]
    conventions = "".join(f"<li>{escape(line)}</li>" for line in CONVENTIONS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>The paper\'s figures</title>'
        f"<style>{_STYLE}</style></head><body>"
        "<h1>On Network Design Spaces for Visual Recognition: figures and tables from the result files</h1>"
        f"<h2>Files</h2>{_files(files, missing)}<h2>Conventions</h2><ul>{conventions}</ul>{''.join(parts)}"
        "</body></html>"
    )


def _files(files: dict[str, int], missing: list[str]) -> str:
    read = ", ".join(f"{name} ({count:,})" for name, count in files.items())
    said = f"<p>Read, with the number of jobs that count: {escape(read)}.</p>"
    if missing:
        said += f'<p class="note">Not there: {escape(", ".join(missing))}.</p>'
    return said


def _figure(figure: dict[str, Any]) -> str:
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in figure["notes"])
    caption = f"Figure {figure['figure']}: {figure['caption']}"
    if not figure["panels"]:
        return f"<section><h2>{escape(caption)}</h2>{notes}</section>"
    name = f"figure_{figure['figure']:02d}"
    image = f'<img src="{name}.svg" alt="{escape(figure["caption"], quote=True)}">'
    return f"<section><h2>{escape(caption)}</h2>{image}{notes}{_links(name)}</section>"


def _table(table: dict[str, Any]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table["columns"])
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row_texts(row, table["columns"])) + "</tr>"
        for row in table["rows"]
    )
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<section><h2>{escape(table['title'])}</h2>{body}{_links('table_' + table['table'])}</section>"


def _links(name: str) -> str:
    links = ", ".join(f'<a href="{name}.{suffix}">{suffix.upper()}</a>' for suffix in ("png", "svg", "json"))
    return f"<p>{links}</p>"
