"""Paths as people type them, and as they can be shown; where things are kept for the user."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from edfstat.errors import InputError

__all__ = ["home_path", "made_folder", "shown", "user_cache"]


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


def made_folder(path: Path) -> Path:
    """A folder to write to, made if it is not there.

    Raises
    ------
    InputError
        If it cannot be made or written to.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"cannot write to {path}: it is a file; name a folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"cannot write to {path}: {error.strerror or error}; choose another folder") from None
    return path


def user_cache(name: str) -> Path:
    """Folder of that name below the one that the system has for what a program can make again.

    Raises
    ------
    RuntimeError
        If the user has no home folder.
    """
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "edfstat" / name
