"""Reports on a comparison: a self-contained HTML page, a PDF or Markdown, by the suffix of the path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import xarray as xr

from edfstat.errors import InputError
from edfstat.formats.places import home_path
from edfstat.formats.saving import check_writable

__all__ = ["check_report", "report"]


def report(ds_or_comparison: xr.Dataset, path: str | os.PathLike[str], **compare_options: Any) -> Path:
    """Write a report that a stranger to the method can read: a verdict in words, then the evidence.

    Parameters
    ----------
    ds_or_comparison : Dataset
        A population, which is compared first, or what `compare` returned.
    path : path
        Where to write: ``.html`` (one self-contained file, no network), ``.pdf`` (figures and tables) or ``.md``.
    **compare_options
        For `compare`, with a population only.

    Returns
    -------
    Path
        The file. It is written whole or not at all.

    Raises
    ------
    InputError
        If the suffix is another, the folder is missing or cannot be written to, or options are given with a
        finished comparison.

    See Also
    --------
    compare : The same as a Dataset.
    verdict : In words alone.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from edfstat import build_population
    >>> ds = build_population({"error": [5.0, 6, 7, 6, 7, 8], "space": ["A"] * 3 + ["B"] * 3})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = report(ds, Path(folder) / "report.html")
    ...     "<!doctype html>" in written.read_text(encoding="utf-8")
    True
    """
    target = check_report(path)
    comparison = _compared(ds_or_comparison, compare_options)
    if target.suffix.lower() == ".pdf":
        from edfstat.reporting.pages import pdf_bytes as render
    elif target.suffix.lower() == ".md":
        from edfstat.reporting.markdown import markdown_bytes as render
    else:
        from edfstat.reporting.html import html_bytes as render
    _write_whole(target, render(comparison))
    return target


def check_report(path: str | os.PathLike[str]) -> Path:
    """The file of a report, asked for before the work that would be lost.

    Raises
    ------
    InputError
        If its suffix is none of a report's, or it cannot be written there.
    """
    target = home_path(path)
    suffix = target.suffix.lower()
    if suffix not in (".html", ".htm", ".pdf", ".md"):
        raise InputError(f"{target} ends in {suffix or 'no suffix'!r}; a report is written as .html, .pdf or .md")
    check_writable(target)
    return target


def _compared(ds: xr.Dataset, options: dict[str, Any]) -> xr.Dataset:
    from edfstat.comparison import compare

    if isinstance(ds, xr.Dataset) and {"measure", "group", "pair"} <= set(ds.dims):
        if options:
            raise InputError(f"{', '.join(options)} cannot change a finished comparison; give them to compare()")
        return ds
    return compare(ds, **options)


def _write_whole(target: Path, content: bytes) -> None:
    """Write beside the target, then move, so that a reader never sees half a report."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{target} cannot be written ({error.strerror or error}); choose another folder") from error
