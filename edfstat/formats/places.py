"""Paths as people type them, and as they can be shown."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["home_path", "shown"]


def home_path(path: str | os.PathLike[str]) -> Path:
    """Path with ``~`` at its start as the home folder; where ``~name`` is no user's, it is the name of a file.

    Examples
    --------
    >>> home_path("~/x.csv") == Path.home() / "x.csv", home_path("~$x.csv")
    (True, PosixPath('~$x.csv'))
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def shown(path: str | os.PathLike[str]) -> str:
    """Path as text; bytes that are not UTF-8, which no output takes, become the mark of what cannot be shown."""
    return os.fsencode(path).decode("utf-8", "replace")
