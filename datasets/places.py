"""Where data sets are looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from os import PathLike
from pathlib import Path

from datasets.errors import DatasetError

__all__ = ["cache", "expanded", "folders"]


def folders(root: Path | None, *names: str, also: Iterable[str] = ()) -> list[Path]:
    """Folders in which a data set may lie, the likeliest first.

    A `root` of the user's is the only place looked at. Otherwise the folders of the environment variable
    EDFSTAT_DATA (separated as in PATH), the user's cache, and the places of the operating system in `also`.

    Parameters
    ----------
    root : Path or None
    *names : str
        Folder names that the data set goes by; each place is tried itself and with each of these.
    also : iterable of str
        Further places.

    Returns
    -------
    list of Path
    """
    if root is not None:
        places = [root]
    else:
        places = [expanded(part) for part in os.environ.get("EDFSTAT_DATA", "").split(os.pathsep) if part]
        with suppress(DatasetError):
            places.append(cache())
        places += map(Path, also)
    return [folder for place in places for folder in (place, *(place / name for name in names))]


def cache() -> Path:
    """The folder that downloads go to.

    Returns
    -------
    Path

    Raises
    ------
    DatasetError
        If the user has no home folder, as in some containers, and XDG_CACHE_HOME is not set either.
    """
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "edfstat" / "datasets"


def expanded(path: str | PathLike[str]) -> Path:
    """A path whose ``~`` is the home folder.

    Parameters
    ----------
    path : path

    Returns
    -------
    Path

    Raises
    ------
    DatasetError
        If that user is unknown or has no home folder.

    Examples
    --------
    >>> expanded("/data/images").parts[-1]
    'images'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DatasetError(f"there is no home folder for the ~ of {path}; give a path without ~ or set HOME") from None
