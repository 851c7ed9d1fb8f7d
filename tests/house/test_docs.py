"""The pages tell the truth: their Python runs, their links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import edfstat
from edfstat.formats.tables import _ALIASES
from edfstat.population import COORDINATES, VARIABLES
from trainers.recipes import Recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [p for p in PAGES if BLOCK.search(p.read_text(encoding="utf-8"))], ids=name)
def test_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """All of a page's blocks run in order, in a folder of their own, warnings being errors.

    A block of text right below one is what it prints.
    """
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    end = "end of a block"
    code = "\n".join(f"{block}\nprint({end!r})" for block, _ in blocks)
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    printed = [lines(part) for part in done.stdout.split(f"{end}\n")]
    for (_, said), found in zip(blocks, printed):
        assert not said or lines(said) == found


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not broken


def test_the_pictures_are_what_the_page_draws(tmp_path: Path) -> None:
    """Every word and number in them, which are comments where text is drawn as paths."""
    script = ROOT / "docs" / "draw_figures.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=True)
    page = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    assert "\n".join(line.rstrip() for line in done.stdout.splitlines()) in page
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert sorted(f"images/{name}" for name in drawn) == sorted(LINK.findall(page.split("## ", 1)[1]))
    words = re.compile("<!-- (.*?) -->")
    for name, picture in drawn.items():
        committed = (ROOT / "docs" / "images" / name).read_text(encoding="utf-8")
        assert words.findall(committed) == words.findall(picture), f"{name} is old: run make figures"
        assert words.findall(picture), name


def test_every_figure_is_on_the_page() -> None:
    page = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    assert [name for name in edfstat.plot.__all__ if f"edfstat.plot.{name}(" not in page] == []


def first_cells(page: str, heading: str) -> dict[str, str]:
    """What the other cells of each row say, by the names in the first, in the table under a heading."""
    section = (ROOT / "docs" / page).read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ", 1) for line in section.splitlines() if line.startswith("| `")]
    return {name: rest for cell, rest in rows for name in re.findall(r"`(\w+)`", cell)}


def test_the_names_of_columns_are_those_that_are_read() -> None:
    rows = first_cells("files.md", "From a DataFrame or arrays")
    assert {name: tuple(re.findall(r"`(\w+)`", also)) for name, also in rows.items()} == _ALIASES


def test_the_variables_of_a_population_are_those_of_the_data_model() -> None:
    rows = first_cells("design.md", "A population")
    assert {name: cells.split(" | ")[0] for name, cells in rows.items()} == {
        name: ", ".join(known.dims) for name, known in {**VARIABLES, **COORDINATES}.items()
    }


def test_the_settings_of_a_recipe_are_on_the_page_with_their_defaults() -> None:
    section = (ROOT / "docs" / "training.md").read_text(encoding="utf-8").split("## Recipes\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ")[:2] for line in section.splitlines() if line.startswith("| `")]
    said = {
        name: yaml.safe_load(value)
        for names, values in rows
        for name, value in zip(re.findall(r"`(\w+)`", names), values.split(", "), strict=True)
    }
    assert said == Recipe().to_dict()
