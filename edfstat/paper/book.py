"""`draw_paper`: every figure and table that the files allow, and a page that shows them with their conventions."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edfstat.errors import InputError
from edfstat.formats.places import home_path, made_folder
from edfstat.paper.captions import CAPTIONS
from edfstat.paper.computing import compute_panel
from edfstat.paper.page import index_page
from edfstat.paper.results import Results
from edfstat.paper.settings import FIGURES
from edfstat.paper.simulating import PAPER_SEED
from edfstat.paper.tables import paper_tables
from edfstat.printing import strict_json

__all__ = ["draw_paper"]


def draw_paper(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    figures: Sequence[int] | None = None,
    rng: int | None = PAPER_SEED,
) -> Iterator[Path | str]:
    """Draw the paper's figures and tables from the published files.

    Parameters
    ----------
    data : path
        Folder or zip of the published files; figures whose files are missing are skipped with a note.
    output : path
        Folder to write to: per figure PNG, SVG and JSON of the plotted numbers, and ``index.html``.
    figures : sequence of int, optional
        Only these, each of which must be possible; by default all that are possible, and the tables.
    rng : int, default 1
        Seed of what the paper simulates; each figure starts from it anew. 1 is the seed of the paper's notebooks
        and gives their very samples.

    Yields
    ------
    Path or str
        The JSON file of each figure and table as it is drawn, then the page; as a str, what was left out and why.

    Raises
    ------
    InputError
        If there is no such figure, the folder cannot be written to, no published file is there, or one of
        `figures` cannot be drawn from those that are.
    """
    wanted = sorted(set(figures)) if figures else list(FIGURES)
    unknown = [number for number in wanted if number not in FIGURES]
    if unknown:
        raise InputError(f"there is no figure {unknown[0]}; give 1 to {max(FIGURES)}")
    results = Results(home_path(data))
    for number in wanted if figures else ():
        lacking = results.missing(tuple(name for panel in FIGURES[number] for name in panel.files))
        if not any(not results.missing(panel.files) for panel in FIGURES[number]):
            raise InputError(f"figure {number} cannot be drawn: {data} holds no {_json_names(lacking)}")
    folder = made_folder(home_path(output))
    return _draw_all(results, folder, wanted, everything=not figures, seed=rng)


def _draw_all(
    results: Results, folder: Path, wanted: list[int], *, everything: bool, seed: int | None
) -> Iterator[Path | str]:
    shown: list[dict[str, Any]] = []
    for number in wanted:
        figure = _figure(number, results, seed)
        shown.append(figure)
        if figure["panels"]:
            yield _write(folder, f"figure_{number:02d}", figure, "figure")
        elif not everything:
            raise InputError(f"figure {number} cannot be drawn: {figure['notes'][0].removeprefix('skipped: ')}")
        for note in figure["notes"]:
            if any(said in note for said in ("skipped", "no sample", "no error")):
                yield f"figure {number}: {note}"
    tables = paper_tables() if everything else []
    for table in tables:
        yield _write(folder, f"table_{table['table']}", table, "table")
    files = dict.fromkeys(name for number in wanted for panel in FIGURES[number] for name in panel.files)
    page = index_page(shown, tables, results.read, results.missing(tuple(files)))
    _replace_text(folder / "index.html", page)
    yield folder / "index.html"


def _json_names(names: list[str]) -> str:
    return ", ".join(f"{name}.json" for name in dict.fromkeys(names))


def _figure(number: int, results: Results, seed: int | None) -> dict[str, Any]:
    panels, notes = [], []
    rng = random.Random(seed)
    for panel in FIGURES[number]:
        rng = random.Random(seed) if panel.fresh else rng
        missing = results.missing(panel.files)
        if missing:
            notes.append(f"panel {panel.name} skipped: no {_json_names(missing)}")
            continue
        try:
            numbers = compute_panel(panel, results, rng)
        except InputError as error:
            notes.append(f"panel {panel.name} ({panel.measure}) skipped: {error}")
            continue
        notes += numbers.pop("notes", [])
        notes += [
            f"{name}: {count} diverged jobs reached no error; they count as worse than all others in EDFs and random "
            "search, whose mean they make infinite, and have no place where errors are averaged or ranked"
            for name in panel.files if (count := results.failed(name))
        ]  # fmt: skip
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
