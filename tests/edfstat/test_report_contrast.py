"""Colours of the report by the contrast formula of WCAG 2.2: text at 4.5 to 1, lines that carry meaning at 3 to 1."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import edfstat.reporting

CSS = (Path(edfstat.reporting.__file__).parent / "page.css").read_text()
TEXT = ["ink", "soft", "link", "warn"]
LINES = ["good", "warn", "focus", *(f"s{place}" for place in range(8))]


def palette(rules: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})\b", rules))


LIGHT = palette(CSS.split("@media", 1)[0])
DARK = LIGHT | palette(CSS.split("prefers-color-scheme: dark", 1)[1].split("@media", 1)[0].split("\n}", 1)[0])
PRINT = LIGHT | palette(CSS.split("@media print", 1)[1])
# A browser may print a page whose colours are the dark ones.
PRINT_DARK = DARK | palette(CSS.split("@media print", 1)[1])


def luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lower, higher = sorted((luminance(one), luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


def test_the_formula() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)  # the standard's own example
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # known as the grey just too light


@pytest.mark.parametrize("colors", [LIGHT, DARK, PRINT, PRINT_DARK], ids=["light", "dark", "print", "print-dark"])
def test_everything_can_be_made_out(colors: dict[str, str]) -> None:
    assert set(TEXT + LINES + ["paper", "panel", "warnpaper"]) <= set(colors)
    weak = {
        (name, paper): round(contrast(colors[name], colors[paper]), 2)
        for names, least in ((TEXT, 4.5), (LINES, 3.0))
        for name in names
        for paper in ("paper", "panel", "warnpaper")
        if contrast(colors[name], colors[paper]) < least
    }
    assert not weak


def test_dark_and_light_are_two() -> None:
    assert luminance(LIGHT["paper"]) > 0.9
    assert luminance(DARK["paper"]) < 0.02
