"""Paths as people type them, and as they can be shown; where things are kept for the user."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from edfstat.errors import InputError

__all__ = ["home_path", "made_folder", "shown", "user_cache"]


def home_path(path: str | os.PathLike[str]) -> Path:
    """Path whose ``~`` or ``~user`` at its start stands for a home folder; of no known user, it is a name as any other.

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
    """Path as text that every output takes: bytes that are not UTF-8 become the replacement character."""
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
    """Folder `name` for this package in the cache folder of the user.

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
