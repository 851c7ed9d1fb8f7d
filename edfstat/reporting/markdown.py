"""The report as Markdown: the verdict and every table, for a repository or an issue."""

from __future__ import annotations

import re

import xarray as xr

from edfstat.reporting.method import REFERENCES, method_of
from edfstat.reporting.provenance import provenance_of
from edfstat.reporting.tables import Table, paper_tables
from edfstat.verdicts import MOST_PAIRS, findings

__all__ = ["markdown_bytes"]


def markdown_bytes(comparison: xr.Dataset) -> bytes:
    """The text as UTF-8."""
    found = findings(comparison)
    names = ", ".join(_plain(str(name)) for name in comparison["group"].values)
    parts = [f"# Comparison of {names}", "## Verdict", f"**{_plain(found.headline)}**"]
    by_group = len(found.pairs) > MOST_PAIRS
    for pair in () if by_group else found.pairs:
        claim = [] if len(found.pairs) == 1 else [_plain(pair.claim), ""]
        parts.append("\n".join([*claim, *(f"- {_plain(line)}" for line in pair.evidence)]))
    standing = [*(group.line for group in found.groups), *found.beside]
    for title, lines in (
        ("Group by group, the best first", standing),
        ("What a random search costs", found.search),
        ("What limits this", found.limits),
    ):
        if lines:
            parts += [f"### {title}", "\n".join(f"- {_plain(line)}" for line in lines)]
    for table in paper_tables(comparison):
        parts += [f"## {table.title}", *([_grid(table)] if table.rows else []), _plain(table.note)]
    parts += ["## Files, versions and settings"]
    parts.append("\n".join(f"- {_plain(name)}: {_plain(value)}" for name, value in provenance_of(comparison)))
    parts += ["## Method", "\n".join(f"- {_plain(term)}: {_plain(meaning)}" for term, meaning in method_of(comparison))]
    parts += ["### References", "\n".join(f"{place}. {_plain(text)}" for place, text in enumerate(REFERENCES, 1))]
    return ("\n\n".join(parts) + "\n").encode()


def _grid(table: Table) -> str:
    rule = ["---" if place < table.text_columns else "---:" for place in range(len(table.columns))]
    rows = [[_plain(cell) for cell in row] for row in table.shown]
    return "\n".join(f"| {' | '.join(row)} |" for row in [table.columns, rule, *rows])


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no formulas, no new lines."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$])", r"\\\1", re.sub(r"\s+", " ", text)).strip()
