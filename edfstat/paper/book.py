"""`draw_paper`: every figure and table that the files allow, and a page that shows them with their conventions."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from edfstat.errors import InputError
from edfstat.paper.captions import CAPTIONS, CONVENTIONS
from edfstat.paper.computing import compute_panel
from edfstat.paper.results import Results
from edfstat.paper.settings import FIGURES
from edfstat.paper.tables import paper_tables
from edfstat.printing import strict_json

__all__ = ["draw_paper"]


def draw_paper(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    figures: Sequence[int] | None = None,
    rng: int | None = 0,
) -> Iterator[str]:
    """Draw the paper's figures and tables from the published files.

    Parameters
    ----------
    data : path
        Folder or zip of the published files; figures whose files are missing are skipped with a note.
    output : path
        Folder to write to: per figure PNG, SVG and JSON of the plotted numbers, and ``index.html``.
    figures : sequence of int, optional
        Only these; all, and the tables, by default.
    rng : int, default 0
        Seed of what the paper simulates; each figure starts from it anew.

    Yields
    ------
    str
        One line per figure: its file, or why it was skipped.

    Raises
    ------
    InputError
        If there is no such figure, the folder cannot be written to, or no published file is there.
    """
    wanted = sorted(set(figures)) if figures else list(FIGURES)
    unknown = [number for number in wanted if number not in FIGURES]
    if unknown:
        raise InputError(f"there is no figure {unknown[0]}; give 1 to {max(FIGURES)}")
    results = Results(Path(data))
    folder = _folder(Path(output))
    return _draw_all(results, folder, wanted, tables=not figures, rng=rng)


def _draw_all(results: Results, folder: Path, wanted: list[int], *, tables: bool, rng: int | None) -> Iterator[str]:
    shown: list[dict[str, Any]] = []
    for number in wanted:
        figure = _figure(number, results, np.random.default_rng(rng))
        shown.append(figure)
        if figure["panels"]:
            yield str(_write(folder, f"figure_{number:02d}", figure, "figure"))
        for note in figure["notes"]:
            if "skipped" in note or "no sample" in note:
                yield f"figure {number}: {note}"
    drawn = paper_tables() if tables else []
    for table in drawn:
        yield str(_write(folder, f"table_{table['table']}", table, "table"))
    _replace_text(folder / "index.html", _page(shown, drawn))
    yield str(folder / "index.html")


def _folder(output: Path) -> Path:
    if output.exists() and not output.is_dir():
        raise InputError(f"cannot write to {output}: it is a file; name a folder")
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise InputError(f"cannot write to {output}: {error.strerror or error}; choose another folder") from None
    return output


def _figure(number: int, results: Results, rng: np.random.Generator) -> dict[str, Any]:
    panels, notes = [], []
    for panel in FIGURES[number]:
        missing = results.missing(panel.files)
        if missing:
            notes.append(f"panel {panel.name} skipped: no {', '.join(f'{name}.json' for name in missing)}")
            continue
        try:
            numbers = compute_panel(panel, results, rng)
        except InputError as error:
            notes.append(f"panel {panel.name} ({panel.measure}) skipped: {error}")
            continue
        notes += numbers.pop("notes", [])
        panels.append(numbers)
    if not panels and notes:
        notes = ["skipped: " + "; ".join(dict.fromkeys(note.split("skipped: ", 1)[-1] for note in notes))]
    return {"figure": number, "panels": panels, "notes": list(dict.fromkeys(notes)), "caption": CAPTIONS[number]}


def _write(folder: Path, name: str, numbers: dict[str, Any], kind: str) -> Path:
    """JSON, PNG and SVG, each complete before it takes its name."""
    from edfstat.paper.drawing import draw_figure, draw_table

    with tempfile.TemporaryDirectory(prefix=".paper-", dir=folder) as parts:
        png, svg = Path(parts) / f"{name}.png", Path(parts) / f"{name}.svg"
        (draw_figure if kind == "figure" else draw_table)(numbers, png, svg)
        for path in (png, svg):
            path.replace(folder / path.name)
    target = folder / f"{name}.json"
    _replace_text(target, strict_json(numbers))
    return target


def _replace_text(target: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, delete=False) as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(target)


def _page(figures: list[dict[str, Any]], tables: list[dict[str, Any]]) -> str:
    parts = [_figure_part(figure) for figure in figures]
    parts += [_image_part(f"table_{table['table']}", table["title"], table["title"]) for table in tables]
    conventions = "".join(f"<li>{escape(line)}</li>" for line in CONVENTIONS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>The paper\'s figures</title><style>'
        "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
        "background:#fff}img{max-width:100%;height:auto}section{margin:2rem 0}.note{color:#7a4b00}</style></head><body>"
        "<h1>On Network Design Spaces for Visual Recognition: figures and tables from the result files</h1>"
        f"<h2>Conventions</h2><ul>{conventions}</ul>{''.join(parts)}</body></html>"
    )


def _figure_part(figure: dict[str, Any]) -> str:
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in figure["notes"])
    caption = f"Figure {figure['figure']}: {figure['caption']}"
    if not figure["panels"]:
        return f"<section><h2>{escape(caption)}</h2>{notes}</section>"
    return _image_part(f"figure_{figure['figure']:02d}", caption, figure["caption"], notes)


def _image_part(name: str, heading: str, alt: str, notes: str = "") -> str:
    links = ", ".join(f'<a href="{name}.{suffix}">{suffix.upper()}</a>' for suffix in ("png", "svg", "json"))
    return (
        f'<section><h2>{escape(heading)}</h2><img src="{name}.svg" alt="{escape(alt, quote=True)}">{notes}'
        f"<p>{links}</p></section>"
    )
